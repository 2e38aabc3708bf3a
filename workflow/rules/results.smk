SWEEPS = [name for name, about in config["tables"].items() if about["kind"] == "sweep"]
TABLES = [*PROFILE.tables(), *(["reported"] if "reported" in config else [])]


rule table:
    input:
        code=code("table"),
        metrics=lambda wildcards: table_metrics(wildcards.table),
    output:
        expand(f"{RESULTS}/tables/{{{{table}}}}.{{suffix}}", suffix=["json", "metrics.json", "md", "tex", "html"]),
        report(
            f"{RESULTS}/tables/{{table}}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        f"{LOGS}/table/{{table}}.log",
    wildcard_constraints:
        table="|".join(config["tables"]),
    conda:
        "../../environment.yml"
    params:
        cfg=table_cfg,
    shell:
        step("table", "metrics")


# What was published, beside what came out here.
if "reported" in config:
    COMPARED = [cell for cell in PROFILE.evaluated() if "reported_as" in config["experiments"][cell[1]]]
    COMPARED_ANSWERS = [row for row in PROFILE.answered() if "reported_as" in config["answerers"][row[2]]]

    rule reported:
        input:
            code=code("reported"),
            metrics=metrics(COMPARED) + [path for row in COMPARED_ANSWERS for path in answer_metrics(*row)],
            reported=config["reported"]["file"],
        output:
            expand(f"{RESULTS}/tables/reported.{{suffix}}", suffix=["json", "metrics.json", "md", "tex", "html"]),
            report(
                f"{RESULTS}/tables/reported.csv",
                caption="../report/reported.rst",
                category="Tables",
                labels={"table": "reported"},
            ),
        log:
            f"{LOGS}/table/reported.log",
        conda:
            "../../environment.yml"
        params:
            cfg=pick(
                "profile",
                "reduced",
                "reported.tolerance",
                *(f"datasets.{name}.label" for name in config["datasets"]),
                *dict.fromkeys(f"experiments.{cell[1]}" for cell in COMPARED),
                *dict.fromkeys(f"answerers.{row[2]}" for row in COMPARED_ANSWERS),
            ),
        shell:
            step("reported", "metrics", "reported")


rule gap_figure:
    input:
        code=code("gap_figure"),
        reports=expand(f"{RESULTS}/metrics/gap/{{dataset}}.json", dataset=PROFILE.captioned_tests),
    output:
        expand(f"{RESULTS}/figures/{{figure}}.png", figure=GAP_FIGURES),
        report(
            expand(f"{RESULTS}/figures/{{figure}}.svg", figure=GAP_FIGURES),
            caption="../report/gap.rst",
            category="Figures",
            labels={"figure": "gap"},
        ),
    log:
        f"{LOGS}/figure/gap.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(*(f"datasets.{name}.label" for name in config["datasets"])),
    shell:
        step("gap-figure", "reports")


rule training_figure:
    input:
        code=code("figure"),
        logs=all_logs,
    output:
        f"{RESULTS}/figures/training.png",
        report(
            f"{RESULTS}/figures/training.svg",
            caption="../report/training.rst",
            category="Figures",
            labels={"figure": "training"},
        ),
        f"{RESULTS}/figures/training.csv",
    log:
        f"{LOGS}/figure/training.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(*(f"datasets.{name}.label" for name in config["datasets"])),
    shell:
        step("figure", "logs")


rule sweep_figure:
    input:
        code=code("figure"),
        table=f"{RESULTS}/tables/{{table}}.json",
    output:
        f"{RESULTS}/figures/{{table}}.png",
        f"{RESULTS}/figures/{{table}}.svg",
    log:
        f"{LOGS}/figure/{{table}}.log",
    wildcard_constraints:
        table="|".join(SWEEPS) or "none",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("figure", "table")


RESULT_FILES = [
    *[f"{RESULTS}/figures/{table}.png" for table in SWEEPS if table in PROFILE.tables()],
    *expand(f"{RESULTS}/tables/{{table}}.md", table=TABLES),
    *expand(f"{RESULTS}/figures/{{figure}}.png", figure=FIGURES),
    f"{RESULTS}/trace.html",
    f"{RESULTS}/tables/numbers.tex",
    f"{RESULTS}/report.html",
    f"{RESULTS}/samples.html",
]

EXTENDED_FILES = [
    *[f"{RESULTS}/figures/{table}.png" for table in SWEEPS if table in PROFILE.tables(extended=True)],
    *expand(f"{RESULTS}/tables/{{table}}.md", table=PROFILE.tables(extended=True)),
]
