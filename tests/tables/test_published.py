"""Published numbers: the CSV against the facts it was taken from, the verdict's rule, and the table."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maccap.core.errors import DataError
from maccap.metrics.bootstrap import VQA, interval, of_totals
from maccap.tables.published import COLUMNS, Reported, read_reported, reported_table, verdict
from maccap.tables.table import Cell, Row, Source, Table, tidy, write_table
from tests.helpers import ROOT
from tests.helpers.small_project import write_lines

CSV = ROOT / "workflow" / "resources" / "reported.csv"
CAPTION_METRICS = ("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr", "SPICE")
SPLITS = ("nocaps_in", "nocaps_near", "nocaps_out", "nocaps_overall")
SETTINGS = {
    "3.1": ("coco", "coco"), "3.2": ("flickr30k", "flickr30k"), "3.3": ("coco", "flickr30k"),
    "3.4": ("flickr30k", "coco"),
}  # fmt: skip
SOURCES = {
    "CDP": "CapDec paper", "PCM": "PCM-Net paper (ECCV 2024)", "VIE": "ViECap README", "MEA": "MeaCap README",
    "IFP": "IFCap poster (EMNLP 2024)", "MAGIC": "MAGIC repository", "PKU": "reproduction report", "LAVIS": "LAVIS",
    "DBR": "Diffusion Bridge paper (CVPR 2025)",
    "yuhui-zh15/C3": "C3 poster (ICLR 2024)", "yangbang18/ZeroNLG": "ZeroNLG README",
}  # fmt: skip
METHODS = {  # where the facts' word differs
    "ZeroCap (no training text)": "ZeroCap", "ZeroNLG (trained without COCO)": "ZeroNLG", "C3 (ICLR 2024)": "C3",
    "CapDec, independent reproduction": "CapDec (independent reproduction)", "IFCap (EMNLP 2024)": "IFCap",
    "supervised ClipCap, for scale": "ClipCap (supervised)", "SynTIC (synthetic images)": "SynTIC",
    "PCM-Net (synthetic images)": "PCM-Net (ViT-B/32)", "PCM-Net": "PCM-Net (ViT-L/14)", "CgT-GAN L/14": "CgT-GAN",
    "CgT-GAN (uses real unpaired images)": "CgT-GAN", "PCM-Net B/32": "PCM-Net (ViT-B/32)",
    "L/14": "PCM-Net (ViT-L/14)", "ToT": "MeaCap_ToT", "InvLM": "MeaCap_InvLM", "CLIPRe": "CLIPRe (MeaCap's version)",
    "CLIPRe (DeCap/MeaCap's version)": "CLIPRe (MeaCap's version)", "MeaCap's": "CLIPRe (MeaCap's version)",
    "CLIPRe (MeaCap's version)": "CLIPRe (MeaCap's version)",
    "BLIP-2 OPT-2.7B (`pretrain_opt2.7b`), zero-shot, LAVIS rerun": "BLIP-2 OPT-2.7B",
}  # fmt: skip
TRAINED = {"ZeroCap": "none", "ZeroNLG": "other"}

Key = tuple[str, str, str, str]


def sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """(number of the section, cells) of every table row, without headers."""
    number, below_rule = "", False
    for line in text.splitlines():
        if line.startswith("#"):
            number, below_rule = line.lstrip("# ").split(" ")[0], False
        elif re.match(r"\|[-|]+\|$", line):
            below_rule = True
        elif line.startswith("|") and below_rule:
            yield number, [cell.strip() for cell in line.strip("|").split("|")]


def parts(text: str, count: int) -> list[str]:
    """The values of `count` variants that share a row; one dash stands for all."""
    found = re.split(r" / |; ", text)
    return found if len(found) == count else [text] * count


def verified(path: Path) -> dict[Key, tuple[str, str]]:
    """{(method, trained on, tested on, metric): (value, source)} of the rows that the facts mark [V]."""
    facts: dict[Key, tuple[str, str]] = {}

    def add(label: str, trained: str, tested: str, metric: str, value: str, source: str) -> None:
        value = value.removesuffix(" (!)")
        if "[V]" in source and value != "-":
            method = METHODS.get(label, label)
            facts[method, TRAINED.get(method, trained), tested, metric] = (value, source)

    for number, cells in sections(path.read_text(encoding="utf-8")):
        label, source = cells[0], cells[-1]
        if number in SETTINGS:
            label = label.split(" (marked")[0]
            labels = [label] if label.endswith(")") else re.split(r" / |; ", label)
            for metric, cell in zip(CAPTION_METRICS, cells[1:7]):
                of_source = parts(source, 2) if "[C] / [V]" in source else [source] * len(labels)
                for one, value, seen in zip(labels, parts(cell, len(labels)), of_source, strict=True):
                    add(one, *SETTINGS[number], metric, value, seen)
        elif number == "3.5":
            text = next((kind.lower() for kind in reversed(cells[1:3]) if kind != "none"), "none")
            for tested, value in zip(("coco", *SPLITS), [cells[3], *cells[4].split(" / ")], strict=True):
                add(label, text, tested, "CIDEr", value, "[V] MEA")
        elif number == "3.6":
            for tested, cell in zip(SPLITS, cells[1:5], strict=True):
                cider, _, spice = cell.rstrip(")").partition(" (")
                add(label, "coco", tested, "CIDEr", cider, source)
                add(label, "coco", tested, "SPICE", spice or "-", source)
        elif number == "3.8":
            add(label, "other", "vqav2", "VQA accuracy", cells[1], source)
    return facts


def key(row: Reported) -> Key:
    return row.method, row.trained_on, row.tested_on, row.metric


@pytest.fixture(scope="module")
def published() -> list[Reported]:
    return read_reported(CSV)


def test_every_verified_number_is_there_with_its_source_and_nothing_else(shared, published):
    facts = verified(shared / "PAPER_FACTS.md")
    assert len(facts) > 300
    ours = {key(row): row for row in published if row.value is not None}
    assert {of: str(row.value) for of, row in ours.items()} == {of: value for of, (value, _) in facts.items()}
    for row in ours.values():
        _, source = facts[key(row)]
        known = [words for short, words in SOURCES.items() if re.search(rf"\b{re.escape(short)}\b", source)]
        given = row.source.split("; ")
        assert all(any(one.startswith(words) for words in known) for one in given), (row, source)
        assert row.evidence.startswith("read in git ")
        assert len(row.evidence.split("; ")) == len(given)


def test_well_known_cells_and_the_precision_of_print(published: list[Reported]) -> None:
    values = {key(row): row.value for row in published}
    assert values["MAGIC", "coco", "coco", "CIDEr"] == Decimal("49.3")
    assert values["DeCap", "cc3m", "coco", "CIDEr"] == Decimal("42.1")
    assert values["BLIP-2 OPT-2.7B", "other", "vqav2", "VQA accuracy"] == Decimal("51.88")
    assert values["ViECap", "coco", "nocaps_overall", "SPICE"] == Decimal("9.5")
    precision = {row.method: row.precision for row in published}
    assert precision["BLIP-2 OPT-2.7B"] == pytest.approx(0.01)
    assert precision["MAGIC"] == pytest.approx(0.1)
    assert precision["MacCap"] == 0


def test_numbers_that_nobody_could_read_are_empty(published: list[Reported]) -> None:
    own = [row for row in published if row.method == "MacCap"]
    assert len(own) == 6 * 6 + 1
    assert all(row.value is None and not row.source and "arXiv 2401.02347" in row.note for row in own)
    assert all(row.value is not None for row in published if row.method != "MacCap")
    assert not {"EntroCap", "TOMCap", "Frozen"} & {row.method for row in published}


HEADER = ",".join(COLUMNS)
LINE = "MAGIC,coco,coco,CIDEr,49.3,ViT-B/32,GPT-2,a paper,read in it,"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["method,value", LINE], "its first line must name the columns method,trained_on"),
        ([HEADER, LINE, LINE], "line 3: MAGIC, coco, coco, CIDEr occurs twice"),
        ([HEADER, LINE.replace("49.3", "4.9e1")], "line 2: value '4.9e1' is not a plain number"),
        ([HEADER, LINE.replace("49.3", "nan")], "line 2: value 'nan' is not a plain number"),
        ([HEADER, LINE.replace("a paper", "")], "line 2: source is empty"),
        ([HEADER, LINE.replace("read in it", " ")], "line 2: evidence is empty"),
        ([HEADER, LINE.replace("MAGIC", "")], "line 2: method is empty"),
        ([HEADER, LINE.replace("CIDEr", "BLEU")], "line 2: unknown metric 'BLEU'"),
        ([HEADER, LINE + ",one more"], "line 2: it must have 10 fields"),
        ([HEADER, LINE.rsplit(",", 2)[0]], "line 2: it must have 10 fields"),
        ([HEADER, LINE + '"'], "cannot be read as CSV"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_line_and_fault(tmp_path: Path, lines: list[str], words: str) -> None:
    path = tmp_path / "reported.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        read_reported(path)
    assert str(path) in str(caught.value)


def test_a_mark_before_the_first_column_is_no_part_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "excel.csv").write_text(f"{HEADER}\n{LINE}\n", encoding="utf-8-sig")
    (tmp_path / "plain.csv").write_text(f"{HEADER}\n{LINE}\n", encoding="utf-8")
    assert read_reported(tmp_path / "excel.csv") == read_reported(tmp_path / "plain.csv")
    (tmp_path / "latin.csv").write_bytes(f"{HEADER}\n{LINE}é\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv: line 2 is not UTF-8 \(byte 0xe9\); save it as UTF-8"):
        read_reported(tmp_path / "latin.csv")
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        read_reported(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("reported", "mean", "bounds", "expected"),
    [
        (49.3, None, None, "not run"), (None, None, None, "not run"), (None, 50.0, (49.0, 51.0), ""),
        (49.3, 49.3, (48.0, 50.6), "reproduced"),
        (49.3, 50.3, (50.0, 50.6), "reproduced"),  # just within the tolerance
        (49.3, 48.3, (48.0, 48.6), "reproduced"), (49.3, 50.31, (50.0, 50.6), "close"),
        (49.3, 50.9, (49.2, 52.6), "reproduced"),  # within the interval
        (49.3, 50.9, (49.31, 52.6), "close"),
        (49.3, 52.3, (52.0, 52.6), "close"),  # just within three times the tolerance
        (49.3, 46.29, (46.0, 46.6), "not reproduced"), (49.3, 60.0, (59.0, 61.0), "not reproduced"),
    ],
)  # fmt: skip
def test_the_rule(reported, mean, bounds, expected):
    assert verdict(reported, 0.1, mean, bounds, tolerance=1.0, reduced=False) == expected
    assert verdict(reported, 0.1, mean, bounds, 1.0, reduced=True) == ("not run" if mean is None else "reduced run")


def test_a_number_printed_roughly_cannot_be_missed_by_less_than_half_a_unit() -> None:
    assert verdict(50.0, 1.0, 50.5, (50.4, 50.6), tolerance=0.1, reduced=False) == "reproduced"
    assert verdict(50.0, 1.0, 50.6, (50.5, 50.7), tolerance=0.1, reduced=False) == "close"
    assert verdict(50.0, 0.1, 50.5, (50.4, 50.6), tolerance=0.1, reduced=False) == "not reproduced"


def scores(experiment: str, seed: int | None, images: int = 60) -> list[dict[str, Any]]:
    """Rows of a metric file about 60 images, with CIDEr near 49 and the BLEU scores of random statistics."""
    generator = np.random.default_rng(seed)
    cider, rows = generator.gamma(2, 24.5, images), np.tile([10, 10, 9, 8, 7, 0, 0, 0, 0], (images, 1))
    rows[:, 5:] = generator.binomial([10, 9, 8, 7], [0.6, 0.4, 0.25, 0.15], (images, 4))
    about = {"trained": "coco", "experiment": experiment, "tested": "coco", "seed": seed}
    whole = {metric: of_totals(metric, rows.sum(axis=0)) for metric in ("BLEU-1", "BLEU-4")} | {"CIDEr": cider.mean()}
    items = [
        about | {"image_id": i, "CIDEr": float(value), "BLEU statistics": row.tolist()}
        for i, (value, row) in enumerate(zip(cider, rows))
    ]
    return [about | {"image_id": None, "images": images, "of": 60} | whole, *items]


def accuracies(vqa_method: str) -> list[dict[str, Any]]:
    """Rows of a metric file about two questions on each of five images."""
    about = {"trained": "coco", "vqa_method": vqa_method, "tested": "vqav2", "seed": 1}
    whole = dict.fromkeys(("answer_type", "question_type", "question_id", "image_id"))
    items = [{"answer_type": "other", "question_type": "what", "question_id": n, "image_id": n // 2} for n in range(10)]
    return [about | row | {"accuracy": 25.0} for row in (whole, *items)]


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Table]:
    """Makes the table of two experiments over seeds, of published predictions, and of visual questions."""
    monkeypatch.chdir(tmp_path)
    captions, answers = Path("captions.jsonl"), Path("answers.jsonl")
    runs = [scores("ours", seed) for seed in (1, 2, 3)] + [scores("magic", None, images=58), scores("blind", 4)]
    write_lines(captions, (row for rows in runs for row in rows))
    write_lines(answers, accuracies("caption") + accuracies("majority"))
    cfg = {
        "profile": "paper", "reported.tolerance": 1.0, "reduced": False, "experiments.ours.label": "CapDec, OPT",
        "datasets.coco.label": "COCO", "datasets.flickr30k.label": "Flickr30k", "datasets.vqav2.label": "VQA v2",
        "vqa_methods.caption.label": "caption first", "vqa_methods.caption.reported_as": "MacCap",
        "vqa_methods.majority.label": "majority",
        "experiments.ours.reported_as": "CapDec", "experiments.magic.label": "MAGIC, rescored",
        "experiments.magic.reported_as": "MAGIC", "experiments.blind.label": "blind",
        "cells": [["coco", name, "coco"] for name in ("ours", "magic", "blind")],
        "answered": [["coco", name, "vqav2"] for name in ("caption", "majority")],
    }  # fmt: skip
    return lambda **own: reported_table([captions], [answers], read_reported(CSV), cfg | own)


def by_row(table: Table) -> dict[tuple[str, ...], dict]:
    return {tuple(row.labels): dict(zip(table.columns, row.cells, strict=True)) for row in table.rows}


def test_the_table(table: Callable[..., Table]) -> None:
    found = table()
    rows = by_row(found)
    ours = rows["COCO → COCO", "CapDec", "CapDec, OPT", "CIDEr"]
    runs = [scores("ours", seed) for seed in (1, 2, 3)]
    means = [whole["CIDEr"] for whole, *_ in runs]
    assert ours["reported"] == "91.8"
    about = {"trained": "coco", "experiment": "ours", "tested": "coco", "image_id": None}
    assert ours["reproduced"] == Cell(
        pytest.approx(np.mean(means)), pytest.approx(np.std(means, ddof=1)), 3,
        [Source("captions.jsonl", "CIDEr", about | {"seed": seed}) for seed in (1, 2, 3)],
    )  # fmt: skip
    images = [np.array([[item["CIDEr"], 1] for item in items]) for _, *items in runs]
    assert (ours["95 % low"].value, ours["95 % high"].value) == interval("CIDEr", images)
    assert ours["verdict"] == "not reproduced"
    assert rows["COCO → COCO", "CapDec", "CapDec, OPT", "SPICE"]["verdict"] == "not run"
    magic = rows["COCO → COCO", "MAGIC", "MAGIC, rescored", "CIDEr"]
    assert magic["verdict"] == verdict(
        49.3, 0.1, magic["reproduced"].value, (magic["95 % low"].value, magic["95 % high"].value), 1.0, False
    )
    assert any("CoreNLP" in note for note in found.notes)
    assert "MAGIC, rescored, COCO → COCO: predictions as published, for 58 of 60 images." in found.notes
    answered = rows["COCO → VQA v2", "MacCap", "caption first", VQA]
    assert (answered["reproduced"].value, answered["95 % low"].value, answered["verdict"]) == (25.0, 25.0, "")
    assert [row.labels[2] for row in found.rows].index("") == 6 + 6 + 1  # what was run comes first
    assert rows["no text → COCO", "ZeroCap", "", "SPICE"]["verdict"] == "not run"
    assert not [labels for labels in rows if "blind" in labels[2] or labels[1:3] == ("MacCap", "")]
    numbered = dict(note.split(" ", 1) for note in found.notes if note.startswith("["))
    assert numbered[ours["source"]].startswith("CapDec paper, Table 1; read in git")
    assert {cells["source"] for cells in rows.values()} - {None} == set(numbered)


def test_a_reduced_table_has_no_verdict_but_that_and_the_tolerance_of_the_config_counts(table) -> None:
    found = table(reduced=True)
    assert {row.cells[4] for row in found.rows} == {"reduced run", "not run"}
    assert found.notes[0].startswith("Reduced run")
    found = table(**{"reported.tolerance": 100.0})
    assert {row.cells[4] for row in found.rows if row.cells[1]} == {"reproduced", ""}
    assert any("by at most 100 " in note for note in found.notes)


def test_text_cells_reach_every_format_and_tables_of_numbers_have_no_text_column(table, tmp_path):
    outputs = [tmp_path / f"reported.{suffix}" for suffix in ("json", "csv", "md", "tex")]
    write_table(table(), outputs)
    assert json.loads(outputs[0].read_text())["rows"][0]["cells"][0] == "69.2"
    lines = list(csv.DictReader(outputs[1].open(encoding="utf-8")))
    assert list(lines[0]) == ["trained → tested", "method", "ours", "metric", "column", "value", "sd", "n", "text"]
    assert {line["text"] for line in lines if line["column"] == "verdict"} >= {"not run", "not reproduced"}
    assert {line["n"] for line in lines if line["column"] == "reproduced"} == {"3", "1"}
    assert "| not run " in outputs[2].read_text(encoding="utf-8")
    assert "& not run &" in outputs[3].read_text(encoding="utf-8")
    long = tidy(Table("t", ["a"], ["b", "c"], [Row(["x"], [Cell(1.5, None, 1, []), None])]))
    written = pd.read_csv(io.StringIO(long.to_csv(index=False)))
    assert list(written) == ["a", "column", "value", "sd", "n"]
    assert len(written) == 1
