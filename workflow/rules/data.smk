rule download:
    input:
        code=code("download"),
    output:
        f"{DOWNLOADS}/{{file}}",
    log:
        f"{LOGS}/download/{{file}}.log",
    wildcard_constraints:
        file="|".join(entry.file for entry in ASSETS.values() if not isinstance(entry, HubAsset)) or "none",
    priority: 1000
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        downloads=1,
    params:
        cfg=download_cfg,
    shell:
        step("download")


rule scenes:
    input:
        code=code("scenes"),
    output:
        f"{ARTIFACTS}/data/{{dataset}}/dataset.json",
        f"{ARTIFACTS}/data/{{dataset}}/images.zip",
        expand(
            f"{ARTIFACTS}/data/{{{{dataset}}}}/vqa_{{part}}.{{split}}.json",
            part=["questions", "annotations"],
            split=["train", "test"],
        ),
    log:
        f"{LOGS}/scenes/{{dataset}}.log",
    wildcard_constraints:
        dataset="|".join(name for name, about in config["datasets"].items() if about["format"] == "scenes") or "none",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("seed", "scenes"),
    shell:
        step("scenes")


# One rule per data set, because each format has inputs of its own; those that it lacks are empty.
for dataset, about in config["datasets"].items():
    files = {key: source(about[key]) if key in about else [] for key in ("captions", "train", "val", "test")}
    if about["format"] == "scenes":
        files["captions"] = f"{ARTIFACTS}/data/{dataset}/dataset.json"

    if about["format"] != "vqa":

        rule:
            name:
                f"captions_{dataset}"
            input:
                **files,
                code=code("captions"),
            output:
                expand(f"{ARTIFACTS}/data/{dataset}/captions.{{split}}.jsonl", split=PROFILE.splits(dataset)),
                [f"{ARTIFACTS}/data/{dataset}/images.jsonl"] if dataset in PROFILE.captioned_tests else [],
            log:
                f"{LOGS}/captions/{dataset}.log",
            conda:
                "../../environment.yml"
            params:
                cfg=pick(
                    f"datasets.{dataset}.format",
                    optional=[f"datasets.{dataset}.{key}" for key in ("captions", "train", "val", "test")],
                ),
            shell:
                step("captions", "captions", "train", "val", "test")

    else:
        files = {
            f"{split}_{part}": source(about[part][split])
            for part in ("questions", "annotations")
            for split in ("train", "test")
        }

        rule:
            name:
                f"questions_{dataset}"
            input:
                **files,
                code=code("questions"),
            output:
                expand(
                    f"{ARTIFACTS}/data/{dataset}/vqa_{{part}}.{{split}}.json",
                    part=["questions", "annotations"],
                    split=["train", "test"],
                ),
                f"{ARTIFACTS}/data/{dataset}/images.jsonl",
            log:
                f"{LOGS}/questions/{dataset}.log",
            conda:
                "../../environment.yml"
            params:
                cfg=pick(f"datasets.{dataset}.picture"),
            shell:
                step("questions", "train_questions", "test_questions", "train_annotations", "test_annotations")

    if "images" in about:
        store = source(about["images"])

        rule:
            name:
                f"pack_images_{dataset}"
            input:
                code=code("pack_images"),
                images=f"{ARTIFACTS}/data/{dataset}/images.jsonl",
                store=[] if Path(store).is_dir() else store,
            output:
                f"{ARTIFACTS}/data/{dataset}/images.zip",
            log:
                f"{LOGS}/pack_images/{dataset}.log",
            conda:
                "../../environment.yml"
            params:
                cfg={"store": store},
            shell:
                step("pack-images", "images", "store")
