rule train:
    input:
        code=lambda wildcards: code("train", config["runs"][wildcards.run]["method"]),
        language_model=language_model(),
        train_captions=f"{ARTIFACTS}/data/{{trained}}/captions.train.jsonl",
        val_captions=f"{ARTIFACTS}/data/{{trained}}/captions.val.jsonl",
        train_features=lambda wildcards: text_features(wildcards.trained, "train"),
        val_features=lambda wildcards: text_features(wildcards.trained, "val"),
        pairs=lambda wildcards: pairs(wildcards.trained, wildcards.run),
        vocabulary=lambda wildcards: vocabulary(wildcards.run),
    output:
        expand(
            f"{ARTIFACTS}/runs/{{{{trained}}}}/{{{{run}}}}/{{seed}}/{{file}}",
            seed=SEEDS,
            file=["adaptor.safetensors", "run.json", "log.jsonl"],
        ),
    log:
        f"{LOGS}/train/{{trained}}-{{run}}.log",
    priority: 100
    conda:
        "../../environment.yml"
    resources:
        gpu=config["gpus"],
    params:
        cfg=pick(
            "seed",
            "repeats",
            "gpus",
            "encoder",
            "language_model",
            "training",
            "runs.{run}",
            optional=["datasets.{trained}.training"],
        ),
    shell:
        step(
            "train",
            "language_model",
            "train_captions",
            "val_captions",
            "train_features",
            "val_features",
            "pairs",
            "vocabulary",
        )
