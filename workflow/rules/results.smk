GAP_FIGURES = list(LEGENDS)
SHOWN = config["tables"].get("in_domain", {}).get("experiments", [])
IN_DOMAIN = [cell for cell in PROFILE.evaluated() if cell[0] == cell[2] and cell[1] in SHOWN]
OURS = [name for name in SHOWN if config["runs"].get(PROFILE.run_of(name), {}).get("method") == "maccap"]
EXAMPLE = ["example"] if any(cell[1] in OURS for cell in IN_DOMAIN) else []
FIGURES = [*GAP_FIGURES, *(["training"] if PROFILE.trained else []), *EXAMPLE]
TABLE_FORMS = (".json", ".metrics.json", ".md", ".tex", ".html")  # beside .csv
COMPARED = [cell for cell in PROFILE.evaluated() if "reported_as" in config["experiments"][cell[1]]]
COMPARED_ANSWERS = [row for row in PROFILE.answered() if "reported_as" in config["vqa_methods"][row[2]]]
COMPARED_KEYS = [f"experiments.{cell[1]}" for cell in COMPARED] + [f"vqa_methods.{row[2]}" for row in COMPARED_ANSWERS]


rule table:
    input:
        metrics=FILES.table_metrics,
    output:
        multiext(f"{RESULTS}/tables/{{table}}", *TABLE_FORMS),
        report(f"{RESULTS}/tables/{{table}}.csv", caption="../report/table.rst", category="Tables"),
    log:
        f"{LOGS}/table/{{table}}.log",
    conda:
        "../../environment.yml"
    params:
        code=code("table", *METRIC_MODULES),
        cfg=pick(
            lambda wildcards: [*FILES.table_keys(wildcards), "printed"],
            lambda wildcards: FILES.table_rows(wildcards, "against", "lowers", "raises", "note", "run", "given"),
            about="table",
            cells=FILES.table_cells,
        ),
    shell:
        step("table", "metrics")


# What was published, beside what came out here.
rule reported:
    input:
        metrics=FILES.metrics(COMPARED),
        answer_metrics=FILES.answer_metrics(COMPARED_ANSWERS),
        reported=config.get("reported", {}).get("file", []),
    output:
        multiext(f"{RESULTS}/tables/reported", *TABLE_FORMS),
        report(f"{RESULTS}/tables/reported.csv", caption="../report/reported.rst", category="Tables"),
    log:
        f"{LOGS}/table/reported.log",
    conda:
        "../../environment.yml"
    params:
        code=code("reported", *METRIC_MODULES),
        cfg=pick(
            lambda wildcards: ["profile", "reduced", *FILES.dataset_labels, *COMPARED_KEYS],
            "reported.tolerance",
            cells=[list(cell) for cell in COMPARED],
            answered=[[trained, vqa_method, tested] for trained, tested, vqa_method in COMPARED_ANSWERS],
        ),
    shell:
        step("reported", "metrics", "answer_metrics", "reported")


rule gap_figure:
    input:
        reports=FILES.gap_reports(),
    output:
        expand(f"{RESULTS}/figures/{{figure}}.png", figure=GAP_FIGURES),
        report(
            expand(f"{RESULTS}/figures/{{figure}}.svg", figure=GAP_FIGURES),
            caption="../report/gap.rst",
            category="Figures",
        ),
    log:
        f"{LOGS}/figure/gap.log",
    conda:
        "../../environment.yml"
    params:
        code=code("gap_figure"),
        cfg=pick(" ".join(FILES.dataset_labels)),
    shell:
        step("gap-figure", "reports")


rule training_figure:
    input:
        logs=FILES.trained("log.jsonl"),
    output:
        f"{RESULTS}/figures/training.png",
        report(f"{RESULTS}/figures/training.svg", caption="../report/training.rst", category="Figures"),
        f"{RESULTS}/figures/training.csv",
    log:
        f"{LOGS}/figure/training.log",
    conda:
        "../../environment.yml"
    params:
        code=code("figure"),
        cfg=pick(" ".join(FILES.dataset_labels), drawn=FILES.drawn_runs),
    shell:
        step("figure", "logs")


rule captions_figure:
    input:
        metrics=FILES.table_metrics,
    output:
        multiext(f"{RESULTS}/figures/{{table}}", ".png", ".svg"),
    log:
        f"{LOGS}/figure/{{table}}.log",
    wildcard_constraints:
        table=one_of(FILES.tables_of("captions")),
    conda:
        "../../environment.yml"
    params:
        code=code("captions_figure", *METRIC_MODULES),
        cfg=pick(
            FILES.table_keys,
            lambda wildcards: FILES.table_rows(wildcards, "given"),
            about="table",
            cells=FILES.table_cells,
        ),
    shell:
        step("captions-figure", "metrics")


rule sweep_figure:
    input:
        table=f"{RESULTS}/tables/{{table}}.json",
    output:
        multiext(f"{RESULTS}/figures/{{table}}", ".png", ".svg"),
    log:
        f"{LOGS}/figure/{{table}}.log",
    wildcard_constraints:
        table=one_of(FILES.tables_of("sweep")),
    conda:
        "../../environment.yml"
    params:
        code=code("figure"),
        cfg=pick(),
    shell:
        step("figure", "table")
