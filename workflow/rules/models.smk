rule download_model:
    input:
        code=code("download"),
    output:
        f"{DOWNLOADS}/models/{{model}}/index.json",
    log:
        f"{LOGS}/download/{{model}}.log",
    wildcard_constraints:
        model="|".join(NAMED_MODELS) or "none",
    priority: 1000
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        downloads=1,
    params:
        cfg=lambda wildcards: hub_asset(wildcards.model).parameters() | {"lock": config["lock"]},
    shell:
        step("download")


rule language_model:
    input:
        code=code("language_model"),
        source=model_source,
    output:
        expand(
            f"{ARTIFACTS}/models/{{{{model}}}}/{{file}}",
            file=[
                "index.json",
                "config.json",
                "generation_config.json",
                "model.safetensors",
                "tokenizer.json",
                "tokenizer_config.json",
            ],
        ),
    log:
        f"{LOGS}/models/{{model}}.log",
    wildcard_constraints:
        model="|".join(NAMED_MODELS) or "none",
    conda:
        "../../environment.yml"
    params:
        cfg=lambda wildcards: {
            "language_model.name": NAMED_MODELS[wildcards.model],
            "language_model.dtype": config["language_model"]["dtype"],
        },
    shell:
        step("language-model", "source")


rule encoder:
    input:
        code=code("encoder"),
        weights=[asset(config["encoder"]["weights"])] if "weights" in config["encoder"] else [],
    output:
        expand(
            f"{ARTIFACTS}/models/encoder/{{file}}",
            file=["index.json", "open_clip_config.json", "open_clip_model.safetensors"],
        ),
    log:
        f"{LOGS}/models/encoder.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("encoder.name", "encoder.pretrained"),
    shell:
        step("encoder", "weights")
