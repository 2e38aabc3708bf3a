GAP_KEYS = "seed generation.subregions generation.patch_weight generation.double_softmax generation.noise_variance"


use rule step as corenlp with:
    input:
        archive=FILES.asset(config["spice"]) if "spice" in config else [],
    output:
        multiext(f"{DOWNLOADS}/spice/stanford-corenlp-3.6.0", ".jar", "-models.jar"),
    log:
        f"{LOGS}/corenlp.log",
    params:
        **step("corenlp"),
        cfg=pick(),


# One job per test set, because the caption metrics' Java takes long to start.
use rule step as evaluate with:
    input:
        captions=f"{ARTIFACTS}/data/{{tested}}/captions.test.jsonl",
        predictions=lambda wildcards: FILES.predictions(wildcards.tested, [wildcards.tier]),
        spice=rules.corenlp.output if "spice" in config else [],
        contents=lambda wildcards: FILES.contents(wildcards.tested),
    output:
        multiext(f"{RESULTS}/metrics/captions/{{tested}}{{tier}}", *METRIC_FILES),
    log:
        f"{LOGS}/evaluate/{{tested}}{{tier}}.log",
    resources:
        **needs("evaluate"),
    params:
        **step("evaluate", modules=METRIC_MODULES),
        cfg=pick(about="tested"),


use rule step as evaluate_answers with:
    input:
        questions=f"{ARTIFACTS}/data/{{tested}}/vqa_questions.test.json",
        annotations=f"{ARTIFACTS}/data/{{tested}}/vqa_annotations.test.json",
        answers=lambda wildcards: FILES.answers(wildcards.tested, [wildcards.tier]),
    output:
        multiext(f"{RESULTS}/metrics/vqa/{{tested}}{{tier}}", *METRIC_FILES),
    log:
        f"{LOGS}/evaluate_answers/{{tested}}{{tier}}.log",
    params:
        **step("evaluate_answers"),
        cfg=pick(about="tested"),


use rule step as gap with:
    input:
        captions=f"{DATA}/captions.test.jsonl",
        images=lambda wildcards: FILES.image_features(wildcards.dataset),
        text_features=lambda wildcards: FILES.text_features(wildcards.dataset, "test"),
        memory=lambda wildcards: FILES.text_features(wildcards.dataset, "train"),
    output:
        f"{RESULTS}/metrics/gap/{{dataset}}.json",
    log:
        f"{LOGS}/gap/{{dataset}}.log",
    resources:
        **needs("gap"),
    params:
        **step("measure_gap"),
        cfg=pick(GAP_KEYS, about="dataset"),


# What the frozen models can do, before any method.
use rule step as instruments with:
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
    resources:
        **needs("instruments"),
    params:
        **step("measure_instruments", own=[FILES.encoder(), FILES.language_model()]),
        cfg=pick("seed gpus instruments encoder.batch_size training.precision", about="dataset"),
