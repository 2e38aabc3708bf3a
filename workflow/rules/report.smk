CAPTIONED = list(dict.fromkeys(cell[2] for cell in IN_DOMAIN))
ASKED = list(dict.fromkeys(dataset for _, dataset, _ in PROFILE.answered()))
PAGE = [
    own(f"maccap/report/{name}") for name in ("page.css", "frame.html.j2", "samples.macros.j2")
]  # parts of both pages
REPORT_FILES = [f"{RESULTS}/{name}" for name in ("report.html", "trace.html", "tables/numbers.tex")]
SHOWN_FIGURES = expand(
    f"{RESULTS}/figures/{{figure}}.{{suffix}}", figure=[*FILES.drawn(), *GAP_FIGURES, "training"], suffix=["png", "svg"]
)
CONFIG_FILES = [str(path) for path in config_files(config["profile"])]
SAMPLED = FILES.sampled(CAPTIONED, ASKED)


rule samples:
    input:
        **SAMPLED,
        predictions=list(dict.fromkeys(path for name in CAPTIONED for path in FILES.predictions(name, [""]))),
        metrics=FILES.metrics(IN_DOMAIN),
        answers=[path for name in ASKED for path in FILES.answers(name, [""])],
        answer_metrics=FILES.answer_metrics(PROFILE.answered()),
    output:
        f"{ARTIFACTS}/samples.json",
    log:
        f"{LOGS}/samples.log",
    conda:
        "../../environment.yml"
    params:
        code=code("samples"),
        cfg=pick(
            lambda wildcards: ["seed", "generation", *FILES.sample_labels(SHOWN)],
            lambda wildcards: ["samples", *FILES.sample_settings(SHOWN)],
            captioned=CAPTIONED,
            asked=ASKED,
            shown=SHOWN,
        ),
    shell:
        step("samples", "predictions", "metrics", "answers", "answer_metrics", *SAMPLED)


rule sample_page:
    input:
        template=[*PAGE, own("maccap/report/samples.html.j2")],
        samples=f"{ARTIFACTS}/samples.json",
    output:
        report(f"{RESULTS}/samples.html", caption="../report/samples.rst", category="Report"),
    log:
        f"{LOGS}/sample_page.log",
    conda:
        "../../environment.yml"
    params:
        code=code("sample_page"),
        cfg=pick(" ".join(["profile", "reduced", "seed", "generation.subregions", *FILES.dataset_labels])),
    shell:
        step("sample-page", "samples")


# It reads whatever the manifest reads, so that both are always stale together: DVC starts Snakemake once for both.
rule report:
    input:
        methods=list(dict.fromkeys(own(f"maccap/methods/{run['method']}.py") for run in config["runs"].values())),
        template=[*PAGE, own("maccap/report/page.html.j2"), own("maccap/report/trace.html.j2")],
        tables=expand(f"{RESULTS}/tables/{{table}}.json", table=FILES.tables()),
        figures=SHOWN_FIGURES,
        samples=f"{ARTIFACTS}/samples.json",
        listed=[path for path in FILES.ends("", FIGURES) if path not in (*REPORT_FILES, *SHOWN_FIGURES)],
        config=CONFIG_FILES,
    output:
        report(REPORT_FILES[0], caption="../report/report.rst", category="Report"),
        REPORT_FILES[1:],
    log:
        f"{LOGS}/report.log",
    conda:
        "../../environment.yml"
    params:
        code=code("report", "steps.manifest"),
        cfg=pick(" ".join(FILES.shown_sections)),
    shell:
        step("report", "methods", "tables", "figures", "samples")


# What `extended` makes has lists of its own, as it may not have been made.
rule manifest:
    input:
        results=lambda wildcards: FILES.ends(wildcards.tier, FIGURES),
        config=CONFIG_FILES,
    output:
        files=f"{RESULTS}/files{{tier}}.sha256",
        setup=f"{RESULTS}/setup{{tier}}.sha256",
    log:
        f"{LOGS}/manifest{{tier}}.log",
    conda:
        "../../environment.yml"
    params:
        code=code("manifest"),
        cfg=pick(),
    shell:
        step("manifest", "results", "config")
