# One rule per run and shard: it decodes every experiment that uses the run, on every test set asked for. What only the
# target `extended` asks for has rules of its own.
for extended, trained, run in [(extended, *run) for extended in TIERS for run in PROFILE.runs(extended=extended)]:
    cells = PROFILE.predicted(extended=extended)
    cells = [cell for cell in cells if (cell[0], PROFILE.run_of(cell[1])) == (trained, run)]
    for shard in range(max(len(PROFILE.image_shards(cell[2])) for cell in cells)):
        tests = sorted({cell[2] for cell in cells if shard < len(PROFILE.image_shards(cell[2]))})

        rule:
            name:
                f"predict_{trained}_{run}_{shard + 1}{TIERS[extended]}".replace("-", "_")
            input:
                **resources(trained, run),
                code=code("predict", config["runs"][run]["method"]),
                encoder=encoder(),
                language_model=language_model(),
                images=[image_features(tested)[shard] for tested in tests],
            output:
                predictions(cells, shard),
            log:
                f"{LOGS}/predict/{trained}-{run}.{shard + 1}{TIERS[extended]}.log",
            priority: len(cells)
            conda:
                "../../environment.yml"
            resources:
                gpu=min(1, config["gpus"]),
            params:
                cfg=pick(
                    "seed",
                    "repeats",
                    "gpus",
                    "encoder",
                    "language_model",
                    "training",
                    "decoding",
                    f"runs.{run}",
                    *dict.fromkeys(f"experiments.{cell[1]}.run" for cell in cells),
                    optional=[
                        f"datasets.{trained}.training",
                        *dict.fromkeys(f"experiments.{cell[1]}.decoding" for cell in cells),
                    ],
                ),
            shell:
                step("predict", "encoder", "language_model", "images", *RESOURCES)


rule baselines:
    input:
        code=code("baselines"),
        encoder=encoder(),
        language_model=language_model(),
        captions=f"{ARTIFACTS}/data/{{dataset}}/captions.test.jsonl",
    output:
        [
            f"{ARTIFACTS}/predictions/{{dataset}}/{baseline}/{{dataset}}/{seed}.1-of-1{suffix}"
            for baseline in ("blind", "human")
            for seed in SEEDS
            for suffix in (".json", ".features.safetensors")
        ],
    log:
        f"{LOGS}/baselines/{{dataset}}.log",
    priority: 50
    conda:
        "../../environment.yml"
    resources:
        gpu=min(1, config["gpus"]),
    params:
        cfg=pick("seed", "repeats", "gpus", "encoder", "language_model", "training.precision", "decoding"),
    shell:
        step("baselines", "encoder", "language_model", "captions")


# Captions that others published, scored like everyone else's.
for experiment, about in config["experiments"].items():
    cells = [cell for cell in PROFILE.evaluated() if cell[1] == experiment and "published" in about]
    if cells:

        rule:
            name:
                f"published_{experiment}".replace("-", "_")
            input:
                code=code("published"),
                encoder=encoder(),
                images=[f"{ARTIFACTS}/data/{tested}/images.jsonl" for _, _, tested in cells],
                published=[asset(about["published"][f"{trained}-{tested}"]) for trained, _, tested in cells],
            output:
                predictions(cells),
            log:
                f"{LOGS}/published/{experiment}.log",
            conda:
                "../../environment.yml"
            resources:
                gpu=min(1, config["gpus"]),
            params:
                cfg=pick("gpus", "encoder", "decoding", f"experiments.{experiment}"),
            shell:
                step("published", "encoder", "images", "published")


# Questions, per way of answering and shard of the test images.
for trained, dataset, answerer in ANSWERED:
    about = config["answerers"][answerer]
    files = answers(trained, dataset, answerer)
    if about["context"] == "majority":

        rule:
            name:
                f"majority_{trained}_{dataset}"
            input:
                code=code("majority"),
                questions=f"{ARTIFACTS}/data/{dataset}/vqa_questions.test.json",
                annotations=f"{ARTIFACTS}/data/{dataset}/vqa_annotations.test.json",
                train_questions=f"{ARTIFACTS}/data/{dataset}/vqa_questions.train.json",
                train_annotations=f"{ARTIFACTS}/data/{dataset}/vqa_annotations.train.json",
            output:
                files,
            log:
                f"{LOGS}/majority/{trained}-{dataset}.log",
            conda:
                "../../environment.yml"
            params:
                cfg=pick(),
            shell:
                step("majority", "questions", "annotations", "train_questions", "train_annotations")

    else:
        experiment, lm = about["experiment"], about.get("language_model", config["language_model"]["name"])
        run = PROFILE.run_of(experiment)
        shards = PROFILE.image_shards(dataset)
        for number, shard in enumerate(shards):

            rule:
                name:
                    f"answer_{trained}_{dataset}_{answerer}_{number + 1}".replace("-", "_")
                input:
                    **resources(trained, run),
                    code=code("answer", config["runs"][run]["method"]),
                    encoder=encoder(),
                    language_model=language_model(lm),
                    questions=f"{ARTIFACTS}/data/{dataset}/vqa_questions.test.json",
                    images=image_features(dataset)[number],
                    predictions=predictions([(trained, experiment, dataset)], number)[::2],
                output:
                    files[number :: len(shards)],
                log:
                    f"{LOGS}/answer/{trained}-{dataset}-{answerer}.{number + 1}.log",
                conda:
                    "../../environment.yml"
                resources:
                    gpu=min(1, config["gpus"]),
                params:
                    cfg=pick(
                        "seed",
                        "repeats",
                        "gpus",
                        "encoder",
                        "language_model",
                        "training",
                        "decoding",
                        "answering",
                        f"answerers.{answerer}.context",
                        f"answerers.{answerer}.experiment",
                        f"experiments.{experiment}.run",
                        f"runs.{run}",
                        optional=[f"answerers.{answerer}.answering", f"datasets.{trained}.training"],
                    ),
                shell:
                    step(
                        "answer",
                        "encoder",
                        "language_model",
                        "questions",
                        "images",
                        "predictions",
                        *RESOURCES,
                    )
