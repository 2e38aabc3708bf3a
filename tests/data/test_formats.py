"""The registry of data formats: what each declares, and that one file adds one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maccap.core.errors import ConfigError, DataError
from maccap.data.formats import format_of, formats, read_splits
from tests.helpers import ROOT


def coco_file(path: Path, first: int) -> Path:
    rows = [{"id": first + n, "image_id": n, "caption": f"Caption {first + n}."} for n in range(2)]
    path.write_text(json.dumps({"images": [{"id": n, "file_name": f"{n}.jpg"} for n in range(2)], "annotations": rows}))
    return path


def test_the_formats_are_the_files_that_declare_one():
    every = ("train", "val", "test")
    assert [(name, found.splits, found.images) for name, found in formats().items()] == [
        ("coco", every, True), ("conceptual", every[:2], False), ("karpathy", every, True), ("scenes", every, True),
        ("vqa", (), True),
    ]  # fmt: skip
    for name, found in formats().items():
        assert format_of(name) is found
        assert found.name == name
        assert found.description


def test_splits_are_read_by_the_formats_own_reader(tmp_path):
    files = {split: coco_file(tmp_path / f"{split}.json", n * 10) for n, split in enumerate(("train", "val", "test"))}
    found = read_splits("coco", files, {})
    assert {split: [row.caption_id for row in rows] for split, rows in found.items()} == {
        "train": [0, 1], "val": [10, 11], "test": [20, 21],
    }  # fmt: skip
    for split in ("train", "val"):
        (tmp_path / f"{split}.tsv").write_text(f"a dog in {split}\thttp://x\n")
    found = read_splits("conceptual", {split: tmp_path / f"{split}.tsv" for split in ("train", "val")}, {})
    assert {split: [row.caption for row in rows] for split, rows in found.items()} == {
        "train": ["a dog in train"], "val": ["a dog in val"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["karpathy", "scenes"])
def test_a_split_or_a_format_without_captions_is_named(tmp_path, name):
    image = {"split": "train", "filename": "1.jpg", "imgid": 1, "sentences": [{"raw": "A dog.", "sentid": 1}]}
    (tmp_path / "dataset.json").write_text(json.dumps({"images": [image]}))
    with pytest.raises(DataError, match=r"dataset\.json: no captions of split val"):
        read_splits(name, {"captions": tmp_path / "dataset.json"}, {})
    with pytest.raises(ConfigError, match="the format vqa has no captions"):
        read_splits("vqa", {}, {})


NEW = '''"""Captions of ours: a JSON list of [split, image file, caption]."""

import json

from .captions import Caption

FORMAT = {"description": "captions of ours", "keys": ("captions", "images"), "splits": ("train", "val", "test")}


def read_splits(files, members):
    rows = enumerate(json.loads(files["captions"].read_text()))
    captions = [Caption(number, name, split, number, text) for number, (split, name, text) in rows]
    return {split: [row for row in captions if row.split == split] for split in ("train", "val", "test")}
'''

READ_IT = """
from pathlib import Path
from maccap.core.job import Job
from maccap.graph.profile import Profile
from maccap.steps import captions
profile = Profile({"datasets": {"a": {"label": "A", "format": "ours", "captions": {}, "images": {}}},
                   "runs": {}, "experiments": {}, "vqa_methods": {}, "tables": {}, "samples": {}})
assert profile.captioned_tests == ["a"]
outputs = [Path("a") / name for name in ("captions.train.jsonl", "captions.val.jsonl", "captions.test.jsonl",
                                         "images.jsonl")]
captions.run(Job({"captions": [Path("ours.json")]}, outputs, {"dataset": "a", "datasets.a.format": "ours"}))
"""


def test_one_file_adds_a_format(tmp_path):
    """In a copy of the package: the profile knows it, and the step reads it."""
    shutil.copytree(ROOT / "maccap", tmp_path / "maccap", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    (tmp_path / "maccap/data/ours.py").write_text(NEW)
    rows = [["train", "1.jpg", "A dog."], ["val", "2.jpg", "A cat."], ["test", "3.jpg", "A bus."]]
    (tmp_path / "ours.json").write_text(json.dumps(rows))
    subprocess.run([sys.executable, "-c", READ_IT], cwd=tmp_path, check=True, env={"PYTHONPATH": str(tmp_path)})
    assert json.loads((tmp_path / "a/captions.test.jsonl").read_text())["caption"] == "A bus."
    assert json.loads((tmp_path / "a/images.jsonl").read_text()) == {"image_id": 2, "file_name": "3.jpg"}
