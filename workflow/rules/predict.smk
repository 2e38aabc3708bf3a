rule predict:
    input:
        code=lambda wildcards: code(
            "predict", *(config["runs"][run]["method"] for run in [run_of(wildcards.experiment)] if run)
        ),
        weights=model_files(config["encoder"]["name"]) + model_files(config["language_model"]["name"]),
        captions=f"{ARTIFACTS}/data/{{dataset}}/captions.jsonl",
        images=f"{ARTIFACTS}/features/{{dataset}}/images.test.safetensors",
        memory=f"{ARTIFACTS}/features/{{trained}}/captions.train.safetensors",
        adaptors=lambda wildcards: (
            adaptors(wildcards.trained, run_of(wildcards.experiment)) if run_of(wildcards.experiment) else []
        ),
    output:
        predictions("{trained}", "{experiment}", "{dataset}"),
    log:
        f"logs/{config['profile']}/predict/{{trained}}-{{experiment}}-{{dataset}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=1,
    params:
        cfg=pick(
            "seed", "repeats", "encoder", "language_model", "training", "decoding", "experiments.{experiment}", run_key
        ),
    shell:
        step("predict", "weights", "captions", "images", "memory", "adaptors")


rule answer:
    input:
        code=code("answer", "maccap"),
        weights=model_files(config["encoder"]["name"]) + model_files(config["language_model"]["name"]),
        questions=f"{ARTIFACTS}/data/{{dataset}}/vqa_questions.test.json",
        annotations=f"{ARTIFACTS}/data/{{dataset}}/vqa_annotations.test.json",
        train_questions=f"{ARTIFACTS}/data/{{dataset}}/vqa_questions.train.json",
        train_annotations=f"{ARTIFACTS}/data/{{dataset}}/vqa_annotations.train.json",
        images=f"{ARTIFACTS}/features/{{dataset}}/images.test.safetensors",
        memory=f"{ARTIFACTS}/features/{{dataset}}/captions.train.safetensors",
        adaptors=lambda wildcards: adaptors(wildcards.dataset, "maccap"),
        predictions=lambda wildcards: predictions(wildcards.dataset, "maccap", wildcards.dataset)[::2],
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
        step(
            "answer",
            "weights",
            "questions",
            "annotations",
            "train_questions",
            "train_annotations",
            "images",
            "memory",
            "adaptors",
            "predictions",
        )
