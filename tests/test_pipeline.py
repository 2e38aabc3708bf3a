"""Every step in a row on a miniature world with miniature models: formats, provenance, equal bytes, own pictures."""

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maccap.cli import main
from maccap.errors import DataError
from maccap.own_pictures import picture_files
from maccap.steps.runner import run_step
from tests.tiny import DECODING, TRAINING, make_models

SEEDS = (11, 12)


def config(clip: Path, opt: Path) -> dict:
    return {
        "profile": "mini", "seed": 11, "repeats": 2,
        "scenes.train": 12, "scenes.val": 4, "scenes.test": 6, "scenes.questions": 2,
        "encoder.name": str(clip), "encoder.pretrained": None, "encoder.batch_size": 4, "encoder.dtype": "float16",
        "language_model.name": str(opt), "runs.maccap.method": "maccap",
        "experiments.maccap.label": "MacCap", "experiments.maccap.run": "maccap",
        "experiments.blind.label": "blind", "experiments.human.label": "human",
        "experiments.light.label": "light", "experiments.light.run": "maccap",
        "experiments.light.decoding.patch_weight": 0.0, "experiments.light.lowers": "subregions help",
        "tables.ablation.reference": "maccap",
        "answering.batch_size": 5, "answering.beams": 2, "answering.max_new_tokens": 2,
        "answering.length_penalty": -1.0,
        **{f"training.{k}": v for k, v in asdict(TRAINING).items()},
        **{f"decoding.{k}": v for k, v in asdict(DECODING).items()},
    }  # fmt: skip


def run_everything(root: Path, cfg: dict) -> None:
    """The mini profile's rules in order, on one domain."""
    data, features = root / "artifacts/mini/data/coco", root / "artifacts/mini/features/coco"
    runs, results = root / "artifacts/mini/runs/coco/maccap", root / "results/mini"
    splits = ("train", "test")
    vqa = {
        part: {split: data / f"vqa_{part}.{split}.json" for split in splits} for part in ("questions", "annotations")
    }

    def step(name: str, inputs: dict[str, list[Path] | Path], outputs: list[Path]) -> None:
        listed = {key: value if isinstance(value, list) else [value] for key, value in inputs.items()}
        run_step(name, listed, outputs, cfg, [name])

    step("scenes", {}, [data / "dataset.json", data / "images.zip", *(vqa[p][s] for p in vqa for s in splits)])
    step("captions", {"splits": data / "dataset.json"}, [data / "captions.jsonl"])
    text = {split: features / f"captions.{split}.safetensors" for split in ("train", "val", "test")}
    table = data / "captions.jsonl"
    step("text_features", {"captions": table}, list(text.values()))
    images = features / "images.test.safetensors"
    step("image_features", {"captions": table, "images": data / "images.zip"}, [images])
    files = ("adaptor.safetensors", "run.json", "log.jsonl")
    inputs = {"captions": table, "train_features": text["train"], "val_features": text["val"]}
    step("train", inputs, [runs / f"s{seed}" / file for seed in SEEDS for file in files])
    adaptors = [runs / f"s{seed}" / "adaptor.safetensors" for seed in SEEDS]
    trained = {"images": images, "memory": text["train"], "adaptors": adaptors}
    predicted = [
        root / f"artifacts/mini/predictions/coco/{experiment}/coco/s{seed}{suffix}"
        for experiment in ("maccap", "light", "blind", "human")
        for seed in SEEDS
        for suffix in (".json", ".features.safetensors")
    ]
    step("predict", trained, predicted[:8])
    step("baselines", {"captions": table}, predicted[8:])
    metrics = [
        results / f"metrics/captions/coco/{experiment}/coco/s{seed}.json"
        for experiment in ("maccap", "light", "blind", "human")
        for seed in SEEDS
    ]
    inputs = {"captions": table, "images": images, "text_features": text["test"]}
    step("evaluate", inputs | {"predictions": predicted[::2], "features": predicted[1::2]}, metrics)
    answers = []
    predictions = [root / f"artifacts/mini/predictions/coco/maccap/coco/s{seed}.json" for seed in SEEDS]
    asked = {"questions": vqa["questions"]["test"], "annotations": vqa["annotations"]["test"]}
    training = {"train_questions": vqa["questions"]["train"], "train_annotations": vqa["annotations"]["train"]}
    for form in ("prefix", "caption", "majority"):
        outputs = [root / f"artifacts/mini/answers/coco/{form}/s{seed}.json" for seed in SEEDS]
        if form == "majority":
            step("majority", asked | training, outputs)
        else:
            step("answer", trained | {"questions": asked["questions"], "predictions": predictions}, outputs)
        scored = [results / f"metrics/vqa/coco/{form}/s{seed}.json" for seed in SEEDS]
        step("evaluate_answers", asked | {"results": outputs}, scored)
        answers += scored
    gap = results / "metrics/gap/coco.json"
    step("gap", {"captions": table, "images": images, "text_features": text["test"]}, [gap])
    for name, inputs in (
        ("in_domain", metrics), ("ablation", metrics[:4]), ("vqa", answers), ("vqa_types", answers),
        ("nearness", [gap]), ("gap", [gap]),
    ):  # fmt: skip
        outputs = [results / f"tables/{name}.{suffix}" for suffix in ("json", "metrics.json", "csv", "md", "tex")]
        step("table", {"metrics": inputs}, outputs)
    step("figure", {"reports": [gap]}, [results / "figures/gap.png", results / "figures/gap.svg"])
    logs = [runs / f"s{seed}" / "log.jsonl" for seed in SEEDS]
    step("figure", {"logs": logs}, [results / f"figures/training.{suffix}" for suffix in ("png", "svg", "csv")])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    cfg = config(*make_models(folder / "models"))
    for name in ("first", "second"):
        run_everything(folder / name, cfg)
    return folder


def test_two_runs_give_the_same_bytes(world):
    compared = 0
    for path in sorted((world / "first").rglob("*")):
        if path.is_file() and not path.name.endswith(".prov.json"):
            other = world / "second" / path.relative_to(world / "first")
            text = path.read_bytes().replace(b"/first/", b"/second/")
            assert text == other.read_bytes(), path
            compared += 1
    assert compared > 60


def test_every_output_has_a_record_with_true_hashes(world):
    artifacts = [p for p in (world / "first").rglob("*") if p.is_file() and not p.name.endswith(".prov.json")]
    for path in artifacts:
        past = json.loads(Path(f"{path}.prov.json").read_text())
        assert past["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest(), path
        for name, digest in past["inputs"].items():
            assert digest == hashlib.sha256(Path(name).read_bytes()).hexdigest()
        assert {"parameters", "command", "code", "packages", "host", "started", "ended", "python"} <= set(past)
        assert past["parameters"]["seed"] == 11


def test_predictions_are_coco_results_with_candidates(world):
    rows = json.loads((world / "first/artifacts/mini/predictions/coco/maccap/coco/s11.json").read_text())
    assert len(rows) == 6
    assert all(isinstance(row["image_id"], int) and isinstance(row["caption"], str) for row in rows)
    assert all(row["caption"] == row["candidates"][int(np.argmax(row["scores"]))] for row in rows)


def test_the_table_is_the_mean_and_deviation_of_its_metric_files(world):
    table = json.loads((world / "first/results/mini/tables/in_domain.json").read_text())
    for row in table["rows"]:
        for column, cell in zip(table["columns"], row["cells"]):
            if cell is None:
                assert column == "SPICE"
                continue
            values = [json.loads(Path(file).read_text())["corpus"][column] for file in cell["files"]]
            assert len(values) == cell["n"] == 2
            assert cell["value"] == pytest.approx(np.mean(values))
            assert cell["sd"] == pytest.approx(np.std(values, ddof=1))
    assert [row["labels"][1] for row in table["rows"]] == ["MacCap", "light", "blind", "human"]


def test_the_ablation_pairs_seeds(world):
    table = json.loads((world / "first/results/mini/tables/ablation.json").read_text())
    full, light = table["rows"]
    delta = light["cells"][table["columns"].index("ΔCIDEr")]
    cider = [
        [json.loads(Path(file).read_text())["corpus"]["CIDEr"] for file in row["cells"][0]["files"]]
        for row in (full, light)
    ]
    assert delta["value"] == pytest.approx(np.mean(np.subtract(cider[1], cider[0])))
    assert any("subregions help" in note for note in table["notes"])


def test_all_formats_of_a_table_say_the_same(world):
    folder = world / "first/results/mini/tables"
    table = json.loads((folder / "vqa.json").read_text())
    tidy = pd.read_csv(folder / "vqa.csv")
    markdown, latex = (folder / "vqa.md").read_text(), (folder / "vqa.tex").read_text()
    for row in table["rows"]:
        for column, cell in zip(table["columns"], row["cells"]):
            line = tidy[(tidy["form"] == row["labels"][0]) & (tidy["column"] == column)]
            if cell is None:
                assert line.empty
                continue
            assert float(line["value"].iloc[0]) == pytest.approx(cell["value"], abs=1e-3)
            assert f"{cell['value']:.1f}" in markdown
            assert f"{cell['value']:.1f}" in latex
    assert "not the paper's numbers" in markdown.replace("none of these are the paper's", "not the paper's")
    assert latex.count("\\begin{tabular}") == latex.count("\\end{tabular}") == 1


def test_the_metrics_of_a_table_and_the_training_curves_hold_the_same_numbers(world):
    results = world / "first/results/mini"
    table = json.loads((results / "tables/in_domain.json").read_text())
    metrics = json.loads((results / "tables/in_domain.metrics.json").read_text())
    cell = table["rows"][0]["cells"][table["columns"].index("CIDEr")]
    assert metrics["COCO, MacCap"]["CIDEr"] == cell["value"]
    curves = pd.read_csv(results / "figures/training.csv")
    log = world / "first/artifacts/mini/runs/coco/maccap/s12/log.jsonl"
    own = curves[(curves["dataset"] == "coco") & (curves["run"] == "maccap") & (curves["seed"] == "s12")]
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert own["step"].tolist() == [row["step"] for row in rows]
    assert own["loss"].tolist() == pytest.approx([row["loss"] for row in rows], rel=1e-5)


def test_human_leaves_its_own_reference_out(world):
    rows = json.loads((world / "first/artifacts/mini/predictions/coco/human/coco/s12.json").read_text())
    assert all(row["left_out_reference"] == 1 for row in rows)
    metrics = json.loads((world / "first/results/mini/metrics/captions/coco/human/coco/s12.json").read_text())
    assert metrics["corpus"]["BLEU-4"] < 100


def test_figures_are_pictures(world):
    for name in ("gap", "training"):
        with Image.open(world / f"first/results/mini/figures/{name}.png") as image:
            assert min(image.size) > 300
        assert (world / f"first/results/mini/figures/{name}.svg").read_text().startswith("<?xml")


@pytest.fixture
def own_run(world, tmp_path, monkeypatch) -> list[str]:
    """Arguments of `maccap caption` for the miniature run."""
    profile = tmp_path / "profile.yaml"
    profile.write_text(json.dumps({"decoding": asdict(DECODING)}))
    return ["--run", str(world / "first/artifacts/mini/runs/coco/maccap/s11"), "--config", str(profile)]


def test_own_pictures_of_any_kind_are_captioned_and_explained(own_run, tmp_path, capsys):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (90, 140, 3), dtype=np.uint8)
    colour = Image.fromarray(noise)
    colour.save(pictures / "colour.png")
    colour.convert("L").save(pictures / "gray.jpg")
    colour.convert("CMYK").save(pictures / "cmyk.jpg")
    output, explain = tmp_path / "captions.json", tmp_path / "explained"
    assert main(["caption", str(pictures), "--output", str(output), "--explain", str(explain), *own_run]) == 0
    rows = json.loads(output.read_text())
    assert [Path(row["file"]).name for row in rows] == ["cmyk.jpg", "colour.png", "gray.jpg"]
    assert all(row["caption"] in row["candidates"] and len(row["scores"]) == 3 for row in rows)
    assert sorted(path.name for path in explain.glob("*.png")) == ["cmyk.png", "colour.png", "gray.png"]
    assert main(["caption", str(pictures / "gray.jpg"), *own_run]) == 0
    assert json.loads(capsys.readouterr().out)[0]["file"].endswith("gray.jpg")


def test_a_truncated_picture_is_named(own_run, tmp_path, capsys):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.jpg")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes((tmp_path / "whole.jpg").read_bytes()[:400])
    assert main(["caption", str(broken), *own_run]) == 2
    assert "broken.jpg: cannot be read as a picture" in capsys.readouterr().err


def test_a_missing_run_or_picture_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.jpg")
    assert main(["caption", "whole.jpg"]) == 2
    assert "run `snakemake --cores all` first" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"none\.jpg: no such file"):
        picture_files([tmp_path / "none.jpg"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures in it"):
        picture_files([tmp_path / "empty"])


def test_a_missing_prediction_is_named_with_its_file(world, tmp_path):
    root = world / "first"
    predictions = tmp_path / "s11.json"
    rows = json.loads((root / "artifacts/mini/predictions/coco/maccap/coco/s11.json").read_text())
    predictions.write_text(json.dumps(rows[1:]))
    features = root / "artifacts/mini/features/coco"
    inputs = {
        "captions": [root / "artifacts/mini/data/coco/captions.jsonl"],
        "images": [features / "images.test.safetensors"],
        "text_features": [features / "captions.test.safetensors"], "predictions": [predictions],
        "features": [root / "artifacts/mini/predictions/coco/maccap/coco/s11.features.safetensors"],
    }  # fmt: skip
    with pytest.raises(DataError, match=r"s11\.json: no prediction for 1 image"):
        run_step("evaluate", inputs, [tmp_path / "out.json"], {}, [])
    assert not (tmp_path / "out.json").exists()


def test_features_of_other_captions_are_refused(world, tmp_path):
    from maccap.datasets.captions import read_captions
    from maccap.features import read_text_features

    root = world / "first/artifacts/mini"
    rows = read_captions(root / "data/coco/captions.jsonl", split="val")
    store = tmp_path / "captions.val.safetensors"
    shutil.copy(root / "features/coco/captions.test.safetensors", store)
    with pytest.raises(DataError, match="was made from other captions"):
        read_text_features(store, rows)
