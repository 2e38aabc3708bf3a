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
        f"logs/{config['profile']}/scenes/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("seed", "scenes"),
    shell:
        step("scenes")


rule captions:
    input:
        code=code("captions"),
        splits=f"{ARTIFACTS}/data/{{dataset}}/dataset.json",
    output:
        f"{ARTIFACTS}/data/{{dataset}}/captions.jsonl",
    log:
        f"logs/{config['profile']}/captions/{{dataset}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("captions", "splits")
