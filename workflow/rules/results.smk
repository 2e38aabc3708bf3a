rule table:
    input:
        code=code("table"),
        metrics=table_metrics,
    output:
        expand(f"{RESULTS}/tables/{{{{table}}}}.{{suffix}}", suffix=["json", "metrics.json", "csv", "md", "tex"]),
    log:
        f"logs/{config['profile']}/table/{{table}}.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("profile", "experiments", "tables.{table}"),
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
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("figure", "reports")


rule training_figure:
    input:
        code=code("figure"),
        logs=all_logs,
    output:
        expand(f"{RESULTS}/figures/training.{{suffix}}", suffix=["png", "svg", "csv"]),
    log:
        f"logs/{config['profile']}/figure/training.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("figure", "logs")
