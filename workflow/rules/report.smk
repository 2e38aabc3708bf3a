# Captions and answers of the first seed are shown as samples.
SHOWN = config["tables"].get("in_domain", {}).get("experiments", [])
IN_DOMAIN = [cell for cell in PROFILE.evaluated() if cell[0] == cell[2] and cell[1] in SHOWN]
CAPTIONED = list(dict.fromkeys(cell[2] for cell in IN_DOMAIN))
ASKED = list(dict.fromkeys(dataset for _, dataset, _ in PROFILE.answered()))
PAGE = [f"maccap/report/{name}" for name in ("page.css", "frame.html.j2", "samples.macros.j2")]  # parts of both pages
REPORT_FILES = [f"{RESULTS}/{name}" for name in ("report.html", "trace.html", "tables/numbers.tex")]
SHOWN_FIGURES = expand(f"{RESULTS}/figures/{{figure}}.{{suffix}}", figure=FIGURES, suffix=["png", "svg"])
CONFIG_FILES = ["config/config.yaml", f"config/{config['profile']}.yaml"]
NOT_SHOWN = ("pretraining", "estimate", "local", "registry", "lock")  # by the report


rule samples:
    input:
        code=code("samples"),
        metrics=of_first_seed(metrics(IN_DOMAIN)),
        predictions=of_first_seed(predictions(IN_DOMAIN)[::2]),
        captions=expand(f"{ARTIFACTS}/data/{{dataset}}/captions.test.jsonl", dataset=CAPTIONED),
        images=expand(f"{ARTIFACTS}/data/{{dataset}}/images.jsonl", dataset=sorted({*CAPTIONED, *ASKED})),
        pictures=expand(f"{ARTIFACTS}/data/{{dataset}}/images.zip", dataset=sorted({*CAPTIONED, *ASKED})),
        features=[path for dataset in CAPTIONED for path in image_features(dataset)],
        questions=expand(f"{ARTIFACTS}/data/{{dataset}}/vqa_questions.test.json", dataset=ASKED),
        annotations=expand(f"{ARTIFACTS}/data/{{dataset}}/vqa_annotations.test.json", dataset=ASKED),
        answers=of_first_seed([path for cell in PROFILE.answered() for path in answers(*cell)]),
        answer_metrics=of_first_seed([path for cell in PROFILE.answered() for path in answer_metrics(*cell)]),
    output:
        f"{ARTIFACTS}/samples.json",
    log:
        f"{LOGS}/samples.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(
            "seed",
            "decoding",
            *(f"experiments.{name}.label" for name in SHOWN),
            *(f"answerers.{cell[2]}.label" for cell in PROFILE.answered()),
            optional=[
                "samples",
                *(f"experiments.{name}.{key}" for name in SHOWN for key in ("run", "decoding")),
                *(f"runs.{config['experiments'][name].get('run')}.method" for name in SHOWN),
            ],
        ),
    shell:
        step(
            "samples",
            "metrics",
            "predictions",
            "captions",
            "images",
            "pictures",
            "features",
            "questions",
            "annotations",
            "answers",
            "answer_metrics",
        )


rule sample_page:
    input:
        code=code("sample_page"),
        template=[*PAGE, "maccap/report/samples.html.j2"],
        samples=f"{ARTIFACTS}/samples.json",
    output:
        report(f"{RESULTS}/samples.html", caption="../report/samples.rst", category="Report"),
    log:
        f"{LOGS}/sample_page.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(
            "profile",
            "reduced",
            "seed",
            "decoding.subregions",
            *(f"datasets.{name}.label" for name in config["datasets"]),
        ),
    shell:
        step("sample-page", "samples")


# It reads whatever the manifest reads, so that both are always stale together: DVC starts Snakemake once for both.
rule report:
    input:
        code=sorted({*code("report"), *code("manifest")}),
        methods=list(dict.fromkeys(f"maccap/methods/{run['method']}.py" for run in config["runs"].values())),
        template=[*PAGE, "maccap/report/page.html.j2"],
        tables=expand(f"{RESULTS}/tables/{{table}}.json", table=TABLES),
        figures=SHOWN_FIGURES,
        samples=f"{ARTIFACTS}/samples.json",
        listed=[path for path in RESULT_FILES if path not in (*REPORT_FILES, *SHOWN_FIGURES)],
        config=CONFIG_FILES,
    output:
        report(REPORT_FILES[0], caption="../report/report.rst", category="Report"),
        REPORT_FILES[1:],
    log:
        f"{LOGS}/report.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(*(key for key in config if key not in NOT_SHOWN)),
    shell:
        step("report", "methods", "tables", "figures", "samples")


rule manifest:
    input:
        code=code("manifest"),
        results=RESULT_FILES,
        config=CONFIG_FILES,
    output:
        f"{RESULTS}/files.sha256",
        f"{RESULTS}/setup.sha256",
    log:
        f"{LOGS}/manifest.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("manifest", "results", "config")


# The results of the target `extended` have lists of their own, as they may not have been made.
rule manifest_extended:
    input:
        code=code("manifest"),
        results=EXTENDED_FILES,
        config=CONFIG_FILES,
    output:
        f"{RESULTS}/extended.files.sha256",
        f"{RESULTS}/extended.setup.sha256",
    log:
        f"{LOGS}/manifest_extended.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick(),
    shell:
        step("manifest", "results", "config")
