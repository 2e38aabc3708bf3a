GAP_KEYS = "seed generation.subregions generation.patch_weight generation.double_softmax generation.noise_variance"


rule corenlp:
    input:
        archive=FILES.asset(config["spice"]) if "spice" in config else [],
    output:
        multiext(f"{DOWNLOADS}/spice/stanford-corenlp-3.6.0", ".jar", "-models.jar"),
    log:
        f"{LOGS}/corenlp.log",
    conda:
        "../../environment.yml"
    params:
        code=code("corenlp"),
        cfg=pick(),
    shell:
        step("corenlp", "archive")


# One job per test set, because the caption metrics' Java takes long to start.
rule evaluate:
    input:
        captions=f"{ARTIFACTS}/data/{{tested}}/captions.test.jsonl",
        predictions=lambda wildcards: FILES.predictions(wildcards.tested, [wildcards.tier]),
        spice=rules.corenlp.output if "spice" in config else [],
        contents=lambda wildcards: FILES.contents(wildcards.tested),
    output:
        multiext(f"{RESULTS}/metrics/captions/{{tested}}{{tier}}", *METRIC_FILES),
    log:
        f"{LOGS}/evaluate/{{tested}}{{tier}}.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("evaluate"),
    params:
        code=code("evaluate", *METRIC_MODULES),
        cfg=pick(about="tested"),
    shell:
        step("evaluate", "captions", "predictions", "spice", "contents")


rule evaluate_answers:
    input:
        questions=f"{ARTIFACTS}/data/{{tested}}/vqa_questions.test.json",
        annotations=f"{ARTIFACTS}/data/{{tested}}/vqa_annotations.test.json",
        answers=lambda wildcards: FILES.answers(wildcards.tested, [wildcards.tier]),
    output:
        multiext(f"{RESULTS}/metrics/vqa/{{tested}}{{tier}}", *METRIC_FILES),
    log:
        f"{LOGS}/evaluate_answers/{{tested}}{{tier}}.log",
    conda:
        "../../environment.yml"
    params:
        code=code("evaluate_answers"),
        cfg=pick(about="tested"),
    shell:
        step("evaluate-answers", "questions", "annotations", "answers")


rule gap:
    input:
        captions=f"{DATA}/captions.test.jsonl",
        images=lambda wildcards: FILES.image_features(wildcards.dataset),
        text_features=lambda wildcards: FILES.text_features(wildcards.dataset, "test"),
        memory=lambda wildcards: FILES.text_features(wildcards.dataset, "train"),
    output:
        f"{RESULTS}/metrics/gap/{{dataset}}.json",
    log:
        f"{LOGS}/gap/{{dataset}}.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("gap"),
    params:
        code=code("measure_gap"),
        cfg=pick(GAP_KEYS, about="dataset"),
    shell:
        step("measure-gap", "captions", "images", "text_features", "memory")


# What the frozen models can do, before any method.
rule instruments:
    input:
        captions=f"{DATA}/captions.test.jsonl",
        images=lambda wildcards: FILES.image_features(wildcards.dataset),
        text_features=lambda wildcards: FILES.text_features(wildcards.dataset, "test"),
        encoder=FILES.encoder(),
        language_model=FILES.language_model(),
    output:
        f"{RESULTS}/metrics/instruments/{{dataset}}.json",
    log:
        f"{LOGS}/instruments/{{dataset}}.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("instruments"),
    params:
        code=code("measure_instruments"),
        cfg=pick("seed gpus instruments encoder.batch_size training.precision", about="dataset"),
    shell:
        step("measure-instruments", "captions", "images", "text_features", "encoder", "language_model")
