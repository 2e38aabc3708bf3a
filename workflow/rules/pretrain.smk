# The embedded world's frozen models ship with the package; these rules make them again on request.
rule pretrain_clip:
    output:
        model=multiext(f"{ARTIFACTS}/pretrained/clip-scenes/open_clip_", "config.json", "model.safetensors"),
        tokenizer=multiext(f"{ARTIFACTS}/pretrained/clip-scenes/", *TOKENIZER),
    log:
        f"{LOGS}/pretrain/clip.log",
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        **needs("pretrain_clip"),
    params:
        code=code("pretrain_clip"),
        cfg=pick("seed pretraining.clip"),
    shell:
        step("pretrain-clip")


rule pretrain_lm:
    output:
        multiext(f"{ARTIFACTS}/pretrained/opt-scenes/", *LANGUAGE_MODEL),
    log:
        f"{LOGS}/pretrain/lm.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("pretrain_lm"),
    params:
        code=code("pretrain_lm"),
        cfg=pick("seed pretraining.lm"),
    shell:
        step("pretrain-lm")
