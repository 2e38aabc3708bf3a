TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
LANGUAGE_MODEL = ("config.json", "generation_config.json", "model.safetensors", *TOKENIZER)


# Frozen models by name are brought into one form, a folder of safetensors, whatever the download looked like.
rule download_model:
    output:
        f"{DOWNLOADS}/models/{{model}}/index.json",
    log:
        f"{LOGS}/download/{{model}}.log",
    priority: 1000
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        downloads=1,
    params:
        code=code("download"),
        cfg=lambda wildcards: FILES.model_download(wildcards.model),
    shell:
        step("download")


rule language_model:
    input:
        source=FILES.model_source,
    output:
        multiext(f"{ARTIFACTS}/models/{{model}}/", "index.json", *LANGUAGE_MODEL),
    log:
        f"{LOGS}/models/{{model}}.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("language_model"),
    params:
        code=code("language_model"),
        cfg=lambda wildcards: FILES.model_settings(wildcards.model),
    shell:
        step("language-model", "source")


rule encoder:
    input:
        weights=FILES.encoder_weights(),
    output:
        index=f"{ARTIFACTS}/models/encoder/index.json",
        model=multiext(f"{ARTIFACTS}/models/encoder/open_clip_", "config.json", "model.safetensors"),
    log:
        f"{LOGS}/models/encoder.log",
    localrule: not FILES.encoder_weights()  # open_clip's own download
    conda:
        "../../environment.yml"
    resources:
        **needs("encoder"),
    params:
        code=code("encoder"),
        cfg=pick("encoder.name", "" if FILES.own_weights else "encoder.pretrained"),
    shell:
        step("encoder", "weights")
