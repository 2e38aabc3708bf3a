"""Captions that others published: whose they are, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from maccap.data.captions import ImageEntry, write_images
from maccap.data.published import read_published
from tests.helpers.files import refuses

ROWS = [
    {"image_name": "val/ku\u0308ste.jpg", "prediction": ["a coast"]},
    {"image_name": "b.jpg", "prediction": "a boat \U0001f6a3"},
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_images(tmp_path / "images.jsonl", [ImageEntry(7, "x/b.jpg"), ImageEntry(5, "k\u00fcste.jpg")])
    return tmp_path / "images.jsonl"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_captions_go_to_the_images_of_their_names(table: Path, tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "theirs.json"
    path.write_bytes(mark + json.dumps(ROWS).encode())
    assert read_published(path, table) == [
        {"image_id": 5, "caption": "a coast", "published": True},
        {"image_id": 7, "caption": "a boat \U0001f6a3", "published": True},
    ]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"image_name": "b.jpg", "prediction": "a boat \ud83d"}, "the caption of image b.jpg has half a character"),
        ({"image_name": "b.jpg", "prediction": [3]}, "the caption of image b.jpg is 3, not a text"),
        ({"image_name": "c.jpg", "prediction": "a cat"}, "image c.jpg is not in"),
        ({"image_name": "b.jpg"}, "not published predictions"),
        ({"image_name": 7, "prediction": "x"}, "not published predictions"), (7, "not published predictions"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_refused(table: Path, tmp_path: Path, row: Any, words: str) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps([ROWS[0], row]))
    refuses(lambda: read_published(path, table), f"{path}: {words}")
