rule download:
    output:
        f"{DOWNLOADS}/{{file}}",
    log:
        f"{LOGS}/download/{{file}}.log",
    wildcard_constraints:
        file=one_of(entry.file for entry in ASSETS.values() if not isinstance(entry, HubAsset)),
    priority: 1000
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        downloads=1,
    params:
        code=code("download"),
        cfg=lambda wildcards: FILES.downloaded(wildcards.file),
    shell:
        step("download")


# The embedded world: one domain, in the formats of the real data sets.
rule scenes:
    output:
        captions=f"{DATA}/dataset.json",
        images=f"{DATA}/images.zip",
        questions=multiext(f"{DATA}/vqa_questions", ".train.json", ".test.json"),
        annotations=multiext(f"{DATA}/vqa_annotations", ".train.json", ".test.json"),
    log:
        f"{LOGS}/scenes/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.formatted("scenes")),
    conda:
        "../../environment.yml"
    params:
        code=code("scenes"),
        cfg=pick("seed scenes", about="dataset"),
    shell:
        step("scenes")


rule contents:
    input:
        scenes=f"{DATA}/dataset.json",
    output:
        f"{DATA}/contents.test.json",
    log:
        f"{LOGS}/contents/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.formatted("scenes")),
    conda:
        "../../environment.yml"
    params:
        code=code("contents"),
        cfg=pick(about="dataset"),
    shell:
        step("contents", "scenes")


# Caption files as released. What a format lacks is no input, and its table stays empty.
rule captions:
    input:
        captions=FILES.released("captions"),
        train=FILES.released("train"),
        val=FILES.released("val"),
        test=FILES.released("test"),
    output:
        captions=multiext(f"{DATA}/captions", ".train.jsonl", ".val.jsonl", ".test.jsonl"),
        images=f"{DATA}/images.jsonl",
    log:
        f"{LOGS}/captions/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.captioned),
    conda:
        "../../environment.yml"
    resources:
        **needs("captions"),
    params:
        code=lambda wildcards: code("captions", f"data.{config['datasets'][wildcards.dataset]['format']}"),
        cfg=pick("datasets.{dataset}.format", FILES.caption_keys, about="dataset"),
    shell:
        step("captions", "captions", "train", "val", "test")


rule questions:
    input:
        train_questions=FILES.released("questions", "train"),
        test_questions=FILES.released("questions", "test"),
        train_annotations=FILES.released("annotations", "train"),
        test_annotations=FILES.released("annotations", "test"),
    output:
        questions=multiext(f"{DATA}/vqa_questions", ".train.json", ".test.json"),
        annotations=multiext(f"{DATA}/vqa_annotations", ".train.json", ".test.json"),
        images=f"{DATA}/images.jsonl",
    log:
        f"{LOGS}/questions/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.formatted("vqa")),
    conda:
        "../../environment.yml"
    params:
        code=code("questions"),
        cfg=pick(
            "datasets.{dataset}.image_name datasets.{dataset}.questions datasets.{dataset}.annotations",
            about="dataset",
        ),
    shell:
        step("questions", "train_questions", "test_questions", "train_annotations", "test_annotations")


# The images of a test set alone, out of a folder or an archive.
rule pack_images:
    input:
        images=f"{DATA}/images.jsonl",
        store=FILES.image_archive,
    output:
        f"{DATA}/images.zip",
    log:
        f"{LOGS}/pack_images/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(name for name, about in config["datasets"].items() if "images" in about),
    conda:
        "../../environment.yml"
    resources:
        **needs("pack_images"),
    params:
        code=code("pack_images"),
        cfg=pick(store=FILES.image_store, store_hash=FILES.image_folder),
    shell:
        step("pack-images", "images", "store")
