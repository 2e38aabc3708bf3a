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

from maccap.cli.caption import picture_files
from maccap.cli.main import main
from maccap.core.errors import DataError
from maccap.figures.gap_legends import LEGENDS
from maccap.steps.runner import run_step
from tests.helpers.tiny import DECODING, TRAINING, make_models

SEEDS = (11, 12)
KINDS = {
    "in_domain": "captions", "ablation": "comparison", "vqa": "vqa", "vqa_types": "vqa_types", "nearness": "nearness",
    "gap": "gap", "gap_repairs": "gap_repairs",
}  # fmt: skip


def config(clip: Path, opt: Path) -> dict:
    return {
        "profile": "mini", "reduced": True, "seed": 11, "repeats": 2, "gpus": 0,
        "scenes.train": 12, "scenes.val": 4, "scenes.test": 6, "scenes.questions": 2,
        "datasets.coco.label": "COCO", "datasets.coco.format": "scenes",
        "encoder.name": str(clip), "encoder.pretrained": None, "encoder.batch_size": 4, "encoder.dtype": "float16",
        "language_model.name": str(opt), "language_model.dtype": "float32", "runs.maccap.method": "maccap",
        "experiments.maccap.label": "MacCap", "experiments.maccap.run": "maccap",
        "experiments.blind.label": "blind", "experiments.human.label": "human",
        "experiments.light.label": "light", "experiments.light.run": "maccap",
        "experiments.light.decoding.patch_weight": 0.0, "experiments.light.lowers": "subregions help",
        "tables.in_domain.reference": "maccap", "tables.ablation.reference": "maccap",
        "answerers.prefix.label": "prefix", "answerers.prefix.context": "prefix",
        "answerers.prefix.experiment": "maccap", "answerers.caption.label": "caption",
        "answerers.caption.context": "caption", "answerers.caption.experiment": "maccap",
        "answerers.majority.label": "majority", "answerers.majority.context": "majority",
        "answering.batch_size": 5, "answering.beams": 2, "answering.max_new_tokens": 2,
        "answering.length_penalty": -1.0,
        "answering.prompt": "Question: {question} Short answer:",
        **{f"tables.{name}.kind": kind for name, kind in KINDS.items()},
        **{f"tables.{name}.title": name for name in KINDS},
        **{f"training.{k}": v for k, v in asdict(TRAINING).items()},
        **{f"decoding.{k}": v for k, v in asdict(DECODING).items()},
    }  # fmt: skip


def run_everything(root: Path, cfg: dict) -> None:
    """The mini profile's rules in order, on one domain whose captions lie in two shards and pictures in three."""
    data, features = root / "artifacts/mini/data/coco", root / "artifacts/mini/features/coco"
    runs, results = root / "artifacts/mini/runs/coco/maccap", root / "results/mini"
    encoder = sorted(Path(cfg["encoder.name"]).glob("*"))
    language_model = sorted(Path(cfg["language_model.name"]).glob("*"))
    models = {"encoder": encoder, "language_model": language_model}
    vqa = {
        part: {split: data / f"vqa_{part}.{split}.json" for split in ("train", "test")}
        for part in ("questions", "annotations")
    }

    def step(name: str, inputs: dict[str, list[Path] | Path], outputs: list[Path]) -> None:
        listed = {key: value if isinstance(value, list) else [value] for key, value in inputs.items()}
        run_step(name, listed, outputs, cfg, [name])

    made = [data / "dataset.json", data / "images.zip", *(file for part in vqa.values() for file in part.values())]
    step("scenes", {}, made)
    tables = {split: data / f"captions.{split}.jsonl" for split in ("train", "val", "test")}
    step("captions", {"captions": data / "dataset.json"}, [*tables.values(), data / "images.jsonl"])
    text = {
        split: [features / f"captions.{split}.{i + 1}-of-{n}.safetensors" for i in range(n)]
        for split, n in (("train", 2), ("val", 1), ("test", 1))
    }
    step(
        "text_features",
        {"encoder": encoder, "captions": list(tables.values())},
        [p for ps in text.values() for p in ps],
    )
    shards = [f"{i}-of-3" for i in (1, 2, 3)]
    images = [features / f"images.test.{shard}.safetensors" for shard in shards]
    pictures = {"encoder": encoder, "images": data / "images.jsonl", "pictures": data / "images.zip"}
    for out in images:
        step("image_features", pictures, [out])
    files = ("adaptor.safetensors", "run.json", "log.jsonl")
    inputs = {
        f"{split}_{kind}": of[split]
        for kind, of in (("features", text), ("captions", tables))
        for split in ("train", "val")
    }
    outputs = [runs / f"s{seed}" / file for seed in SEEDS for file in files]
    step("train", {"language_model": language_model} | inputs, outputs)
    trained = {
        "adaptors": [runs / f"s{seed}" / "adaptor.safetensors" for seed in SEEDS],
    } | models

    def predictions(experiments: tuple[str, ...], shard: str) -> list[Path]:
        return [
            root / f"artifacts/mini/predictions/coco/{experiment}/coco/s{seed}.{shard}{suffix}"
            for experiment in experiments
            for seed in SEEDS
            for suffix in (".json", ".features.safetensors")
        ]

    predicted = predictions(("blind", "human"), "1-of-1")
    step("baselines", {"captions": tables["test"]} | models, predicted)
    for shard, store in zip(shards, images):
        step("predict", trained | {"images": store}, predictions(("maccap", "light"), shard))
        predicted += predictions(("maccap", "light"), shard)
    metrics = [
        results / f"metrics/captions/coco/{experiment}/coco/s{seed}.json"
        for experiment in ("maccap", "light", "blind", "human")
        for seed in SEEDS
    ]
    inputs = {"captions": tables["test"], "images": images, "text_features": text["test"]}
    step("evaluate", inputs | {"predictions": predicted[::2], "features": predicted[1::2]}, metrics)
    answers, first_answers = [], []
    asked = {"questions": vqa["questions"]["test"], "annotations": vqa["annotations"]["test"]}
    training = {"train_questions": vqa["questions"]["train"], "train_annotations": vqa["annotations"]["train"]}
    for answerer in ("prefix", "caption", "majority"):
        parts = ["1-of-1"] if answerer == "majority" else shards
        given = [
            [root / f"artifacts/mini/answers/coco/coco/{answerer}/s{seed}.{part}.json" for seed in SEEDS]
            for part in parts
        ]
        if answerer == "majority":
            step("majority", asked | training, given[0])
        else:
            for outputs, shard, store in zip(given, shards, images):
                context = predictions(("maccap",), shard)[::2]
                inputs = {"questions": asked["questions"], "images": store, "predictions": context}
                step("answer", trained | inputs, outputs)
        scored = [results / f"metrics/vqa/coco/{answerer}/coco/s{seed}.json" for seed in SEEDS]
        results_by_seed = [outputs[i] for i in range(len(SEEDS)) for outputs in given]
        step("evaluate_answers", asked | {"results": results_by_seed}, scored)
        answers += scored
        first_answers += [outputs[0] for outputs in given]
    gap = results / "metrics/gap/coco.json"
    stores = {"images": images, "text_features": text["test"], "memory": text["train"]}
    step("measure_gap", {"captions": tables["test"]} | stores, [gap])
    for name, inputs in (
        ("in_domain", metrics), ("ablation", metrics[:4]), ("vqa", answers), ("vqa_types", answers),
        ("nearness", [gap]), ("gap", [gap]), ("gap_repairs", [gap]),
    ):  # fmt: skip
        suffixes = ("json", "metrics.json", "csv", "md", "tex", "html")
        outputs = [results / f"tables/{name}.{suffix}" for suffix in suffixes]
        step("table", {"metrics": inputs}, outputs)
    drawn = [results / f"figures/{name}.{suffix}" for name in LEGENDS for suffix in ("png", "svg")]
    step("gap_figure", {"reports": [gap]}, drawn)
    logs = [runs / f"s{seed}" / "log.jsonl" for seed in SEEDS]
    step("figure", {"logs": logs}, [results / f"figures/training.{suffix}" for suffix in ("png", "svg", "csv")])
    of_first = {
        "metrics": metrics[:: len(SEEDS)], "answers": first_answers, "answer_metrics": answers[:: len(SEEDS)],
        "predictions": [path for path in predicted[::2] if path.name.startswith(f"s{SEEDS[0]}.")],
    }  # fmt: skip
    shown = {"captions": tables["test"], "images": data / "images.jsonl", "pictures": data / "images.zip"}
    samples = root / "artifacts/mini/samples.json"
    step("samples", of_first | shown | asked | {"features": images}, [samples])
    step("sample_page", {"samples": samples}, [results / "samples.html"])


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
    rows = []
    for shard in (1, 2, 3):
        rows += json.loads(
            (world / f"first/artifacts/mini/predictions/coco/maccap/coco/s11.{shard}-of-3.json").read_text()
        )
    assert len({row["image_id"] for row in rows}) == 6
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


def test_the_samples_show_every_image_and_question(world):
    samples = json.loads((world / "first/artifacts/mini/samples.json").read_text())
    (images,), (questions,) = samples["images"], samples["questions"]
    assert len({image["image_id"] for image in images["images"]}) == 6
    assert {said["label"] for image in images["images"] for said in image["captions"]} == {
        "MacCap", "light", "blind", "human",
    }  # fmt: skip
    assert all(sum(c["chosen"] for c in image["candidates"]) == 1 for image in images["images"])
    assert len(questions["questions"]) == 12
    page = (world / "first/results/mini/samples.html").read_text()
    assert page.count("<article") == 6 + 12


def test_all_formats_of_a_table_say_the_same(world):
    folder = world / "first/results/mini/tables"
    table = json.loads((folder / "vqa.json").read_text())
    tidy = pd.read_csv(folder / "vqa.csv")
    markdown, latex = (folder / "vqa.md").read_text(), (folder / "vqa.tex").read_text()
    for row in table["rows"]:
        for column, cell in zip(table["columns"], row["cells"]):
            line = tidy[(tidy["answers"] == row["labels"][0]) & (tidy["column"] == column)]
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
    rows = json.loads((world / "first/artifacts/mini/predictions/coco/human/coco/s12.1-of-1.json").read_text())
    assert all(row["left_out_reference"] == 1 for row in rows)
    metrics = json.loads((world / "first/results/mini/metrics/captions/coco/human/coco/s12.json").read_text())
    assert metrics["corpus"]["BLEU-4"] < 100


def test_figures_are_pictures(world):
    for name in (*LEGENDS, "training"):
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
    root = world / "first/artifacts/mini"
    stores = tmp_path / "coco/maccap/coco"
    shutil.copytree(root / "predictions/coco/maccap/coco", stores)
    predictions = stores / "s11.2-of-3.json"
    predictions.write_text(json.dumps(json.loads(predictions.read_text())[1:]))
    inputs = {
        "captions": [root / "data/coco/captions.test.jsonl"],
        "images": sorted((root / "features/coco").glob("images.test.*.safetensors")),
        "text_features": [root / "features/coco/captions.test.1-of-1.safetensors"],
        "predictions": sorted(stores.glob("s11.*-of-3.json")),
    }  # fmt: skip
    out = tmp_path / "metrics/coco/maccap/coco/s11.json"
    with pytest.raises(DataError, match=r"s11\.\S+json: no prediction for 1 image"):
        run_step("evaluate", inputs, [out], {}, [])
    assert not out.exists()


def test_captions_do_not_depend_on_the_shards(world, tmp_path):
    """The same images in one shard get the same captions as in three."""
    root, cfg = world / "first/artifacts/mini", config(world / "models/clip", world / "models/opt")
    store = tmp_path / "coco/images.test.1-of-1.safetensors"
    run_step(
        "image_features",
        {
            "encoder": sorted((world / "models/clip").glob("*")), "images": [root / "data/coco/images.jsonl"],
            "pictures": [root / "data/coco/images.zip"],
        }, [store], cfg, [],
    )  # fmt: skip
    folder = tmp_path / "coco/maccap/coco"
    inputs = {
        "encoder": sorted((world / "models/clip").glob("*")), "images": [store],
        "language_model": sorted((world / "models/opt").glob("*")),
        "adaptors": [root / f"runs/coco/maccap/s{seed}/adaptor.safetensors" for seed in SEEDS],
    }  # fmt: skip
    outputs = [folder / f"s{seed}.1-of-1{suffix}" for seed in SEEDS for suffix in (".json", ".features.safetensors")]
    run_step("predict", inputs, outputs, cfg, [])
    for seed in SEEDS:
        parts = [root / f"predictions/coco/maccap/coco/s{seed}.{shard}-of-3.json" for shard in (1, 2, 3)]
        sharded = [row for part in parts for row in json.loads(part.read_text())]
        whole = json.loads((folder / f"s{seed}.1-of-1.json").read_text())
        assert [row["caption"] for row in whole] == [row["caption"] for row in sharded]
        assert [row["candidates"] for row in whole] == [row["candidates"] for row in sharded]
