"""A small set of inputs of the report, as the rules before it write them: two data sets, no models needed."""

import io
import zipfile
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from maccap.core.artifacts import write_json, write_text
from maccap.core.dotted import leaves
from maccap.core.job import Job
from maccap.data.captions import Caption, ImageEntry, write_captions, write_images
from maccap.data.features import write_store
from maccap.figures.figures import plt, save
from maccap.figures.gap_legends import LEGENDS
from maccap.report.page import report_page
from maccap.steps.runner import run_step
from maccap.tables.table import Cell, Row, Table, write_table
from tests.helpers import ROOT

IMAGES = range(101, 121)
GRID = 3
DATASETS = ("coco", "flickr30k")
EXPERIMENTS = ("maccap", "capdec", "human")
QUESTION = "Is there a <b>kite</b> & a boat?"


def config(profile: str = "mini") -> dict:
    """A profile's, as the rule hands it over, with fewer attended tokens."""
    content = yaml.safe_load((ROOT / f"config/{profile}.yaml").read_text(encoding="utf-8"))
    content["decoding"]["subregions"] = 4
    return leaves("", {key: value for key, value in content.items() if key != "pretraining"})


def caption_of(dataset: str, experiment: str, image_id: int) -> str:
    return f"{experiment} sees image {image_id} of {dataset}."


def cider_of(experiment: str, image_id: int) -> float:
    return round((image_id * 37 % 101) + len(experiment) / 10, 4)


def tables(results: Path) -> list[Path]:
    """A table of captions, one with texts and gaps, and one about the gap."""
    metric = str(results / "metrics/captions/coco/maccap/coco/s2401.json")
    numbers = [Cell(76.84, 6.01, 3, [metric]), Cell(12.5, None, 1, [metric]), None]
    about = {
        "in_domain": Table(
            "In-domain captioning", ["data set", "method"], ["CIDEr", "BLEU-4", "SPICE"],
            [Row([dataset, method], numbers) for dataset in ("COCO", "Flickr30k") for method in ("MacCap", "CapDec")],
            ["Claim “noise helps”: holds here & <now>."],
        ),
        "reported": Table(
            "Reported and reproduced", ["method", "metric"], ["reported", "reproduced", "verdict"],
            [Row(["MacCap", "CIDEr"], ["49.3", numbers[0], "close"]),
             Row(["DeCap", "CIDEr"], ["42.1", None, "not run"])],
        ),
        "gap": Table(
            "The gap", ["data set"], ["gap length"], [Row(["COCO"], [Cell(0.69, None, 1, [metric])])], digits=3
        ),
    }  # fmt: skip
    for name, table in about.items():
        suffixes = ("json", "csv", "md", "tex")
        write_table(table, [results / f"tables/{name}.{suffix}" for suffix in suffixes])
    return [results / f"tables/{name}.json" for name in about]


def dataset(folder: Path, name: str) -> dict[str, Path]:
    """Captions, pictures and their features of one test set."""
    data = folder / "artifacts/mini/data" / name
    data.mkdir(parents=True)
    rows = [Caption(i, f"{i}.jpg", "test", 10 * i + n, f"Reference {n} of {i}.") for i in IMAGES for n in range(2)]
    write_captions(data / "captions.test.jsonl", rows)
    write_images(data / "images.jsonl", [ImageEntry(i, f"{i}.jpg") for i in IMAGES])
    noise = np.random.default_rng(0)
    with zipfile.ZipFile(data / "images.zip", "w") as archive:
        for i in IMAGES:
            picture = io.BytesIO()
            Image.fromarray(noise.integers(0, 255, (60, 90, 3), dtype=np.uint8)).save(picture, "JPEG")
            archive.writestr(f"{i}.jpg", picture.getvalue())
    attention = torch.rand(len(IMAGES), GRID**2 + 1, GRID**2 + 1, generator=torch.Generator().manual_seed(0))
    store = folder / f"artifacts/mini/features/{name}/images.test.1-of-1.safetensors"
    write_store(store, {"attention": attention}, list(IMAGES), "float16")
    return {"captions": data / "captions.test.jsonl", "images": data / "images.jsonl",
            "pictures": data / "images.zip", "features": store}  # fmt: skip


def questions(folder: Path) -> dict[str, list[Path]]:
    """Questions about one data set with the answers of two answerers."""
    data, ids = folder / "artifacts/mini/data/coco", [1000 + i for i in IMAGES]
    header = {"info": {"version": "2.0"}}
    asked = [{"question_id": q, "image_id": i, "question": QUESTION} for q, i in zip(ids, IMAGES)]
    humans = [{"answer": "yes" if n < 7 else "no"} for n in range(10)]
    annotations = [
        {"question_id": q, "image_id": i, "question_type": "is there a", "answer_type": "yes/no",
         "multiple_choice_answer": "yes", "answers": humans} for q, i in zip(ids, IMAGES)
    ]  # fmt: skip
    write_json(data / "vqa_questions.test.json", header | {"questions": asked})
    write_json(data / "vqa_annotations.test.json", header | {"annotations": annotations})
    found: dict[str, list[Path]] = {"answers": [], "answer_metrics": []}
    for answerer in ("prefix", "majority"):
        answers = folder / f"artifacts/mini/answers/coco/coco/{answerer}/s2401.1-of-1.json"
        metrics = folder / f"results/mini/metrics/vqa/coco/{answerer}/coco/s2401.json"
        write_json(answers, [{"question_id": q, "answer": f"{answerer} says {q}"} for q in ids])
        write_json(metrics, {"per_question": {str(q): 100.0 if q % 2 else 30.0 for q in ids}})
        found["answers"].append(answers)
        found["answer_metrics"].append(metrics)
    return found | {
        "questions": [data / "vqa_questions.test.json"],
        "annotations": [data / "vqa_annotations.test.json"],
    }


def make_inputs(folder: Path) -> dict[str, list[Path]]:
    """All named inputs of the steps `samples` and `report`, below `folder`."""
    results = folder / "results/mini"
    methods = [ROOT / f"maccap/methods/{name}.py" for name in ("maccap", "capdec")]
    inputs: dict[str, list[Path]] = {"tables": tables(results), "methods": methods}
    for name in DATASETS:
        for kind, path in dataset(folder, name).items():
            inputs.setdefault(kind, []).append(path)
        for experiment in EXPERIMENTS:
            rows = [
                {"image_id": i, "caption": caption_of(name, experiment, i)}
                | ({"candidates": ["Another.", caption_of(name, experiment, i)], "scores": [0.1, 0.25]}
                   if experiment != "human" else {})
                for i in IMAGES
            ]  # fmt: skip
            predictions = folder / f"artifacts/mini/predictions/{name}/{experiment}/{name}/s2401.1-of-1.json"
            metrics = results / f"metrics/captions/{name}/{experiment}/{name}/s2401.json"
            write_json(predictions, rows)
            write_json(metrics, {"per_item": {str(i): {"CIDEr": cider_of(experiment, i)} for i in IMAGES}})
            inputs.setdefault("predictions", []).append(predictions)
            inputs.setdefault("metrics", []).append(metrics)
    figures = results / "figures"
    for name in (*LEGENDS, "training"):
        files = [figures / f"{name}.png", figures / f"{name}.svg"]
        save(plt.figure(), files)
        inputs.setdefault("figures", []).extend(files)
    (figures / "training.csv").write_text("step,loss\n")
    return inputs | questions(folder)


def make_page(inputs: dict[str, list[Path]], folder: Path, cfg: dict) -> Path:
    """The report made from these inputs, with the samples of their own step, and beside it the page of samples."""
    samples, out = folder / "artifacts/mini/samples.json", folder / "results/mini/report.html"
    run_step("samples", inputs, [samples], cfg, ["samples"])
    run_step("sample_page", {"samples": [samples]}, [out.with_name("samples.html")], cfg, ["sample-page"])
    shown = {name: inputs[name] for name in ("tables", "methods", "figures")}
    write_text(out, report_page(Job(shown | {"samples": [samples]}, [], cfg)))
    return out


def make_report(folder: Path) -> Path:
    return make_page(make_inputs(folder), folder, config())
