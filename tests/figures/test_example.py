"""The figure that shows MacCap at work is drawn from the samples, of the median image."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from maccap.report.images import jpeg
from maccap.steps.runner import run_step

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


def test_equal_samples_give_equal_bytes(tmp_path):
    (tmp_path / "again").mkdir()
    first, again = draw(tmp_path, {1, 3}), draw(tmp_path / "again", {1, 3})
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
