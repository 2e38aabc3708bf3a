KEYS = "seed gpus encoder language_model training generation selection"


# All experiments of a run, or one, by the setting `predictions`, on one shard of each test set.
use rule step as predict with:
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
    resources:
        **needs("predict"),
    params:
        **step(
            "predict",
            modules=lambda wildcards: FILES.method_modules(FILES.group(wildcards).run),
            own=[FILES.encoder(), FILES.language_model()],
        ),
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


# The two ends of the scale: the language model alone, and a reference against the others.
use rule step as baselines with:
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
    resources:
        **needs("baselines"),
    params:
        **step("baselines", own=[FILES.encoder(), FILES.language_model()]),
        cfg=pick(
            "seed gpus encoder language_model training.precision generation selection",
            about="tested",
            captioned=lambda wildcards: [wildcards.tested],
            repeats=PROFILE.repeats(*BASELINES),
            fewer_repeats=FILES.fewer_repeats(BASELINES),
            experiment=list(BASELINES),
        ),


# Captions that others published, scored like everyone else's.
use rule step as published with:
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
    resources:
        **needs("published"),
    params:
        **step("published", own=[FILES.encoder()]),
        cfg=pick(
            "gpus encoder selection",
            about="trained",
            experiment=lambda wildcards: wildcards.group,
            tested=FILES.tests,
            captioned=FILES.tests,
            shards=lambda wildcards: [len(FILES.image_features(tested)) for tested in FILES.tests(wildcards)],
        ),


# Questions, per way of answering and shard of the test images.
use rule step as answer with:
    input:
        unpack(
            lambda wildcards: FILES.resources(
                wildcards.trained, FILES.answering_run(wildcards), [FILES.answering_experiment(wildcards)]
            )
        ),
        encoder=FILES.encoder(),
        language_model=FILES.answering_model,
        questions=f"{ARTIFACTS}/data/{{tested}}/vqa_questions.test.json",
        images=lambda wildcards: FILES.image_shard(wildcards.tested, wildcards.shard),
        predictions=FILES.context,
    output:
        f"{ARTIFACTS}/answers/{{trained}}/{{tested}}/{{vqa_method}}.{{shard}}.jsonl.gz",
    log:
        f"{LOGS}/answer/{{trained}}-{{tested}}-{{vqa_method}}.{{shard}}.log",
    wildcard_constraints:
        vqa_method=one_of(name for name, about in config["vqa_methods"].items() if about["context"] != "majority"),
    resources:
        **needs("answer"),
    params:
        **step(
            "answer",
            modules=lambda wildcards: FILES.method_modules(FILES.answering_run(wildcards)),
            own=[FILES.answering_model],
        ),
        cfg=pick(
            f"{KEYS} answering vqa_methods.{{vqa_method}}.context",
            optional=FILES.own_answering_keys,
            about="trained tested vqa_method",
            repeats=lambda wildcards: PROFILE.repeats(FILES.answering_experiment(wildcards)),
            run=FILES.answering_run,
            experiment=FILES.answering_experiment,
        ),


use rule step as majority with:
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
    params:
        **step("majority"),
        cfg=pick("seed repeats", about="trained tested vqa_method"),
