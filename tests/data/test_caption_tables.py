"""Tables of captions and of pictures: what is written comes back, from a file that never has to fit in memory."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from maccap.core.errors import DataError
from maccap.data import captions as module
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
from tests.helpers.damage import refuses

TABLE = [
    Caption(5, "val2014/a.jpg", "train", 10, "A dog."), Caption(5, "val2014/a.jpg", "train", 11, "A big dog."),
    Caption(6, "b.jpg", "test", 12, "Zwei Köche “kochen”, 料理."),
]  # fmt: skip
ODD = ["\u2028", "\u2029", "\x85", "\x0c", "\x1c", "\r", "\n", "\t", '"', "\\", "🐕"]
READERS: dict[str, Callable[[Path], object]] = {"list": read_captions, "mapped": lambda path: list(CaptionTable(path))}


def as_line(row: Caption | ImageEntry) -> str:
    return json.dumps(vars(row))


# --- what is written comes back ------------------------------------------------------------------------------------
def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "captions.test.jsonl"
    write_captions(path, iter(TABLE))
    assert read_captions(path) == TABLE
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]] == [vars(c) for c in TABLE]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_a_table_keeps_any_character(tmp_path: Path, odd: str) -> None:
    rows = [Caption(1, "a.jpg", "test", 1, f"One{odd}two."), Caption(2, f"b{odd}.jpg", "test", 2, "Three.")]
    write_captions(tmp_path / "captions.jsonl", rows)
    assert read_captions(tmp_path / "captions.jsonl") == rows


@pytest.mark.parametrize("seed", range(30))
def test_every_way_to_index_gives_the_rows_that_were_written(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(module, "_CHUNK", rng.choice((1, 7, 64, 2**22)))
    alphabet = ["a", " ", "é", "料", *ODD]
    rows = [
        Caption(n, "", rng.choice(["train", "val"]), n, "x" + "".join(rng.choices(alphabet, k=rng.randrange(40))))
        for n in range(rng.randrange(1, 60))
    ]
    path = tmp_path / "captions.jsonl"
    end = rng.choice(["\n", "\r\n"])
    lines = [json.dumps(vars(row), ensure_ascii=rng.random() < 0.5) for row in rows]
    path.write_bytes((end.join(lines) + rng.choice([end, ""])).encode())
    table = CaptionTable(path)
    assert len(table) == len(rows)
    assert list(table) == read_captions(path) == rows
    assert [table[n] for n in range(-len(rows), len(rows))] == rows + rows
    assert table[np.int64(0)] == rows[0]
    some = [rng.randrange(-len(rows), len(rows)) for _ in range(20)]
    assert table[some] == table[np.array(some)] == [rows[n] for n in some]
    for _ in range(20):
        part = slice(*(rng.choice([None, *range(-70, 70)]) for _ in range(2)), rng.choice([None, 1, 3, -1, -2]))
        assert table[part] == rows[part]
    for outside in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError, match=str(len(rows))):
            table[outside]
        with pytest.raises(IndexError):
            table[[0, outside]]
    with pytest.raises(TypeError):
        table[0.0]  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        table[np.array([0.5])]


def test_a_long_table_is_written_and_read_without_being_held_in_memory(tmp_path: Path) -> None:
    count, path = 60_000, tmp_path / "captions.train.jsonl"
    rows = (Caption(n, "", "train", n, f"a photo of {n} dogs on the beach " + "x" * 200) for n in range(count))
    tracemalloc.start()
    try:
        write_captions(path, rows)
        writing = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        table = CaptionTable(path)
        held, opening = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        assert [row.image_id for row in table[np.arange(0, count, 977)]] == list(range(0, count, 977))
        taking = tracemalloc.get_traced_memory()[1] - held
    finally:
        tracemalloc.stop()
    size = path.stat().st_size
    assert size > 18e6
    assert writing < 1e6
    assert held < 8 * count + 2e5
    assert opening < held + 8 * count + 2 * module._CHUNK
    assert taking < 1e6


def test_references_are_grouped_by_image_in_the_order_of_the_table(tmp_path: Path) -> None:
    rows = [TABLE[0], TABLE[2], TABLE[1]]
    assert list(references(rows).items()) == [(5, ["A dog.", "A big dog."]), (6, [TABLE[2].caption])]
    write_captions(tmp_path / "captions.jsonl", rows)
    assert references(CaptionTable(tmp_path / "captions.jsonl")) == references(rows)


# --- tables that are wrong -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("reader", READERS)
def test_a_missing_table_is_named_with_what_makes_it(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "nowhere" / "captions.jsonl"
    refuses(lambda: READERS[reader](path), str(path), "no such file", "run the rule")
    refuses(lambda: READERS[reader](tmp_path), str(tmp_path), "cannot be opened", "check the path")


@pytest.mark.parametrize("reader", [*READERS, "pictures"])
@pytest.mark.parametrize("data", [b'{"images": [', b"", b"\xff\xfe\x00{", b"<html></html>", b"\n", b"\xff\n"], ids=repr)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, reader: str, data: bytes) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_bytes(data)
    read = READERS.get(reader, read_images_table)
    refuses(lambda: read(path), str(path), "line 1" if data else "is empty", "delete", "run again")


DAMAGED = {
    "missing key": '{"image_id": 1, "file_name": "a.jpg", "split": "test", "caption_id": 1}',
    "unknown key": '{"image_id": 1, "file_name": "a.jpg", "split": "test", "caption_id": 1, "caption": "A.", "b": 1}',
    "list": "[1, 2]",
    "number": "7",
    "empty line": "",
    "cut off": '{"image_id": 1, "file',
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_line_is_named(tmp_path: Path, reader: str, line: str) -> None:
    path = tmp_path / "captions.jsonl"
    lines = [as_line(row) for row in TABLE]
    path.write_text("\n".join([*lines[:2], line, lines[2]]) + "\n", encoding="utf-8")
    refuses(lambda: READERS[reader](path), str(path), "line 3 ", "delete", "run again")
    assert CaptionTable(path)[[0, 1, 3]] == TABLE


def test_a_table_that_was_cut_off_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    write_captions(path, TABLE)
    path.write_bytes(path.read_bytes()[:-9])
    refuses(lambda: CaptionTable(path), str(path), "line 3 ", "run again")


WRONG = {
    "empty caption": (Caption(7, "c.jpg", "test", 13, " \u3000"), ["13", "empty", "remove or fill"]),
    "null caption": (Caption(7, "c.jpg", "test", 13, None), ["13", "empty", "remove or fill"]),  # type: ignore[arg-type]
    "id is text": (Caption("7", "c.jpg", "test", 13, "A cat."), ["'7'", "not an integer", "number the"]),  # type: ignore[arg-type]
    "id is null": (Caption(7, "c.jpg", "test", None, "A cat."), ["None", "not an integer", "number the"]),  # type: ignore[arg-type]
}
CLASHES = {
    "caption id twice": (Caption(7, "c.jpg", "test", 12, "A cat."), ["caption id 12", "2 times", "must be unique"]),
    "two files": (Caption(6, "c.jpg", "test", 13, "A cat."), ["id 6", "b.jpg", "c.jpg", "two files", "must be unique"]),
}


@pytest.mark.parametrize(("row", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_refused_by_writer_and_reader(tmp_path: Path, row: Caption, words: list[str]) -> None:
    path = tmp_path / "captions.jsonl"
    refuses(lambda: write_captions(path, [*TABLE, row]), str(path), *words)
    assert list(tmp_path.iterdir()) == []
    path.write_text("".join(f"{as_line(r)}\n" for r in [*TABLE, row]), encoding="utf-8")
    for read in READERS.values():
        refuses(lambda read=read: read(path), str(path), *words)


@pytest.mark.parametrize(("row", "words"), CLASHES.values(), ids=CLASHES)
def test_rows_that_clash_are_refused(tmp_path: Path, row: Caption, words: list[str]) -> None:
    path = tmp_path / "captions.jsonl"
    write_captions(path, [*TABLE, row])
    refuses(lambda: read_captions(path), str(path), *words)
    refuses(lambda: check_captions([*TABLE, row], "here"), "here: ", *words)


def test_caption_id_0_is_an_id_like_others() -> None:
    rows = [Caption(0, "", "train", 0, "A."), Caption(1, "", "train", 0, "B.")]
    refuses(lambda: check_captions(rows, "here"), "caption id 0", "2 times")


def test_a_failing_source_leaves_nothing_and_keeps_the_old_table(tmp_path: Path) -> None:
    def failing() -> Iterator[Caption]:
        yield TABLE[0]
        raise DataError("the source broke")

    path = tmp_path / "captions.jsonl"
    refuses(lambda: write_captions(path, failing()), "the source broke")
    refuses(lambda: write_captions(path, []), str(path), "nothing to write")
    assert list(tmp_path.iterdir()) == []
    write_captions(path, TABLE)
    refuses(lambda: write_captions(path, failing()), "the source broke")
    assert read_captions(path) == TABLE
    assert list(tmp_path.iterdir()) == [path]


# --- tables of pictures --------------------------------------------------------------------------------------------
PICTURES = [ImageEntry(9, "val2014/b.jpg"), ImageEntry(0, "c\u2028.jpg"), ImageEntry(3, "a.jpg")]


def test_a_table_of_pictures_comes_back_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "images.jsonl"
    write_images(path, PICTURES)
    assert read_images_table(path) == PICTURES
    assert json.loads(path.read_bytes().split(b"\n")[0]) == {"image_id": 9, "file_name": "val2014/b.jpg"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ImageEntry(0, "d.jpg"), ["image id 0", "2 times", "must be unique"]),
        (ImageEntry(4, ""), ["image 4", "no file name"]),
        (ImageEntry("4", "d.jpg"), ["'4'", "not an integer"]),  # type: ignore[arg-type]
    ],
    ids=["id twice", "no name", "id is text"],
)
def test_a_wrong_table_of_pictures_is_refused(tmp_path: Path, entry: ImageEntry, words: list[str]) -> None:
    path = tmp_path / "images.jsonl"
    refuses(lambda: write_images(path, [*PICTURES, entry]), str(path), *words)
    refuses(lambda: write_images(path, []), str(path), "nothing to write")
    assert list(tmp_path.iterdir()) == []
    path.write_text("".join(f"{as_line(row)}\n" for row in [*PICTURES, entry]), encoding="utf-8")
    refuses(lambda: read_images_table(path), str(path), *words)


@pytest.mark.parametrize("line", ["{}", '{"image_id": 1}', "[]", as_line(TABLE[0]), ""])
def test_a_damaged_line_of_a_table_of_pictures_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "images.jsonl"
    path.write_text(f"{as_line(PICTURES[0])}\n{line}\n{as_line(PICTURES[1])}\n", encoding="utf-8")
    refuses(lambda: read_images_table(path), str(path), "line 2 ", "run again")
