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


# For methods that know how images and captions differ: statistics of the validation split's pairs.
TRAINED = [run for extended in TIERS for run in PROFILE.runs(extended=extended)]
for dataset in sorted({trained for trained, run in TRAINED if "pairs" in PROFILE.needs(run)}):
    about = config["datasets"][dataset]
    store = source(about["images"]) if "images" in about else f"{ARTIFACTS}/data/{dataset}/images.zip"

    rule:
        name:
            f"pair_statistics_{dataset}"
        input:
            code=code("pair_statistics"),
            encoder=encoder(),
            captions=f"{ARTIFACTS}/data/{dataset}/captions.val.jsonl",
            text_features=text_features(dataset, "val"),
            store=[] if Path(store).is_dir() else store,
        output:
            f"{ARTIFACTS}/features/{dataset}/pairs.val.safetensors",
        log:
            f"{LOGS}/pair_statistics/{dataset}.log",
        conda:
            "../../environment.yml"
        resources:
            gpu=min(1, config["gpus"]),
        params:
            cfg=pick("gpus", "encoder")({}) | {"store": store},
        shell:
            step("pair-statistics", "encoder", "captions", "text_features", "store")
