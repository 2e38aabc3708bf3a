# One rule per data set and shard: the first shard's job also encodes the captions of the other splits.
for dataset in PROFILE.captioned:
    for number, shard in enumerate(PROFILE.text_shards(dataset, "train")):
        splits = PROFILE.splits(dataset) if number == 0 else ["train"]

        rule:
            name:
                f"text_features_{dataset}_{number + 1}"
            input:
                code=code("text_features"),
                encoder=encoder(),
                captions=expand(f"{ARTIFACTS}/data/{dataset}/captions.{{split}}.jsonl", split=splits),
            output:
                [text_features(dataset, split)[number] for split in splits],
            log:
                f"{LOGS}/text_features/{dataset}.{shard}.log",
            conda:
                "../../environment.yml"
            resources:
                gpu=min(1, config["gpus"]),
            params:
                cfg=pick("gpus", "encoder"),
            shell:
                step("text-features", "encoder", "captions")


rule image_features:
    input:
        code=code("image_features"),
        encoder=encoder(),
        images=f"{ARTIFACTS}/data/{{dataset}}/images.jsonl",
        pictures=f"{ARTIFACTS}/data/{{dataset}}/images.zip",
    output:
        f"{ARTIFACTS}/features/{{dataset}}/images.test.{{shard}}.safetensors",
    log:
        f"{LOGS}/image_features/{{dataset}}.{{shard}}.log",
    conda:
        "../../environment.yml"
    resources:
        gpu=min(1, config["gpus"]),
    params:
        cfg=pick("gpus", "encoder"),
    shell:
        step("image-features", "encoder", "images", "pictures")
