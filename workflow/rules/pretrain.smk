# The embedded world's frozen models ship with the package; these rules make them again on request.
use rule step as pretrain_clip with:
    output:
        model=multiext(f"{ARTIFACTS}/pretrained/clip-scenes/open_clip_", "config.json", "model.safetensors"),
        tokenizer=multiext(f"{ARTIFACTS}/pretrained/clip-scenes/", *TOKENIZER),
    log:
        f"{LOGS}/pretrain/clip.log",
    threads: 2
    resources:
        **needs("pretrain_clip"),
    params:
        **step("pretrain_clip"),
        cfg=pick("seed pretraining.clip"),


use rule step as pretrain_lm with:
    output:
        multiext(f"{ARTIFACTS}/pretrained/opt-scenes/", *LANGUAGE_MODEL),
    log:
        f"{LOGS}/pretrain/lm.log",
    resources:
        **needs("pretrain_lm"),
    params:
        **step("pretrain_lm"),
        cfg=pick("seed pretraining.lm"),
