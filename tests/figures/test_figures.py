"""Figures drawn from samples, tables, logs and images: what they show, and how."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from maccap.figures.captions import captions_figure
from maccap.figures.figures import sweep_figure, training_curves, training_figure
from maccap.figures.subregions import draw_subregions
from maccap.inference.run import ImageCaption
from maccap.report.images import jpeg
from maccap.steps.runner import run_step
from maccap.tables.results import Results
from maccap.tables.table import Row, Table, cell

SCORES = {1: 90.0, 2: 10.0, 3: 40.0, 4: 20.0, 5: 30.0}  # CIDEr by image
LONG = "A photo of many things that stand, lie and hang in a room, " * 2 + "far more than one line holds."


def caption_of(image_id: int) -> str:
    return f"Caption of image {image_id}."


def sample(image_id: int, *, drawn: bool) -> dict:
    chosen = {"text": caption_of(image_id), "score": 0.31, "chosen": True}
    others = [("A cup.", 0.12), ("A cup.", 0.12), ("A tent.", -0.02), (LONG, 0.2)]
    return {
        "image_id": image_id, "drawn": drawn, "grid": 4,
        "image": jpeg(Image.new("RGB", (64, 64), "orange"), square=True),
        "patches": [{"rank": 1, "row": 0, "column": 3}, {"rank": 2, "row": 2, "column": 1}],
        "candidates": [*({"text": text, "score": score, "chosen": False} for text, score in others), chosen],
        "captions": [{"label": "CapDec", "text": caption_of(image_id), "score": 100.0 - SCORES[image_id]},
                     {"label": "Ours", "text": caption_of(image_id), "score": SCORES[image_id]}],
        "references": ["A reference.", LONG, r"From $\five$ on."],
    }  # fmt: skip


def draw(folder: Path, drawn: set[int]) -> list[Path]:
    images = [sample(image_id, drawn=image_id in drawn) for image_id in SCORES]
    samples, outputs = folder / "samples.json", [folder / "example.png", folder / "example.svg"]
    samples.write_text(json.dumps({"images": [{"dataset": "daylight", "images": images}], "questions": []}))
    cfg = {"datasets.daylight.label": "Daylight", "ours": ["Ours"]}
    run_step("example_figure", {"samples": [samples]}, outputs, cfg, ["example-figure"])
    return outputs


@pytest.mark.parametrize(
    ("drawn", "median"), [({1, 3, 5}, 3), ({1, 3, 4, 5}, 5), (set(), 5)], ids=["of three", "of four", "of all"]
)
def test_it_shows_the_median_image_with_its_candidates_and_the_chosen_one(tmp_path, drawn, median):
    png, svg = draw(tmp_path, drawn)
    with Image.open(png) as image:
        assert 1000 < image.width < 1200
        assert 1000 < image.height < 1400
    text = svg.read_text(encoding="utf-8")
    lines = " ".join(re.findall("<!-- (.*?) -->", text))
    assert text.count(caption_of(median)) == 2, "among the candidates, and large"
    assert not any(caption_of(other) in text for other in SCORES if other != median)
    assert f"Test image {median} of Daylight: the median by CIDEr ({SCORES[median]:.1f})" in lines
    assert text.count("A cup.") == 2, "one line for each draw"
    assert text.count("A tent.") == text.count("“A reference.”") == 1
    assert r"“From $\five$ on.”" in text, "letters, no formula"
    assert "drawn at random" in lines if drawn else "drawn at random" not in lines


CFG = {"seed": 1, "datasets.own.label": "Own", "experiments.maccap.label": "MacCap", "experiments.human.label": "human"}


def results(experiment: str, scores: list[float]) -> Results:
    items = pd.DataFrame({"seed": 1, "image_id": range(len(scores)), "CIDEr": scores})
    about = {"trained": "own", "experiment": experiment, "tested": "own"}
    return Results(about, pd.DataFrame({"CIDEr": [sum(scores) / len(scores)] if scores else []}), items)


def words(path: Path) -> set[str]:
    return set(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("scores", [[10.0, 20.0, 90.0], [0.0, 0.0], []])
def test_a_row_without_numbers_keeps_its_name_in_the_figure_of_captions(tmp_path, scores):
    captions_figure([results("maccap", scores), results("human", [])], CFG, "Title", [path := tmp_path / "f.svg"])
    assert {"MacCap", "human"} <= words(path)


@pytest.mark.parametrize("scores", [[10.0, 20.0], []])
def test_the_figure_of_captions_says_what_is_scored_against_one_reference_less(tmp_path, scores):
    cfg = CFG | {"experiments.ceiling.label": "ceiling (given)", "experiments.ceiling.given": "reference"}
    found = [results(name, scores) for name in ("maccap", "ceiling", "human")]
    captions_figure(found, cfg, "Title", [path := tmp_path / "f.svg"])
    told = "ceiling (given) and human: scored against one reference less"
    assert (told in words(path)) == bool(scores)


def test_a_sweep_leaves_out_values_without_numbers(tmp_path):
    def drawn(*cells) -> set[str]:
        rows = [Row([value], [own]) for value, own in zip(("two", "three"), cells, strict=True)]
        sweep_figure(Table("Title", ["draws"], ["CIDEr"], rows), [path := tmp_path / "f.svg"])
        return words(path)

    assert {"two", "three"} & drawn(None, cell([12.0], [])) == {"three"}
    assert "CIDEr" in drawn(None, None)


@pytest.mark.parametrize("text", ["A cup. " * 40, r"From $\five$ on."], ids=["long", "no formula"])
@pytest.mark.parametrize("draws", [1, 16])
def test_all_candidates_stand_whole_below_the_image(tmp_path: Path, text: str, draws: int) -> None:
    out = tmp_path / "drawn.png"
    image, attention = Image.new("RGB", (96, 96), "red"), torch.ones(17, 17)
    draw_subregions(image, attention, ImageCaption(text, [text] * draws, [0.3] * draws), 4, out)
    drawn = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert (drawn[:, [0, -1]] == 255).all()
    assert (drawn[[0, -1]] == 255).all()
    image_ends = np.flatnonzero((drawn[:, drawn.shape[1] // 4] == (255, 0, 0)).all(axis=1))[-1]
    lines = (drawn[image_ends + 1 :].max(axis=2) < 100).any(axis=1)
    assert np.diff(lines.astype(int)).clip(0).sum() > draws


def test_a_run_whose_name_is_a_number_is_drawn_with_its_label_as_it_is(tmp_path: Path) -> None:
    line = {"trained": "2017", "run": "1", "seed": 3, "step": 2, "loss": 1.5, "validation_loss": 1.25}
    (tmp_path / "log.jsonl").write_text(json.dumps(line) + "\n")
    curves = training_curves([tmp_path / "log.jsonl"])
    assert curves.to_dict("records") == [line]
    training_figure(curves, [tmp_path / "training.svg"], {"2017": r"$\Daylight$"}, {"1": "$5 or $6"})
    drawn = (tmp_path / "training.svg").read_text()
    assert "$5 or $6" in drawn, "and not as mathematics"
    assert r"Text-only training, $\Daylight$" in drawn
