CAPTIONS = {key: FILES.released(key) for key in ("captions", "train", "val", "test")}
QUESTIONS = {
    f"{split}_{key}": FILES.released(key, split) for key in ("questions", "annotations") for split in ("train", "test")
}


use rule step as download with:
    output:
        f"{DOWNLOADS}/{{file}}",
    log:
        f"{LOGS}/download/{{file}}.log",
    wildcard_constraints:
        file=one_of(entry.file for entry in ASSETS.values() if not isinstance(entry, HubAsset)),
    priority: 1000
    localrule: True
    resources:
        downloads=1,
    params:
        **step("download"),
        cfg=lambda wildcards: FILES.downloaded(wildcards.file),


# The embedded world: one domain, in the formats of the real data sets.
use rule step as scenes with:
    output:
        captions=f"{DATA}/dataset.json",
        images=f"{DATA}/images.zip",
        questions=multiext(f"{DATA}/vqa_questions", ".train.json", ".test.json"),
        annotations=multiext(f"{DATA}/vqa_annotations", ".train.json", ".test.json"),
    log:
        f"{LOGS}/scenes/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.formatted("scenes")),
    params:
        **step("scenes"),
        cfg=pick("seed scenes", about="dataset"),


use rule step as contents with:
    input:
        scenes=f"{DATA}/dataset.json",
    output:
        f"{DATA}/contents.test.json",
    log:
        f"{LOGS}/contents/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.formatted("scenes")),
    params:
        **step("contents"),
        cfg=pick(about="dataset"),


# Caption files as released. What a format lacks is no input, and its table stays empty.
use rule step as captions with:
    input:
        **CAPTIONS,
    output:
        captions=multiext(f"{DATA}/captions", ".train.jsonl", ".val.jsonl", ".test.jsonl"),
        images=f"{DATA}/images.jsonl",
    log:
        f"{LOGS}/captions/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.captioned),
    resources:
        **needs("captions"),
    params:
        **step("captions", modules=FILES.format_modules, own=CAPTIONS.values()),
        cfg=pick("datasets.{dataset}.format", FILES.caption_keys, about="dataset"),


use rule step as questions with:
    input:
        **QUESTIONS,
    output:
        questions=multiext(f"{DATA}/vqa_questions", ".train.json", ".test.json"),
        annotations=multiext(f"{DATA}/vqa_annotations", ".train.json", ".test.json"),
        images=f"{DATA}/images.jsonl",
    log:
        f"{LOGS}/questions/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(PROFILE.formatted("vqa")),
    params:
        **step("questions", own=QUESTIONS.values()),
        cfg=pick(
            "datasets.{dataset}.image_name datasets.{dataset}.questions datasets.{dataset}.annotations",
            about="dataset",
        ),


# The images of a test set alone, out of a folder or an archive.
use rule step as pack_images with:
    input:
        images=f"{DATA}/images.jsonl",
        store=FILES.image_archive,
    output:
        f"{DATA}/images.zip",
    log:
        f"{LOGS}/pack_images/{{dataset}}.log",
    wildcard_constraints:
        dataset=one_of(name for name, about in config["datasets"].items() if "images" in about),
    resources:
        **needs("pack_images"),
    params:
        **step("pack_images", own=[FILES.image_archive]),
        cfg=pick(store=FILES.image_store, store_hash=FILES.image_folder),
