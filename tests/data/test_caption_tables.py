"""Tables of captions and images and stores of features: what is written comes back, never held in memory whole."""

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from maccap.core.errors import DataError
from maccap.data.captions import (
    Caption,
    CaptionTable,
    ImageEntry,
    check_captions,
    read_captions,
    read_images_table,
    references,
    write_captions,
    write_images,
)
from maccap.data.features import ImageFeatures, references_as_images, write_store
from tests.helpers.files import refuses

TABLE = [
    Caption(5, "val2014/a.jpg", "train", 10, "A dog."), Caption(5, "val2014/a.jpg", "train", 11, "A big dog."),
    Caption(6, "b.jpg", "test", 12, "Zwei Köche “kochen”, 料理."),
]  # fmt: skip
IMAGES = [ImageEntry(9, "val2014/b.jpg"), ImageEntry(0, "c\u2028.jpg"), ImageEntry(3, "a.jpg")]
ODD = ["\u2028", "\u2029", "\x85", "\x0c", "\x1c", "\r", "\n", "\t", '"', "\\", "🐕"]
READERS: dict[str, Callable[[Path], object]] = {
    "list": read_captions, "mapped": lambda path: list(CaptionTable(path)), "images": read_images_table,
}  # fmt: skip


def lines(rows: list[Caption] | list[ImageEntry]) -> list[str]:
    return [json.dumps(vars(row)) for row in rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.jsonl"


# --- what is written comes back ------------------------------------------------------------------------------------
def test_tables_come_back_as_they_were_written(path: Path) -> None:
    write_captions(path, iter(TABLE))
    assert read_captions(path) == TABLE
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]] == [vars(c) for c in TABLE]
    write_images(path, IMAGES)
    assert read_images_table(path) == IMAGES
    assert json.loads(path.read_bytes().split(b"\n")[0]) == {"image_id": 9, "file_name": "val2014/b.jpg"}


@pytest.mark.parametrize("seed", range(30))
def test_every_row_that_was_written_is_found_by_its_number(path: Path, seed: int) -> None:
    rng = random.Random(seed)
    alphabet = ["a", " ", "é", "料", *ODD]
    rows = [
        Caption(n, f"{odd}.jpg", rng.choice(["train", "val"]), n, f"x{odd}" + "".join(rng.choices(alphabet, k=30)))
        for n, odd in enumerate(rng.choices(ODD, k=rng.randrange(1, 60)))
    ]
    write_captions(path, rows)
    if seed % 2:
        end = rng.choice(["\n", "\r\n"])
        path.write_bytes((end.join(lines(rows)) + rng.choice([end, ""])).encode())
    table = CaptionTable(path)
    assert len(table) == len(rows)
    assert list(table) == read_captions(path) == rows
    assert [table[n] for n in range(-len(rows), len(rows))] == rows + rows
    assert table[np.int64(0)] == rows[0]
    for outside in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError):
            table[outside]


def test_a_long_table_is_written_and_read_without_being_held_in_memory(path: Path) -> None:
    count = 60_000
    rows = (Caption(n, "", "train", n, f"a photo of {n} dogs on the beach " + "x" * 200) for n in range(count))
    tracemalloc.start()
    try:
        write_captions(path, rows)
        writing = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        table = CaptionTable(path)
        held, opening = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert [table[n].image_id for n in range(0, count, 977)] == list(range(0, count, 977))
        taking = tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 18e6
    assert writing < 1e6
    assert held < 8 * count + 2e5
    assert opening < held + 2 * 8 * count
    assert taking < 1e6


def test_references_are_grouped_by_image_in_the_order_of_the_table() -> None:
    rows = [TABLE[0], TABLE[2], TABLE[1]]
    assert list(references(rows).items()) == [(5, ["A dog.", "A big dog."]), (6, [TABLE[2].caption])]


# --- tables that are wrong -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("reader", READERS)
def test_a_missing_table_is_named(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "nowhere" / "captions.jsonl"
    refuses(lambda: READERS[reader](path), str(path), "no such file", "check the path")
    refuses(lambda: READERS[reader](tmp_path), str(tmp_path), "cannot be opened", "check the path")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("data", [b'{"images": [', b"", b"\xff\xfe\x00{", b"<html></html>", b"\n", b"\xff\n"], ids=repr)
def test_a_file_that_is_no_table_is_refused(path: Path, reader: str, data: bytes) -> None:
    path.write_bytes(data)
    refuses(lambda: READERS[reader](path), str(path), "line 1" if data else "is empty", "delete", "run again")


DAMAGED = {
    "missing key": '{"image_id": 1, "split": "test", "caption_id": 1}',
    "unknown key": '{"image_id": 1, "file_name": "a.jpg", "split": "test", "caption_id": 1, "caption": "A.", "b": 1}',
    "list": "[1, 2]", "number": "7", "empty line": "", "cut off": '{"image_id": 1, "file',
}  # fmt: skip


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_line_is_named(path: Path, reader: str, line: str) -> None:
    good = lines(IMAGES if reader == "images" else TABLE)
    path.write_text("\n".join([*good[:2], line, good[2]]) + "\n", encoding="utf-8")
    refuses(lambda: READERS[reader](path), str(path), "line 3 ", "delete", "run again")
    if reader == "mapped":
        assert [CaptionTable(path)[row] for row in (0, 1, 3)] == TABLE


def test_a_table_that_was_cut_off_is_refused_when_it_is_opened(path: Path) -> None:
    write_captions(path, TABLE)
    path.write_bytes(path.read_bytes()[:-9])
    refuses(lambda: CaptionTable(path), str(path), "line 3 ", "run again")


WRONG: dict[str, tuple[Caption | ImageEntry, list[str]]] = {
    "empty caption": (Caption(7, "c.jpg", "test", 13, " \u3000"), ["13", "empty", "remove or fill"]),
    "invisible caption": (Caption(7, "c.jpg", "test", 13, "\u200b\x01"), ["13", "empty", "remove or fill"]),
    "null caption": (Caption(7, "c.jpg", "test", 13, None), ["13", "empty", "remove or fill"]),  # type: ignore[arg-type]
    "id is text": (Caption("7", "c.jpg", "test", 13, "A cat."), ["'7'", "not an integer", "number the"]),  # type: ignore[arg-type]
    "id is null": (Caption(7, "c.jpg", "test", None, "A cat."), ["None", "not an integer", "number the"]),  # type: ignore[arg-type]
    "image id twice": (ImageEntry(0, "d.jpg"), ["image id 0", "2 times", "must be unique"]),
    "no name": (ImageEntry(4, ""), ["image 4", "no file name"]),
    "image id is text": (ImageEntry("4", "d.jpg"), ["'4'", "not an integer"]),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("row", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_refused_by_writer_and_reader(path: Path, row: Any, words: list[str]) -> None:
    of_images = isinstance(row, ImageEntry)
    write, good = (write_images, IMAGES) if of_images else (write_captions, TABLE)
    refuses(lambda: write(path, [*good, row]), str(path), *words)
    refuses(lambda: write(path, []), str(path), "nothing to write")
    assert list(path.parent.iterdir()) == []
    path.write_text("\n".join(lines([*good, row])), encoding="utf-8")
    for name, read in READERS.items():
        if of_images == (name == "images"):
            refuses(lambda read=read: read(path), str(path), *words)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Caption(7, "c.jpg", "test", 12, "A cat."), ["caption id 12", "2 times", "must be unique"]),
        (Caption(6, "c.jpg", "test", 13, "A cat."), ["id 6", "b.jpg", "c.jpg", "two files", "must be unique"]),
    ],
    ids=["caption id twice", "two files"],
)
def test_rows_that_clash_are_refused(path: Path, row: Caption, words: list[str]) -> None:
    write_captions(path, [*TABLE, row])
    refuses(lambda: read_captions(path), str(path), *words)
    refuses(lambda: check_captions([*TABLE, row], "here"), "here: ", *words)


def test_a_failing_source_leaves_nothing_and_keeps_the_old_table(path: Path) -> None:
    def failing() -> Iterator[Caption]:
        yield TABLE[0]
        raise DataError("the source broke")

    refuses(lambda: write_captions(path, failing()), "the source broke")
    assert list(path.parent.iterdir()) == []
    write_captions(path, TABLE)
    refuses(lambda: write_captions(path, failing()), "the source broke")
    assert read_captions(path) == TABLE
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e5])
def test_features_that_are_not_finite_are_not_stored(tmp_path: Path, value: float) -> None:
    with pytest.raises(DataError, match=r"'global' are not finite in float16: the encoder's weights are damaged"):
        write_store(tmp_path / "a", {"global": torch.tensor([[1.0, value]])}, {"ids": [1]}, "float16")
    assert list(tmp_path.iterdir()) == []


def test_images_with_a_single_reference_are_left_out() -> None:
    captions = [Caption(image, "", "test", n, "A dog.") for n, image in enumerate((5, 6, 5, 7, 7, 7))]
    features = torch.eye(6)
    images = ImageFeatures(torch.tensor([7, 6, 5]), torch.zeros(3, 6), torch.zeros(3, 2, 6), torch.rand(3, 2, 2))
    for number, rows in ((0, [3, 0]), (1, [4, 2]), (2, [5, 0])):
        seen, numbers = references_as_images(images, captions, features, number)
        assert seen.ids.tolist() == [7, 5]
        assert numbers == [number, number % 2]
        assert seen.global_.argmax(dim=1).tolist() == rows
        assert (seen.tokens == seen.global_.unsqueeze(1)).all()
        assert (seen.attention == images.attention[[0, 2]]).all()
    alone, numbers = references_as_images(images.rows(slice(1, 2)), captions, features, 0)
    assert (len(alone), numbers) == (0, [])
    assert alone.global_.shape == (0, 6)
