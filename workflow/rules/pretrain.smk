# The embedded world's frozen models ship with the package; these rules make them again on request.


rule pretrain_clip:
    input:
        code=code("pretrain_clip"),
        vocabulary=expand("maccap/world/weights/clip-scenes/{file}", file=["tokenizer.json", "tokenizer_config.json"]),
    output:
        expand(
            f"{ARTIFACTS}/pretrained/clip-scenes/{{file}}",
            file=["open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json", "tokenizer_config.json"],
        ),
    log:
        f"{LOGS}/pretrain/clip.log",
    conda:
        "../../environment.yml"
    threads: 2
    params:
        cfg=pick("seed", "pretraining.clip"),
    shell:
        step("pretrain-clip", "vocabulary")


rule pretrain_lm:
    input:
        code=code("pretrain_lm"),
    output:
        expand(
            f"{ARTIFACTS}/pretrained/opt-scenes/{{file}}",
            file=[
                "config.json",
                "generation_config.json",
                "model.safetensors",
                "tokenizer.json",
                "tokenizer_config.json",
            ],
        ),
    log:
        f"{LOGS}/pretrain/lm.log",
    conda:
        "../../environment.yml"
    threads: 1
    params:
        cfg=pick("seed", "pretraining.lm"),
    shell:
        step("pretrain-lm")
