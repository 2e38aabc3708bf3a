# The first shard of the training captions, and the captions of the other splits.
use rule step as text_features with:
    input:
        encoder=FILES.encoder(),
        train=f"{DATA}/captions.train.jsonl",
        val=f"{DATA}/captions.val.jsonl",
        test=f"{DATA}/captions.test.jsonl",
    output:
        multiext(f"{FEATURES}/captions", ".train.1.safetensors", ".held_out.safetensors"),
    log:
        f"{LOGS}/text_features/{{dataset}}.log",
    resources:
        **needs("text_features"),
    params:
        **step("text_features", own=[FILES.encoder()]),
        cfg=pick("gpus encoder", shard=FILES.shard_of("captions")),


# Every further shard of the training captions.
use rule step as text_features_shard with:
    input:
        encoder=FILES.encoder(),
        train=f"{DATA}/captions.train.jsonl",
    output:
        f"{FEATURES}/captions.train.{{shard}}.safetensors",
    log:
        f"{LOGS}/text_features/{{dataset}}.{{shard}}.log",
    wildcard_constraints:
        shard=r"([2-9]|\d\d+)",
    resources:
        **needs("text_features_shard"),
    params:
        **step("text_features", own=[FILES.encoder()]),
        cfg=pick("gpus encoder", shard=FILES.shard_of("captions")),


use rule step as image_features with:
    input:
        encoder=FILES.encoder(),
        images=f"{DATA}/images.jsonl",
        store=f"{DATA}/images.zip",
    output:
        f"{FEATURES}/images.test.{{shard}}.safetensors",
    log:
        f"{LOGS}/image_features/{{dataset}}.{{shard}}.log",
    resources:
        **needs("image_features"),
    params:
        **step("image_features", own=[FILES.encoder()]),
        cfg=pick("gpus encoder", shard=FILES.shard_of("images"), tested=lambda wildcards: wildcards.dataset),


# For methods that know how images and captions differ: statistics of the validation split's pairs.
use rule step as pair_statistics with:
    input:
        encoder=FILES.encoder(),
        captions=f"{DATA}/captions.val.jsonl",
        text_features=f"{FEATURES}/captions.held_out.safetensors",
        store=FILES.image_archive,
    output:
        f"{FEATURES}/pairs.val.safetensors",
    log:
        f"{LOGS}/pair_statistics/{{dataset}}.log",
    resources:
        **needs("pair_statistics"),
    params:
        **step("pair_statistics", own=[FILES.encoder(), FILES.image_archive]),
        cfg=pick("gpus encoder", store=FILES.image_store, store_hash=FILES.image_folder),
