GAP_FIGURES = list(LEGENDS)
SHOWN = config["tables"].get("in_domain", {}).get("experiments", [])
IN_DOMAIN = [cell for cell in PROFILE.evaluated() if cell[0] == cell[2] and cell[1] in SHOWN]
SEEING = [name for name in SHOWN if "given" not in config["experiments"][name]]
OURS = [name for name in SEEING if config["runs"].get(PROFILE.run_of(name), {}).get("method") == "maccap"]
EXAMPLE = ["example"] if any(cell[1] in OURS for cell in IN_DOMAIN) else []
FIGURES = [*GAP_FIGURES, *(["training"] if PROFILE.trained else []), *EXAMPLE]
TABLE_FORMS = (".json", ".metrics.json", ".md", ".tex", ".html")  # beside .csv
COMPARED = [cell for cell in PROFILE.evaluated() if "reported_as" in config["experiments"][cell[1]]]
COMPARED_ANSWERS = [row for row in PROFILE.answered() if "reported_as" in config["vqa_methods"][row[2]]]
COMPARED_KEYS = [f"experiments.{cell[1]}" for cell in COMPARED] + [f"vqa_methods.{row[2]}" for row in COMPARED_ANSWERS]


use rule step as table with:
    input:
        metrics=FILES.table_metrics,
    output:
        multiext(f"{RESULTS}/tables/{{table}}", *TABLE_FORMS),
        report(f"{RESULTS}/tables/{{table}}.csv", caption="../report/table.rst", category="Tables"),
    log:
        f"{LOGS}/table/{{table}}.log",
    params:
        **step("table", modules=METRIC_MODULES),
        cfg=pick(
            lambda wildcards: [*FILES.table_keys(wildcards), "printed"],
            lambda wildcards: FILES.table_rows(wildcards, "against", "lowers", "raises", "note", "run", "given"),
            about="table",
            cells=FILES.table_cells,
        ),


# What was published, beside what came out here.
use rule step as reported with:
    input:
        metrics=FILES.metrics(COMPARED),
        answer_metrics=FILES.answer_metrics(COMPARED_ANSWERS),
        reported=config.get("reported", {}).get("file", []),
    output:
        multiext(f"{RESULTS}/tables/reported", *TABLE_FORMS),
        report(f"{RESULTS}/tables/reported.csv", caption="../report/reported.rst", category="Tables"),
    log:
        f"{LOGS}/table/reported.log",
    params:
        **step("reported", modules=METRIC_MODULES),
        cfg=pick(
            lambda wildcards: ["profile", "reduced", *FILES.dataset_labels, *COMPARED_KEYS],
            "reported.tolerance",
            cells=[list(cell) for cell in COMPARED],
            answered=[[trained, vqa_method, tested] for trained, tested, vqa_method in COMPARED_ANSWERS],
        ),


use rule step as gap_figure with:
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
    params:
        **step("gap_figure"),
        cfg=pick(" ".join(FILES.dataset_labels)),


use rule step as training_figure with:
    input:
        logs=FILES.trained("log.jsonl"),
    output:
        f"{RESULTS}/figures/training.png",
        report(f"{RESULTS}/figures/training.svg", caption="../report/training.rst", category="Figures"),
        f"{RESULTS}/figures/training.csv",
    log:
        f"{LOGS}/figure/training.log",
    params:
        **step("figure"),
        cfg=pick(" ".join(FILES.dataset_labels), drawn=FILES.drawn_runs),


use rule step as captions_figure with:
    input:
        metrics=FILES.table_metrics,
    output:
        multiext(f"{RESULTS}/figures/{{table}}", ".png", ".svg"),
    log:
        f"{LOGS}/figure/{{table}}.log",
    wildcard_constraints:
        table=one_of(FILES.tables_of("captions")),
    params:
        **step("captions_figure", modules=METRIC_MODULES),
        cfg=pick(
            FILES.table_keys,
            lambda wildcards: FILES.table_rows(wildcards, "given"),
            about="table",
            cells=FILES.table_cells,
        ),


use rule step as sweep_figure with:
    input:
        table=f"{RESULTS}/tables/{{table}}.json",
    output:
        multiext(f"{RESULTS}/figures/{{table}}", ".png", ".svg"),
    log:
        f"{LOGS}/figure/{{table}}.log",
    wildcard_constraints:
        table=one_of(FILES.tables_of("sweep")),
    params:
        **step("figure"),
        cfg=pick(),
