"""Figures of tables in which rows are empty: no image of the test set has a second caption to score against."""

import re
from pathlib import Path

import pandas as pd
import pytest

from maccap.figures.captions import captions_figure
from maccap.figures.figures import sweep_figure
from maccap.tables.results import Results
from maccap.tables.table import Row, Table, cell

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


def test_a_sweep_leaves_out_values_without_numbers(tmp_path):
    def drawn(*cells) -> set[str]:
        rows = [Row([value], [own]) for value, own in zip(("two", "three"), cells, strict=True)]
        sweep_figure(Table("Title", ["draws"], ["CIDEr"], rows), [path := tmp_path / "f.svg"])
        return words(path)

    assert {"two", "three"} & drawn(None, cell([12.0], [])) == {"three"}
    assert "CIDEr" in drawn(None, None)
