KEYS = "seed gpus encoder language_model training generation selection"


# All experiments of a run, or one, by the setting `predictions`, on one shard of each test set.
rule predict:
    input:
        unpack(
            lambda wildcards: FILES.resources(
                wildcards.trained, FILES.group(wildcards).run, FILES.group(wildcards).names
            )
        ),
        encoder=FILES.encoder(),
        language_model=FILES.language_model(),
        images=lambda wildcards: [FILES.image_shard(tested, wildcards.shard) for tested in FILES.tests(wildcards)],
        captions=lambda wildcards: FILES.references(FILES.captioned(wildcards)),
        caption_features=lambda wildcards: FILES.reference_features(FILES.captioned(wildcards)),
    output:
        f"{ARTIFACTS}/predictions/{{trained}}/{{group}}{{tier}}.{{shard}}.jsonl.gz",
    log:
        f"{LOGS}/predict/{{trained}}-{{group}}{{tier}}.{{shard}}.log",
    wildcard_constraints:
        group=one_of(FILES.group_names("run")),
    priority: 10
    conda:
        "../../environment.yml"
    resources:
        **needs("predict"),
    params:
        code=lambda wildcards: FILES.code_of_run("predict", FILES.group(wildcards).run),
        cfg=pick(
            KEYS,
            optional=FILES.decoding_keys,
            about="trained",
            repeats=lambda wildcards: PROFILE.repeats(*FILES.group(wildcards).names),
            fewer_repeats=lambda wildcards: FILES.fewer_repeats(FILES.group(wildcards).names),
            run=lambda wildcards: FILES.group(wildcards).run,
            experiment=lambda wildcards: FILES.group(wildcards).names,
            tested=FILES.tests,
            captioned=FILES.captioned,
            decoded=FILES.decoded,
        ),
    shell:
        step("predict", "encoder", "language_model", "images", "captions", "caption_features", *RESOURCES)


# The two ends of the scale: the language model alone, and a reference against the others.
rule baselines:
    input:
        encoder=FILES.encoder(),
        language_model=FILES.language_model(),
        images=lambda wildcards: FILES.image_features(wildcards.tested),
        captions=lambda wildcards: FILES.references([wildcards.tested]),
        caption_features=lambda wildcards: FILES.reference_features([wildcards.tested]),
    output:
        f"{ARTIFACTS}/predictions/{{tested}}/baselines.1.jsonl.gz",
    log:
        f"{LOGS}/baselines/{{tested}}.log",
    priority: 50
    conda:
        "../../environment.yml"
    resources:
        **needs("baselines"),
    params:
        code=code("baselines"),
        cfg=pick(
            "seed gpus encoder language_model training.precision generation selection",
            about="tested",
            captioned=lambda wildcards: [wildcards.tested],
            repeats=PROFILE.repeats(*BASELINES),
            fewer_repeats=FILES.fewer_repeats(BASELINES),
            experiment=list(BASELINES),
        ),
    shell:
        step("baselines", "encoder", "language_model", "images", "captions", "caption_features")


# Captions that others published, scored like everyone else's.
rule published:
    input:
        encoder=FILES.encoder(),
        images=lambda wildcards: [path for tested in FILES.tests(wildcards) for path in FILES.image_features(tested)],
        tables=lambda wildcards: [f"{ARTIFACTS}/data/{tested}/images.jsonl" for tested in FILES.tests(wildcards)],
        captions=lambda wildcards: FILES.references(FILES.tests(wildcards)),
        caption_features=lambda wildcards: FILES.reference_features(FILES.tests(wildcards)),
        published=FILES.published,
    output:
        f"{ARTIFACTS}/predictions/{{trained}}/{{group}}{{tier}}.1.jsonl.gz",
    log:
        f"{LOGS}/published/{{trained}}-{{group}}{{tier}}.log",
    wildcard_constraints:
        group=one_of(FILES.group_names("published")),
    conda:
        "../../environment.yml"
    resources:
        **needs("published"),
    params:
        code=code("published"),
        cfg=pick(
            "gpus encoder selection",
            about="trained",
            experiment=lambda wildcards: wildcards.group,
            tested=FILES.tests,
            captioned=FILES.tests,
            shards=lambda wildcards: [len(FILES.image_features(tested)) for tested in FILES.tests(wildcards)],
        ),
    shell:
        step("published", "encoder", "images", "tables", "captions", "caption_features", "published")


# Questions, per way of answering and shard of the test images.
rule answer:
    input:
        unpack(
            lambda wildcards: FILES.resources(
                wildcards.trained, FILES.answering_run(wildcards), [FILES.answering_experiment(wildcards)]
            )
        ),
        encoder=FILES.encoder(),
        language_model=lambda wildcards: FILES.language_model(
            config["vqa_methods"][wildcards.vqa_method].get("language_model")
        ),
        questions=f"{ARTIFACTS}/data/{{tested}}/vqa_questions.test.json",
        images=lambda wildcards: FILES.image_shard(wildcards.tested, wildcards.shard),
        predictions=FILES.context,
    output:
        f"{ARTIFACTS}/answers/{{trained}}/{{tested}}/{{vqa_method}}.{{shard}}.jsonl.gz",
    log:
        f"{LOGS}/answer/{{trained}}-{{tested}}-{{vqa_method}}.{{shard}}.log",
    wildcard_constraints:
        vqa_method=one_of(name for name, about in config["vqa_methods"].items() if about["context"] != "majority"),
    conda:
        "../../environment.yml"
    resources:
        **needs("answer"),
    params:
        code=lambda wildcards: FILES.code_of_run("answer", FILES.answering_run(wildcards)),
        cfg=pick(
            f"{KEYS} answering vqa_methods.{{vqa_method}}.context",
            optional=FILES.own_answering_keys,
            about="trained tested vqa_method",
            repeats=lambda wildcards: PROFILE.repeats(FILES.answering_experiment(wildcards)),
            run=FILES.answering_run,
            experiment=FILES.answering_experiment,
        ),
    shell:
        step("answer", "encoder", "language_model", "questions", "images", "predictions", *RESOURCES)


rule majority:
    input:
        questions=f"{ARTIFACTS}/data/{{tested}}/vqa_questions.test.json",
        annotations=f"{ARTIFACTS}/data/{{tested}}/vqa_annotations.test.json",
        train_questions=f"{ARTIFACTS}/data/{{tested}}/vqa_questions.train.json",
        train_annotations=f"{ARTIFACTS}/data/{{tested}}/vqa_annotations.train.json",
    output:
        f"{ARTIFACTS}/answers/{{trained}}/{{tested}}/{{vqa_method}}.1.jsonl.gz",
    log:
        f"{LOGS}/majority/{{trained}}-{{tested}}-{{vqa_method}}.log",
    wildcard_constraints:
        vqa_method=one_of(name for name, about in config["vqa_methods"].items() if about["context"] == "majority"),
    conda:
        "../../environment.yml"
    params:
        code=code("majority"),
        cfg=pick("seed repeats", about="trained tested vqa_method"),
    shell:
        step("majority", "questions", "annotations", "train_questions", "train_annotations")
