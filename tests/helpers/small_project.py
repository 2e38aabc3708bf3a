"""A small finished project: data, features, runs, predictions, metrics and tables of toy steps, with true records.

Two data sets, two runs on the first, two experiments of one run, a baseline, two seeds. A toy step's output is a
function of its inputs and settings; evaluation counts letters, so that the tests can count them again.
"""

import gzip
import hashlib
import json
import os
import signal
import statistics
import zipfile
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from maccap.core.dotted import leaves
from maccap.core.job import Job
from maccap.core.records import now, write_record
from maccap.data.predictions import write_predictions
from maccap.steps import manifest
from maccap.tables.table import BOUND, DIFFERENCE, Row, Source, Table, cell, write_table

BASE = {"generation": {"beams": 4}}
CONFIG = {
    "profile": "small", "reduced": True, "seed": 5, "repeats": 2, "gpus": 0,
    "scenes": {"train": 12, "val": 2, "test": 5, "questions": 2},
    "datasets": {
        "daylight": {"label": "Daylight", "format": "scenes"}, "chalk": {"label": "Chalk", "format": "scenes"},
    },
    "encoder": {"name": "models/clip"}, "language_model": {"name": "models/opt"}, "training": {"epochs": 3},
    "runs": {"maccap": {"method": "maccap"}, "other": {"method": "capdec"}},
    "experiments": {
        "maccap": {"label": "MacCap", "run": "maccap"}, "human": {"label": "human"},
        "light": {"label": "light", "run": "maccap", "generation": {"beams": 1}},
    },
    "vqa_methods": {}, "tables": {},
}  # fmt: skip
SEEDS, DATASETS, EXPERIMENTS = (5, 6), ("daylight", "chalk"), ("maccap", "light", "human")
DATA, FEATURES, RUNS, RESULTS = (
    "artifacts/small/data", "artifacts/small/features", "artifacts/small/runs", "results/small",
)  # fmt: skip
PREDICTIONS, BASELINES = "artifacts/small/predictions/maccap.jsonl.gz", "artifacts/small/predictions/baselines.jsonl.gz"
METRICS = {dataset: f"{RESULTS}/metrics/{dataset}.jsonl" for dataset in DATASETS}
GAP = f"{RESULTS}/metrics/gap/daylight.json"
TABLES = {name: f"{RESULTS}/tables/{name}.json" for name in ("in_domain", "ablation")}
ADAPTOR = f"{RUNS}/maccap/s5/adaptor.safetensors"
SUFFIXES = ("json", "metrics.json", "csv", "md", "tex", "html")
WEIGHTS = ("models/clip/open_clip.safetensors", "models/opt/model.safetensors")


def configure() -> None:
    """Write the configuration and the weights into the current folder."""
    for path in ("config", *{str(Path(weights).parent) for weights in WEIGHTS}):
        Path(path).mkdir(parents=True, exist_ok=True)
    Path("config/config.yaml").write_text("# which\nprofile: small\n")
    Path("config/base.yaml").write_text(yaml.safe_dump(BASE))
    Path("config/small.yaml").write_text("# a comment\n" + yaml.safe_dump(CONFIG, sort_keys=False))
    for weights in WEIGHTS:
        Path(weights).write_bytes(weights.encode())


def make_project() -> None:
    for step, inputs, outputs, about in jobs():
        do(step, inputs, outputs, about)
    list_everything(results())


def jobs() -> Iterator[tuple[str, dict[str, list[str]], list[str], dict[str, Any]]]:
    """Every job: step, inputs, outputs, and what it is about."""
    clip, opt = WEIGHTS
    images = [f"{FEATURES}/{dataset}.safetensors" for dataset in DATASETS]
    for dataset, features in zip(DATASETS, images):
        own = f"{DATA}/{dataset}"
        yield "scenes", {}, [f"{own}/dataset.json", f"{own}/images.zip"], {"dataset": dataset}
        yield (
            "captions", {"captions": [f"{own}/dataset.json"]}, [f"{own}/captions.test.jsonl", f"{own}/images.jsonl"],
            {},
        )  # fmt: skip
        yield "image_features", {"encoder": [clip], "images": [f"{own}/images.zip"]}, [features], {"tested": dataset}
    words = f"{FEATURES}/daylight.captions.safetensors"
    yield "text_features", {"encoder": [clip], "captions": [f"{DATA}/daylight/captions.test.jsonl"]}, [words], {}
    for run, seed in (*(("maccap", seed) for seed in SEEDS), ("other", SEEDS[0])):
        made = [f"{RUNS}/{run}/s{seed}/{file}" for file in ("adaptor.safetensors", "run.json")]
        read = {"language_model": [opt], "features": [words]}
        yield "train", read, made, {"trained": "daylight", "run": run, "run_seed": seed}
    read = {"encoder": [clip], "language_model": [opt], "images": images}
    read["adaptors"] = [f"{RUNS}/maccap/s{seed}/adaptor.safetensors" for seed in SEEDS]
    own = {"trained": "daylight", "run": "maccap", "experiment": ["maccap", "light"], "tested": list(DATASETS)}
    yield "predict", read, [PREDICTIONS], own
    captions = [f"{DATA}/{dataset}/captions.test.jsonl" for dataset in DATASETS]
    own = {"trained": "daylight", "experiment": ["human"], "tested": list(DATASETS)}
    yield "baselines", {"captions": captions}, [BASELINES], own
    for dataset in DATASETS:
        read = {"captions": [f"{DATA}/{dataset}/captions.test.jsonl"], "predictions": [PREDICTIONS, BASELINES]}
        yield "evaluate", read, [METRICS[dataset]], {"tested": dataset}
    yield "measure_gap", {"images": images}, [GAP], {}
    for name, path in TABLES.items():
        outputs = [path.replace(".json", f".{suffix}") for suffix in SUFFIXES]
        yield "table", {"metrics": list(METRICS.values())}, outputs, {"table": name}


def do(step: str, inputs: dict[str, list[str]], outputs: list[str], about: dict[str, Any]) -> None:
    sections = {
        "scenes": ("seed", "scenes"), "train": ("training",), "table": ("reduced", "experiments"),
        "predict": ("seed", "repeats", "generation", "experiments"),
    }  # fmt: skip
    wanted = sections.get(step, ())
    settings = about | {key: value for key, value in leaves("", CONFIG | BASE).items() if key.split(".")[0] in wanted}
    job = Job({name: list(map(Path, paths)) for name, paths in inputs.items()}, list(map(Path, outputs)), settings)
    started = now()
    run_jobs(step, [job])
    while now() == started:
        pass
    write_record(step, job, started)


def results() -> list[Path]:
    """The files that everything else stands behind: a form of each table, and what is in no table."""
    return [*(Path(path).with_suffix(".md") for path in TABLES.values()), Path(f"{RUNS}/other/s5/run.json"), Path(GAP)]


def list_everything(results: list[Path], tier: str = "") -> None:
    config = [Path(f"config/{name}.yaml") for name in ("config", "base", "small")]
    job = Job({"results": results, "config": config}, [Path(f"{RESULTS}/{n}{tier}.sha256") for n in ("files", "setup")])
    started = now()
    manifest.run(job)
    write_record("manifest", job, started)


def never_end(step: str, jobs: list[Job]) -> None:
    """In place of `run_jobs`: makes the file that the environment names, and waits."""
    Path(os.environ["BEGUN"]).touch()
    signal.pause()


def run_jobs(step: str, jobs: list[Job]) -> None:
    """The toy steps; `maccap verify` gets them in place of the real ones."""
    for job in jobs:
        for out in job.outputs:
            out.parent.mkdir(parents=True, exist_ok=True)
        {"predict": predict, "baselines": predict, "evaluate": evaluate, "table": table}.get(step, derive)(job)


def derive(job: Job) -> None:
    """Outputs that hold digests of the inputs and settings."""
    read = [path.read_bytes() for paths in job.inputs.values() for path in paths]
    for out in job.outputs:
        digest = hashlib.sha256(b"".join([*read, out.name.encode(), repr(job.settings).encode()])).hexdigest()
        if out.suffix == ".zip":
            with zipfile.ZipFile(out, "w") as archive:
                archive.writestr(zipfile.ZipInfo("image"), digest)
        else:
            out.write_text(json.dumps({"of": digest}) + "\n")


def predict(job: Job) -> None:
    about = product(job.settings["experiment"], job.settings["tested"], SEEDS, (1, 2))
    rows = [
        {"trained": "daylight", "experiment": experiment, "tested": tested, "seed": seed, "image_id": image,
         "caption": "a" * (len(experiment) * seed + 2 * image + len(tested))}
        for experiment, tested, seed, image in about
    ]  # fmt: skip
    write_predictions(job.outputs[0], rows)


def evaluate(job: Job) -> None:
    packed = [gzip.decompress(path.read_bytes()) for path in job.inputs["predictions"]]
    rows = [json.loads(line) for data in packed for line in data.splitlines()]
    own = [row for row in rows if row["tested"] == job.settings["tested"]]
    scored = [{**row, "CIDEr": float(len(row["caption"]))} for row in own]
    for experiment in EXPERIMENTS:
        for seed in SEEDS:
            scores = [row["CIDEr"] for row in scored if (row["experiment"], row["seed"]) == (experiment, seed)]
            corpus = {"trained": "daylight", "experiment": experiment, "seed": seed, "image_id": None}
            scored.append(corpus | {"CIDEr": statistics.fmean(scores)})
    for row in scored:
        row.pop("caption", None)
        row.pop("tested", None)
    write_lines(job.outputs[0], scored)


def table(job: Job) -> None:
    def sources(experiment: str, metrics: Path) -> list[Source]:
        about = {"trained": "daylight", "experiment": experiment}
        return [Source(str(metrics), "CIDEr", about | {"seed": seed, "image_id": None}) for seed in SEEDS]

    def values(experiment: str, metrics: Path) -> list[float]:
        rows = [json.loads(line) for line in metrics.read_text().splitlines()]
        found = {(row["experiment"], row["seed"]): row["CIDEr"] for row in rows if row["image_id"] is None}
        return [found[experiment, seed] for seed in SEEDS]

    names, rows = {"daylight": "Daylight", "chalk": "Chalk"}, []
    if job.settings["table"] == "in_domain":
        columns = ["CIDEr", "SPICE"]
        for dataset, metrics in zip(DATASETS, job.inputs["metrics"]):
            for experiment in EXPERIMENTS:
                own = cell(values(experiment, metrics), sources(experiment, metrics))
                rows.append(Row([names[dataset], CONFIG["experiments"][experiment]["label"]], [own, None]))
    else:
        columns, metrics = ["CIDEr", "ΔCIDEr", "95 % low"], job.inputs["metrics"][0]
        pair = [*sources("light", metrics), *sources("maccap", metrics)]
        changes = [a - b for a, b in zip(values("light", metrics), values("maccap", metrics))]
        low = cell([changes[0] - 1], pair, BOUND)
        own = cell(values("light", metrics), sources("light", metrics))
        rows.append(Row(["Daylight", "light"], [own, cell(changes, pair, DIFFERENCE), low]))
    write_table(Table(job.settings["table"], ["data set", "method"], columns, rows), job.outputs)


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
