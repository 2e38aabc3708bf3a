# One rule per trained run: it decodes every experiment that uses the run, on every test set asked for.
for trained, run in RUNS:
    cells = [cell for cell in ASKED if (cell[0], run_of(cell[1])) == (trained, run)]

    rule:
        name:
            f"predict_{trained}_{run}".replace("-", "_")
        input:
            code=code("predict", config["runs"][run]["method"]),
            weights=model_files(config["encoder"]["name"]) + model_files(config["language_model"]["name"]),
            images=expand(
                f"{ARTIFACTS}/features/{{tested}}/images.test.safetensors", tested=sorted({cell[2] for cell in cells})
            ),
            memory=f"{ARTIFACTS}/features/{trained}/captions.train.safetensors",
            adaptors=adaptors(trained, run),
        output:
            predictions(cells),
        log:
            f"logs/{config['profile']}/predict/{trained}-{run}.log",
        priority: len(cells)
        conda:
            "../../environment.yml"
        resources:
            gpu=1,
        params:
            cfg=pick(
                "seed",
                "repeats",
                "encoder",
                "language_model",
                "training",
                "decoding",
                f"runs.{run}",
                *decoding_of(sorted({cell[1] for cell in cells})),
            ),
        shell:
            step("predict", "weights", "images", "memory", "adaptors")


rule baselines:
    input:
        code=code("baselines"),
        weights=model_files(config["encoder"]["name"]) + model_files(config["language_model"]["name"]),
        captions=f"{ARTIFACTS}/data/{{dataset}}/captions.jsonl",
    output:
        predictions(("{dataset}", baseline, "{dataset}") for baseline in ("blind", "human")),
    log:
        f"logs/{config['profile']}/baselines/{{dataset}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=1,
    params:
        cfg=pick("seed", "repeats", "encoder", "language_model", "decoding"),
    shell:
        step("baselines", "weights", "captions")


rule answer:
    input:
        code=code("answer", "maccap"),
        weights=model_files(config["encoder"]["name"]) + model_files(config["language_model"]["name"]),
        questions=f"{ARTIFACTS}/data/{{dataset}}/vqa_questions.test.json",
        images=f"{ARTIFACTS}/features/{{dataset}}/images.test.safetensors",
        memory=f"{ARTIFACTS}/features/{{dataset}}/captions.train.safetensors",
        adaptors=adaptors("{dataset}", "maccap"),
        predictions=predictions([("{dataset}", "maccap", "{dataset}")])[::2],
    output:
        expand(f"{ARTIFACTS}/answers/{{{{dataset}}}}/{{{{form}}}}/{{seed}}.json", seed=SEEDS),
    log:
        f"logs/{config['profile']}/answer/{{dataset}}-{{form}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=1,
    params:
        cfg=pick("seed", "repeats", "encoder", "language_model", "training", "decoding", "answering", "runs.maccap"),
    shell:
        step("answer", "weights", "questions", "images", "memory", "adaptors", "predictions")


rule majority:
    input:
        code=code("majority"),
        questions=f"{ARTIFACTS}/data/{{dataset}}/vqa_questions.test.json",
        annotations=f"{ARTIFACTS}/data/{{dataset}}/vqa_annotations.test.json",
        train_questions=f"{ARTIFACTS}/data/{{dataset}}/vqa_questions.train.json",
        train_annotations=f"{ARTIFACTS}/data/{{dataset}}/vqa_annotations.train.json",
    output:
        [f"{ARTIFACTS}/answers/{{dataset}}/majority/{seed}.json" for seed in SEEDS],
    log:
        f"logs/{config['profile']}/majority/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("majority", "questions", "annotations", "train_questions", "train_annotations")
