TRAINING_INPUTS = ("train_captions", "val_captions", "train_features", "val_features")


# What a rule makes is the same for all its wildcards, so runs with another number of seeds have rules of their own.
for repeats in sorted({PROFILE.run_repeats(run) for run in config["runs"]}):
    runs = [run for run in config["runs"] if PROFILE.run_repeats(run) == repeats]
    suffix = "" if repeats == config["repeats"] else f"_{repeats}"

    rule:
        name:
            f"train{suffix}"
        input:
            language_model=FILES.language_model(),
            train_captions=f"{ARTIFACTS}/data/{{trained}}/captions.train.jsonl",
            val_captions=f"{ARTIFACTS}/data/{{trained}}/captions.val.jsonl",
            train_features=lambda wildcards: FILES.text_features(wildcards.trained, "train"),
            val_features=lambda wildcards: FILES.text_features(wildcards.trained, "val"),
            pairs=lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)["pairs"],
            vocabulary=lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)["vocabulary"],
        output:
            FILES.run("{trained}", "{run}", "adaptor.safetensors", repeats),
            f"{ARTIFACTS}/runs/{{trained}}/{{run}}/log.jsonl",
        log:
            f"{LOGS}/train/{{trained}}-{{run}}.log",
        wildcard_constraints:
            run=one_of(runs),
        priority: 100
        conda:
            "../../environment.yml"
        resources:
            gpu=config["gpus"],
        params:
            code=lambda wildcards: FILES.code_of_run("train", wildcards.run),
            cfg=pick(
                "seed gpus encoder language_model training",
                lambda wildcards: [f"datasets.{wildcards.trained}.training", *FILES.run_keys(wildcards.run)],
                about="trained run",
                repeats=repeats,
            ),
        shell:
            step("train", "language_model", *TRAINING_INPUTS, "pairs", "vocabulary")

    # What it takes to use a run elsewhere; a job of its own, so that changed settings of decoding train nothing again.
    rule:
        name:
            f"describe_run{suffix}"
        input:
            unpack(lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)),
            log=f"{ARTIFACTS}/runs/{{trained}}/{{run}}/log.jsonl",
            encoder_files=FILES.encoder(),
            language_model_files=FILES.language_model(),
        output:
            FILES.run("{trained}", "{run}", "run.json", repeats),
        log:
            f"{LOGS}/describe_run/{{trained}}-{{run}}.log",
        wildcard_constraints:
            run=one_of(runs),
        conda:
            "../../environment.yml"
        params:
            code=code("describe_run"),
            cfg=pick("generation selection answering", about="trained run"),
        shell:
            step("describe-run", "log", "encoder_files", "language_model_files", *RESOURCES)
