rule train:
    input:
        code=lambda wildcards: code("train", config["runs"][wildcards.run]["method"]),
        weights=model_files(config["language_model"]["name"]),
        captions=f"{ARTIFACTS}/data/{{trained}}/captions.jsonl",
        train_features=f"{ARTIFACTS}/features/{{trained}}/captions.train.safetensors",
        val_features=f"{ARTIFACTS}/features/{{trained}}/captions.val.safetensors",
    output:
        expand(
            f"{ARTIFACTS}/runs/{{{{trained}}}}/{{{{run}}}}/{{seed}}/{{file}}",
            seed=SEEDS,
            file=["adaptor.safetensors", "run.json", "log.jsonl"],
        ),
    log:
        f"logs/{config['profile']}/train/{{trained}}-{{run}}.log",
    priority: 100
    conda:
        "../../environment.yml"
    resources:
        gpu=1,
    params:
        cfg=pick("seed", "repeats", "encoder", "language_model", "training", "runs.{run}"),
    shell:
        step("train", "weights", "captions", "train_features", "val_features")
