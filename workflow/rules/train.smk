TRAINING_INPUTS = ("train_captions", "val_captions", "train_features", "val_features")


rule train:
    input:
        language_model=FILES.language_model(),
        train_captions=f"{ARTIFACTS}/data/{{trained}}/captions.train.jsonl",
        val_captions=f"{ARTIFACTS}/data/{{trained}}/captions.val.jsonl",
        train_features=lambda wildcards: FILES.text_features(wildcards.trained, "train"),
        val_features=lambda wildcards: FILES.text_features(wildcards.trained, "val"),
        pairs=lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)["pairs"],
        vocabulary=lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)["vocabulary"],
    output:
        FILES.run("{trained}", "{run}", "adaptor.safetensors"),
        f"{ARTIFACTS}/runs/{{trained}}/{{run}}/log.jsonl",
    log:
        f"{LOGS}/train/{{trained}}-{{run}}.log",
    priority: 100
    conda:
        "../../environment.yml"
    resources:
        gpu=config["gpus"],
    params:
        code=lambda wildcards: FILES.code_of_run("train", wildcards.run),
        cfg=pick(
            "seed repeats gpus encoder language_model training runs.{run}",
            "datasets.{trained}.training",
            about="trained run",
        ),
    shell:
        step("train", "language_model", *TRAINING_INPUTS, "pairs", "vocabulary")


# What it takes to use a run elsewhere; a job of its own, so that changed settings of decoding train nothing again.
rule describe_run:
    input:
        unpack(lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)),
        log=f"{ARTIFACTS}/runs/{{trained}}/{{run}}/log.jsonl",
        encoder_files=FILES.encoder(),
        language_model_files=FILES.language_model(),
    output:
        FILES.run("{trained}", "{run}", "run.json"),
    log:
        f"{LOGS}/describe_run/{{trained}}-{{run}}.log",
    conda:
        "../../environment.yml"
    params:
        code=code("describe_run"),
        cfg=pick("generation selection answering", about="trained run"),
    shell:
        step("describe-run", "log", "encoder_files", "language_model_files", *RESOURCES)
