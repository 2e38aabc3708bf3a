rule corenlp:
    input:
        code=code("corenlp"),
        archive=asset(config["spice"]) if "spice" in config else [],
    output:
        expand(f"{DOWNLOADS}/spice/stanford-corenlp-3.6.0{{kind}}.jar", kind=["", "-models"]),
    log:
        f"{LOGS}/corenlp.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("corenlp", "archive")


# One rule per test set, because the caption metrics' Java takes long to start.
for extended, tested in [(extended, tested) for extended in TIERS for tested in PROFILE.captioned_tests]:
    cells = [cell for cell in PROFILE.evaluated(extended=extended) if cell[2] == tested]
    if cells:

        rule:
            name:
                f"evaluate_{tested}{TIERS[extended]}"
            input:
                code=code("evaluate"),
                captions=f"{ARTIFACTS}/data/{tested}/captions.test.jsonl",
                images=image_features(tested),
                text_features=text_features(tested, "test"),
                predictions=predictions(cells)[::2],
                features=predictions(cells)[1::2],
                spice=rules.corenlp.output if "spice" in config else [],
            output:
                metrics(cells),
            log:
                f"{LOGS}/evaluate/{tested}{TIERS[extended]}.log",
            conda:
                "../../environment.yml"
            params:
                cfg=pick(),
            shell:
                step("evaluate", "captions", "images", "text_features", "predictions", "features", "spice")


for trained, dataset, answerer in ANSWERED:

    rule:
        name:
            f"evaluate_answers_{trained}_{dataset}_{answerer}".replace("-", "_")
        input:
            code=code("evaluate_answers"),
            questions=f"{ARTIFACTS}/data/{dataset}/vqa_questions.test.json",
            annotations=f"{ARTIFACTS}/data/{dataset}/vqa_annotations.test.json",
            results=answers(trained, dataset, answerer),
        output:
            answer_metrics(trained, dataset, answerer),
        log:
            f"{LOGS}/evaluate_answers/{trained}-{dataset}-{answerer}.log",
        conda:
            "../../environment.yml"
        params:
            cfg=pick(),
        shell:
            step("evaluate-answers", "questions", "annotations", "results")


rule gap:
    input:
        code=code("measure_gap"),
        captions=f"{ARTIFACTS}/data/{{dataset}}/captions.test.jsonl",
        images=lambda wildcards: image_features(wildcards.dataset),
        text_features=lambda wildcards: text_features(wildcards.dataset, "test"),
        memory=lambda wildcards: text_features(wildcards.dataset, "train"),
    output:
        f"{RESULTS}/metrics/gap/{{dataset}}.json",
    log:
        f"{LOGS}/gap/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(
            "seed",
            "decoding.subregions",
            "decoding.patch_weight",
            "decoding.double_softmax",
            "decoding.noise_variance",
        ),
    shell:
        step("measure-gap", "captions", "images", "text_features", "memory")
