# One rule per test set, because the caption metrics' Java takes long to start.
for tested in config["datasets"]:
    cells = [cell for cell in ASKED if cell[2] == tested]

    rule:
        name:
            f"evaluate_{tested}"
        input:
            code=code("evaluate"),
            captions=f"{ARTIFACTS}/data/{tested}/captions.jsonl",
            images=f"{ARTIFACTS}/features/{tested}/images.test.safetensors",
            text_features=f"{ARTIFACTS}/features/{tested}/captions.test.safetensors",
            predictions=predictions(cells)[::2],
            features=predictions(cells)[1::2],
        output:
            metrics(cells),
        log:
            f"logs/{config['profile']}/evaluate/{tested}.log",
        conda:
            "../../environment.yml"
        params:
            cfg=pick(),
        shell:
            step("evaluate", "captions", "images", "text_features", "predictions", "features")


rule evaluate_answers:
    input:
        code=code("evaluate_answers"),
        questions=f"{ARTIFACTS}/data/{{dataset}}/vqa_questions.test.json",
        annotations=f"{ARTIFACTS}/data/{{dataset}}/vqa_annotations.test.json",
        results=expand(f"{ARTIFACTS}/answers/{{{{dataset}}}}/{{{{answers}}}}/{{seed}}.json", seed=SEEDS),
    output:
        expand(f"{RESULTS}/metrics/vqa/{{{{dataset}}}}/{{{{answers}}}}/{{seed}}.json", seed=SEEDS),
    log:
        f"logs/{config['profile']}/evaluate_answers/{{dataset}}-{{answers}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("evaluate-answers", "questions", "annotations", "results")


rule gap:
    input:
        code=code("gap"),
        captions=f"{ARTIFACTS}/data/{{dataset}}/captions.jsonl",
        images=f"{ARTIFACTS}/features/{{dataset}}/images.test.safetensors",
        text_features=f"{ARTIFACTS}/features/{{dataset}}/captions.test.safetensors",
    output:
        f"{RESULTS}/metrics/gap/{{dataset}}.json",
    log:
        f"logs/{config['profile']}/gap/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("decoding.subregions", "decoding.patch_weight"),
    shell:
        step("gap", "captions", "images", "text_features")
