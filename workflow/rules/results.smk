def caption_metrics(trained, experiment, dataset):
    return expand(f"{RESULTS}/metrics/captions/{trained}/{experiment}/{dataset}/{{seed}}.json", seed=SEEDS)


def table_metrics(wildcards):
    """The metric files behind a table, in the order of its rows."""
    spec, datasets = config["tables"][wildcards.table], config["datasets"]
    if wildcards.table in ("nearness", "gap"):
        return expand(f"{RESULTS}/metrics/gap/{{dataset}}.json", dataset=datasets)
    if "forms" in spec:
        return expand(
            f"{RESULTS}/metrics/vqa/{spec['dataset']}/{{form}}/{{seed}}.json", form=spec["forms"], seed=SEEDS
        )
    pairs = [pair.split("-") for pair in spec["pairs"]]
    return [
        path
        for trained, tested in pairs
        for experiment in spec["experiments"]
        for path in caption_metrics(trained, experiment, tested)
    ]


rule table:
    input:
        code=code("table"),
        metrics=table_metrics,
    output:
        expand(f"{RESULTS}/tables/{{{{table}}}}.{{suffix}}", suffix=["json", "csv", "md", "tex"]),
    log:
        f"logs/{config['profile']}/table/{{table}}.log",
    params:
        cfg=pick("profile", "experiments"),
    shell:
        step("table", "metrics")


rule gap_figure:
    input:
        code=code("figure"),
        reports=expand(f"{RESULTS}/metrics/gap/{{dataset}}.json", dataset=config["datasets"]),
    output:
        expand(f"{RESULTS}/figures/gap.{{suffix}}", suffix=["png", "svg"]),
    log:
        f"logs/{config['profile']}/figure/gap.log",
    params:
        cfg=pick(),
    shell:
        step("figure", "reports")


def all_logs(wildcards):
    experiments = [
        (pair.split("-")[0], run_of(experiment))
        for spec in config["tables"].values()
        if "pairs" in spec
        for pair in spec["pairs"]
        for experiment in spec["experiments"]
    ]
    runs = sorted({(trained, run) for trained, run in experiments if run})
    return [f"{ARTIFACTS}/runs/{trained}/{run}/{seed}/log.jsonl" for trained, run in runs for seed in SEEDS]


rule training_figure:
    input:
        code=code("figure"),
        logs=all_logs,
    output:
        expand(f"{RESULTS}/figures/training.{{suffix}}", suffix=["png", "svg"]),
    log:
        f"logs/{config['profile']}/figure/training.log",
    params:
        cfg=pick(),
    shell:
        step("figure", "logs")
