rule text_features:
    input:
        code=code("text_features"),
        weights=model_files(config["encoder"]["name"]),
        captions=f"{ARTIFACTS}/data/{{dataset}}/captions.jsonl",
    output:
        expand(f"{ARTIFACTS}/features/{{{{dataset}}}}/captions.{{split}}.safetensors", split=["train", "val", "test"]),
    log:
        f"logs/{config['profile']}/text_features/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("encoder"),
    shell:
        step("text-features", "weights", "captions")


rule image_features:
    input:
        code=code("image_features"),
        weights=model_files(config["encoder"]["name"]),
        captions=f"{ARTIFACTS}/data/{{dataset}}/captions.jsonl",
        images=f"{ARTIFACTS}/data/{{dataset}}/images.zip",
    output:
        f"{ARTIFACTS}/features/{{dataset}}/images.test.safetensors",
    log:
        f"logs/{config['profile']}/image_features/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("encoder"),
    shell:
        step("image-features", "weights", "captions", "images")
