CAPTIONED = list(dict.fromkeys(cell[2] for cell in IN_DOMAIN))
ASKED = list(dict.fromkeys(dataset for _, dataset, _ in PROFILE.answered()))
PAGE = [own(f"maccap/report/{name}") for name in ("page.css", "frame.html.j2")]  # parts of all pages
REPORT_FILES = FILES.report_files("{tier}")
CONFIG_FILES = [str(path) for path in config_files(config["profile"])]


use rule step as samples with:
    input:
        **FILES.sampled(CAPTIONED, ASKED),
        predictions=list(dict.fromkeys(path for name in CAPTIONED for path in FILES.predictions(name, [""]))),
        metrics=FILES.metrics(IN_DOMAIN),
        answers=[path for name in ASKED for path in FILES.answers(name, [""])],
        answer_metrics=FILES.answer_metrics(PROFILE.answered()),
    output:
        f"{ARTIFACTS}/samples.json",
    log:
        f"{LOGS}/samples.log",
    params:
        **step("samples"),
        cfg=pick(
            lambda wildcards: ["seed", "generation", *FILES.sample_labels(SHOWN)],
            lambda wildcards: ["samples", *FILES.sample_settings(SHOWN)],
            captioned=CAPTIONED,
            asked=ASKED,
            shown=SHOWN,
        ),


use rule step as example_figure with:
    input:
        samples=f"{ARTIFACTS}/samples.json",
    output:
        f"{RESULTS}/figures/example.png",
        report(f"{RESULTS}/figures/example.svg", caption="../report/example.rst", category="Figures"),
    log:
        f"{LOGS}/figure/example.log",
    params:
        **step("example_figure"),
        cfg=pick(" ".join(FILES.dataset_labels), ours=[config["experiments"][name]["label"] for name in OURS]),


use rule step as sample_page with:
    input:
        template=[*PAGE, *map(own, ("maccap/report/samples.macros.j2", "maccap/report/samples.html.j2"))],
        samples=f"{ARTIFACTS}/samples.json",
    output:
        report(f"{RESULTS}/samples.html", caption="../report/samples.rst", category="Report"),
    log:
        f"{LOGS}/sample_page.log",
    params:
        **step("sample_page", reads="samples"),
        cfg=pick(" ".join(["profile", "reduced", "seed", "generation.subregions", *FILES.dataset_labels])),


# It reads whatever the manifest reads, so that both are always stale together: DVC starts Snakemake once for both.
use rule step as report with:
    input:
        methods=list(dict.fromkeys(own(f"maccap/methods/{run['method']}.py") for run in config["runs"].values())),
        template=[*PAGE, *map(own, ("maccap/report/page.html.j2", "maccap/report/trace.html.j2"))],
        tables=FILES.reported_tables,
        figures=lambda wildcards: FILES.reported_figures(wildcards, FIGURES),
        listed=lambda wildcards: FILES.not_reported(wildcards, FIGURES),
        config=CONFIG_FILES,
    output:
        report(REPORT_FILES[0], caption="../report/report.rst", category="Report"),
        REPORT_FILES[1:],
    log:
        f"{LOGS}/report{{tier}}.log",
    params:
        **step("report", reads="methods tables figures", modules=["steps.manifest"]),
        cfg=pick(FILES.shown_sections, extended=lambda wildcards: bool(wildcards.tier)),


# What `extended` makes has lists of its own, as it may not have been made.
use rule step as manifest with:
    input:
        results=lambda wildcards: FILES.ends(wildcards.tier, FIGURES),
        config=CONFIG_FILES,
    output:
        files=f"{RESULTS}/files{{tier}}.sha256",
        setup=f"{RESULTS}/setup{{tier}}.sha256",
    log:
        f"{LOGS}/manifest{{tier}}.log",
    params:
        **step("manifest"),
        cfg=pick(),
