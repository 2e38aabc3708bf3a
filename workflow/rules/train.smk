RUN = f"{ARTIFACTS}/runs/{{trained}}/{{run}}/s{{seed}}"


use rule step as train with:
    input:
        language_model=FILES.language_model(),
        train_captions=f"{ARTIFACTS}/data/{{trained}}/captions.train.jsonl",
        val_captions=f"{ARTIFACTS}/data/{{trained}}/captions.val.jsonl",
        train_features=lambda wildcards: FILES.text_features(wildcards.trained, "train"),
        val_features=lambda wildcards: FILES.text_features(wildcards.trained, "val"),
        pairs=lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)["pairs"],
        vocabulary=lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)["vocabulary"],
    output:
        f"{RUN}/adaptor.safetensors",
        f"{RUN}/log.jsonl",
    log:
        f"{LOGS}/train/{{trained}}-{{run}}-{{seed}}.log",
    priority: 100
    resources:
        **needs("train"),
    params:
        **step(
            "train",
            modules=lambda wildcards: FILES.method_modules(wildcards.run),
            own=[FILES.language_model(), lambda w: FILES.resources(w.trained, w.run)["vocabulary"]],
        ),
        cfg=pick(
            "gpus encoder language_model training",
            lambda wildcards: [f"datasets.{wildcards.trained}.training", *FILES.run_keys(wildcards.run)],
            about="trained run",
            run_seed=lambda wildcards: int(wildcards.seed),
        ),


# What it takes to use a run elsewhere; a job of its own, so that changed settings of decoding train nothing again.
use rule step as describe_run with:
    input:
        unpack(lambda wildcards: FILES.resources(wildcards.trained, wildcards.run)),
        weights=f"{RUN}/adaptor.safetensors",
        log=f"{RUN}/log.jsonl",
        encoder_files=FILES.encoder(),
        language_model_files=FILES.language_model(),
    output:
        f"{RUN}/run.json",
    log:
        f"{LOGS}/describe_run/{{trained}}-{{run}}-{{seed}}.log",
    params:
        **step("describe_run"),
        cfg=pick("generation selection answering", about="trained run", run_seed=lambda wildcards: int(wildcards.seed)),
