# The first shard of the training captions, and the captions of the other splits.
rule text_features:
    input:
        encoder=FILES.encoder(),
        train=f"{DATA}/captions.train.jsonl",
        val=f"{DATA}/captions.val.jsonl",
        test=f"{DATA}/captions.test.jsonl",
    output:
        multiext(f"{FEATURES}/captions", ".train.1.safetensors", ".held_out.safetensors"),
    log:
        f"{LOGS}/text_features/{{dataset}}.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("text_features"),
    params:
        code=code("text_features"),
        cfg=pick("gpus encoder", shard=FILES.shard_of("captions")),
    shell:
        step("text-features", "encoder", "train", "val", "test")


# Every further shard of the training captions.
rule text_features_shard:
    input:
        encoder=FILES.encoder(),
        train=f"{DATA}/captions.train.jsonl",
    output:
        f"{FEATURES}/captions.train.{{shard}}.safetensors",
    log:
        f"{LOGS}/text_features/{{dataset}}.{{shard}}.log",
    wildcard_constraints:
        shard=r"([2-9]|\d\d+)",
    conda:
        "../../environment.yml"
    resources:
        **needs("text_features_shard"),
    params:
        code=code("text_features"),
        cfg=pick("gpus encoder", shard=FILES.shard_of("captions")),
    shell:
        step("text-features", "encoder", "train")


rule image_features:
    input:
        encoder=FILES.encoder(),
        images=f"{DATA}/images.jsonl",
        store=f"{DATA}/images.zip",
    output:
        f"{FEATURES}/images.test.{{shard}}.safetensors",
    log:
        f"{LOGS}/image_features/{{dataset}}.{{shard}}.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("image_features"),
    params:
        code=code("image_features"),
        cfg=pick("gpus encoder", shard=FILES.shard_of("images"), tested=lambda wildcards: wildcards.dataset),
    shell:
        step("image-features", "encoder", "images", "store")


# For methods that know how images and captions differ: statistics of the validation split's pairs.
rule pair_statistics:
    input:
        encoder=FILES.encoder(),
        captions=f"{DATA}/captions.val.jsonl",
        text_features=f"{FEATURES}/captions.held_out.safetensors",
        store=FILES.image_archive,
    output:
        f"{FEATURES}/pairs.val.safetensors",
    log:
        f"{LOGS}/pair_statistics/{{dataset}}.log",
    conda:
        "../../environment.yml"
    resources:
        **needs("pair_statistics"),
    params:
        code=code("pair_statistics"),
        cfg=pick("gpus encoder", store=FILES.image_store, store_hash=FILES.image_folder),
    shell:
        step("pair-statistics", "encoder", "captions", "text_features", "store")
