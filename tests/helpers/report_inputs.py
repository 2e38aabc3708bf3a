"""A small set of inputs of the report, as the rules before it write them: two data sets, no models needed."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from maccap.core.artifacts import write_json, write_text
from maccap.core.dotted import leaves
from maccap.core.job import Job
from maccap.core.project import read_config
from maccap.data.captions import Caption, ImageEntry, write_captions, write_images
from maccap.data.features import write_store
from maccap.data.predictions import write_answers, write_predictions
from maccap.figures.figures import plt, save
from maccap.figures.gap_legends import LEGENDS
from maccap.graph.files import METRIC_FILES
from maccap.metrics.metric_files import write_metrics
from maccap.report.page import report_page
from maccap.steps.runner import run_step
from maccap.tables.table import Cell, Row, Source, Table, write_table
from tests.helpers import ROOT

IMAGES = range(101, 121)
GRID = 3
SEED = 2401
DATASETS = {"mini": ("daylight", "chalk"), "paper": ("coco", "flickr30k")}
EXPERIMENTS = ("maccap", "capdec", "human")
QUESTION = "Is there a <b>kite</b> & a boat?"


def config(profile: str = "mini") -> dict:
    """A profile's, as the rule hands it over, with fewer attended tokens."""
    content = read_config(profile, ROOT)
    content["generation"]["subregions"] = 4
    names = DATASETS[profile]
    asked = {"captioned": [*names], "asked": [names[0]], "shown": [*EXPERIMENTS, "magic"], "extended": False}
    return leaves("", {key: value for key, value in content.items() if key != "pretraining"}) | asked


def caption_of(dataset: str, experiment: str, image_id: int) -> str:
    return f"{experiment} sees image {image_id} of {dataset}."


def cider_of(experiment: str, image_id: int) -> float:
    return round((image_id * 37 % 101) + len(experiment) / 10, 4)


def tables(results: Path) -> list[Path]:
    """A table of captions, one with texts and gaps, and one about the gap."""
    source = Source(str(results / "metrics/captions/daylight.jsonl"), "CIDEr")
    numbers = [Cell(76.84, 6.01, 3, [source] * 3), Cell(12.5, None, 1, [source]), None]
    about = {
        "in_domain": Table(
            "In-domain captioning", ["data set", "method"], ["CIDEr", "BLEU-4", "SPICE"],
            [Row([dataset, method], numbers) for dataset in ("Daylight", "Chalk") for method in ("MacCap", "CapDec")],
            ["Claim “noise helps”: holds here & <now>."],
        ),
        "reported": Table(
            "Reported and reproduced", ["method", "metric"], ["reported", "reproduced", "verdict"],
            [Row(["MacCap", "CIDEr"], ["49.3", numbers[0], "close"]),
             Row(["DeCap", "CIDEr"], ["42.1", None, "not run"])],
        ),
        "gap": Table(
            "The gap", ["data set"], ["gap length"], [Row(["Daylight"], [Cell(0.69, None, 1, [source])])], digits=3
        ),
    }  # fmt: skip
    for name, table in about.items():
        suffixes = ("json", "csv", "md", "tex")
        write_table(table, [results / f"tables/{name}.{suffix}" for suffix in suffixes])
    return [results / f"tables/{name}.json" for name in about]


def dataset(folder: Path, name: str) -> dict[str, list[Path]]:
    """Captions, images and their features of one test set."""
    data = folder / "artifacts/mini/data" / name
    data.mkdir(parents=True, exist_ok=True)
    rows = [Caption(i, f"{i}.jpg", "test", 10 * i + n, f"Reference {n} of {i}.") for i in IMAGES for n in range(2)]
    write_captions(data / "captions.test.jsonl", rows)
    write_images(data / "images.jsonl", [ImageEntry(i, f"{i}.jpg") for i in IMAGES])
    noise = np.random.default_rng(0)
    with zipfile.ZipFile(data / "images.zip", "w") as archive:
        for i in IMAGES:
            with archive.open(f"{i}.jpg", "w") as image:
                Image.fromarray(noise.integers(0, 255, (60, 90, 3), dtype=np.uint8)).save(image, "JPEG")
    attention = torch.rand(len(IMAGES), GRID**2 + 1, GRID**2 + 1, generator=torch.Generator().manual_seed(0))
    store = folder / f"artifacts/mini/features/{name}/images.test.1.safetensors"
    write_store(store, {"attention": attention}, {"ids": [*IMAGES]}, "float16")
    files = {"captions": data / "captions.test.jsonl", "images": data / "images.jsonl", "store": data / "images.zip"}
    return {f"{kind}_{name}": [path] for kind, path in (files | {"features": store}).items()}


def questions(folder: Path, dataset: str) -> dict[str, list[Path]]:
    """Questions about one data set with the answers of two VQA methods."""
    data, ids = folder / "artifacts/mini/data" / dataset, [1000 + i for i in IMAGES]
    header = {"info": {"version": "2.0"}}
    asked = [{"question_id": q, "image_id": i, "question": QUESTION} for q, i in zip(ids, IMAGES)]
    humans = [{"answer": "yes" if n < 7 else "no"} for n in range(10)]
    annotations = [
        {"question_id": q, "image_id": i, "question_type": "is there a", "answer_type": "yes/no",
         "multiple_choice_answer": "yes", "answers": humans} for q, i in zip(ids, IMAGES)
    ]  # fmt: skip
    write_json(data / "vqa_questions.test.json", header | {"questions": asked})
    write_json(data / "vqa_annotations.test.json", header | {"annotations": annotations})
    answers = folder / "artifacts/mini/answers" / dataset / dataset
    metrics = [folder / f"results/mini/metrics/vqa/{dataset}{ending}" for ending in METRIC_FILES]
    said, scores = {}, []
    for name in ("prefix", "majority"):
        about = {"trained": dataset, "vqa_method": name, "tested": dataset, "seed": SEED}
        said[answers / f"{name}.1.jsonl.gz"] = [about | {"question_id": q, "answer": f"{name} says {q}"} for q in ids]
        scores.append(about | {"question_id": None, "image_id": None, "accuracy": 65.0})
        scores += [about | {"question_id": q, "image_id": q, "accuracy": 100.0 if q % 2 else 30.0} for q in ids]
    for path, rows in said.items():
        write_answers(path, rows)
    write_metrics(metrics, scores)
    return {
        "answers": [*said], "answer_metrics": metrics, f"questions_{dataset}": [data / "vqa_questions.test.json"],
        f"annotations_{dataset}": [data / "vqa_annotations.test.json"],
    }  # fmt: skip


def add_captions(
    inputs: dict[str, list[Path]], folder: Path, dataset: str, experiment: str, images: Iterable[int], **extras: Any
) -> None:
    """Write the captions of an experiment and their metrics below `folder`, and add them to the inputs."""
    about = {"trained": dataset, "experiment": experiment, "tested": dataset, "seed": SEED}
    about |= {"seed": None} if "published" in extras else {}
    captions = {i: caption_of(dataset, experiment, i) for i in images}
    rows = [about | {"image_id": i, "caption": own, "image_cosine": 0.25} | extras for i, own in captions.items()]
    for row in rows:
        human = {"left_out_reference": 1}
        row |= human if experiment == "human" else {"candidates": ["Another.", row["caption"]], "scores": [0.1, 0.25]}
    scores = [about | {"image_id": i, "CIDEr": cider_of(experiment, i)} for i in images]
    predictions = folder / f"artifacts/mini/predictions/{dataset}/{experiment}.1.jsonl.gz"
    metrics = [folder / f"results/mini/metrics/captions/{dataset}.{experiment}{ending}" for ending in METRIC_FILES]
    write_predictions(predictions, rows)
    write_metrics(metrics, [about | {"image_id": None, "CIDEr": 50.0}, *scores])
    inputs.setdefault("predictions", []).append(predictions)
    inputs.setdefault("metrics", []).extend(metrics)


def make_inputs(folder: Path, profile: str = "mini") -> dict[str, list[Path]]:
    """All named inputs of the steps `samples` and `report`, below `folder`."""
    results, names = folder / "results/mini", DATASETS[profile]
    methods = [ROOT / f"maccap/methods/{name}.py" for name in ("maccap", "capdec")]
    inputs: dict[str, list[Path]] = {"tables": tables(results), "methods": methods} | questions(folder, names[0])
    for name in names:
        inputs |= dataset(folder, name)
        for experiment in EXPERIMENTS:
            add_captions(inputs, folder, name, experiment, IMAGES)
    figures = results / "figures"
    for name in (*LEGENDS, "training"):
        files = [figures / f"{name}.png", figures / f"{name}.svg"]
        save(plt.figure(), files)
        inputs.setdefault("figures", []).extend(files)
    (figures / "training.csv").write_text("step,loss\n")
    return inputs


def make_page(inputs: dict[str, list[Path]], folder: Path, cfg: dict) -> Path:
    """The report made from these inputs, with the samples of their own step, and beside it the page of samples."""
    samples, out = folder / "artifacts/mini/samples.json", folder / "results/mini/report.html"
    run_step("samples", inputs, [samples], cfg, ["samples"])
    run_step("sample_page", {"samples": [samples]}, [out.with_name("samples.html")], cfg, ["sample-page"])
    shown = {name: inputs[name] for name in ("tables", "methods", "figures")}
    outputs = [out, out.with_name("trace.html"), out.parent / "tables/numbers.tex"]
    write_text(out, report_page(Job(shown, outputs, cfg)))
    return out


def make_report(folder: Path) -> Path:
    return make_page(make_inputs(folder), folder, config())
