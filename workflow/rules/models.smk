TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
LANGUAGE_MODEL = ("config.json", "generation_config.json", "model.safetensors", *TOKENIZER)


# Frozen models by name are brought into one form, a folder of safetensors, whatever the download looked like.
use rule step as download_model with:
    output:
        f"{DOWNLOADS}/models/{{model}}/index.json",
    log:
        f"{LOGS}/download/{{model}}.log",
    priority: 1000
    localrule: True
    resources:
        downloads=1,
    params:
        **step("download"),
        cfg=lambda wildcards: FILES.model_download(wildcards.model),


use rule step as language_model with:
    input:
        source=FILES.model_source,
    output:
        multiext(f"{ARTIFACTS}/models/{{model}}/", "index.json", *LANGUAGE_MODEL),
    log:
        f"{LOGS}/models/{{model}}.log",
    resources:
        **needs("language_model"),
    params:
        **step("language_model", own=[FILES.model_source]),
        cfg=lambda wildcards: FILES.model_settings(wildcards.model),


use rule step as encoder with:
    input:
        weights=FILES.encoder_weights(),
    output:
        index=f"{ARTIFACTS}/models/encoder/index.json",
        model=multiext(f"{ARTIFACTS}/models/encoder/open_clip_", "config.json", "model.safetensors"),
    log:
        f"{LOGS}/models/encoder.log",
    localrule: not FILES.encoder_weights()  # open_clip's own download
    resources:
        **needs("encoder"),
    params:
        **step("encoder", own=[FILES.encoder_weights()]),
        cfg=pick("encoder.name", "" if FILES.own_weights else "encoder.pretrained"),
