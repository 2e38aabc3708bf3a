"""Predictions, answers and published captions: columns, order, types, and what a damaged file says."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maccap.core.errors import DataError
from maccap.data.captions import ImageEntry, write_images
from maccap.data.predictions import (
    holds_answers,
    official_results,
    read_answers,
    read_predictions,
    write_answers,
    write_predictions,
)
from maccap.data.published import read_published
from tests.helpers.files import refuses


def prediction(image_id: int, **more) -> dict:
    row = {
        "trained": "coco", "experiment": "maccap", "tested": "flickr30k", "seed": 7, "image_id": image_id,
        "caption": f"A caption of {image_id}.",
    }  # fmt: skip
    return row | more


def answer(question_id: int, **more) -> dict:
    row = {"trained": "coco", "vqa_method": "prefix", "tested": "coco", "seed": 7, "question_id": question_id}
    return row | {"answer": "yes"} | more


def test_columns_stand_in_one_order_whatever_the_order_of_the_row(tmp_path):
    row = prediction(1, published=True, scores=[0.25], candidates=["A caption of 1."], left_out_reference=2, seed=None)
    write_predictions(tmp_path / "p.jsonl", [dict(reversed(row.items()))])
    (line,) = (tmp_path / "p.jsonl").read_text().splitlines()
    assert list(json.loads(line)) == [
        "trained", "experiment", "tested", "seed", "image_id", "caption", "candidates", "scores", "left_out_reference",
        "published",
    ]  # fmt: skip
    assert json.loads(line) == row


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_what_was_written_is_read_back_by_pandas_itself_and_by_us(tmp_path, ending):
    rows = [
        prediction(2**53 + 1, caption="2014"),
        prediction(5, caption="NaN", seed=None),
        prediction(6, caption="ö\u2028"),
    ]
    rows[0] |= {"candidates": ["2014", "null"], "scores": [0.1234567, -0.5]}
    write_predictions(tmp_path / f"a{ending}", rows[:2])
    write_predictions(tmp_path / f"b{ending}", rows[2:])
    frame = read_predictions([tmp_path / f"a{ending}", tmp_path / f"b{ending}"])
    assert frame["caption"].tolist() == ["2014", "NaN", "ö\u2028"], "text stays text"
    assert frame["image_id"].tolist() == [2**53 + 1, 5, 6]
    assert (frame["seed"].dtype, frame["image_id"].dtype) == ("Int64", "int64")
    assert frame["seed"].isna().tolist() == [False, True, False]
    assert (frame["candidates"][0], frame["scores"][0]) == (["2014", "null"], [0.1234567, -0.5])
    assert frame["candidates"][1] is None
    assert frame["published"].isna().all()
    plain = pd.read_json(tmp_path / f"a{ending}", lines=True, dtype=False, precise_float=True)
    assert plain["caption"].tolist() == ["2014", "NaN"]


def test_packed_rows_have_the_same_bytes_at_any_time_under_any_name(tmp_path, monkeypatch):
    write_predictions(tmp_path / "a.jsonl.gz", [prediction(1), prediction(2)])
    monkeypatch.setattr("time.time", lambda: 0.0)
    write_predictions(tmp_path / "b.jsonl.gz", [prediction(1), prediction(2)])
    packed = (tmp_path / "a.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "b.jsonl.gz").read_bytes()
    for damaged in (packed[:-9], b"no gzip"):
        (tmp_path / "b.jsonl.gz").write_bytes(damaged)
        with pytest.raises(DataError, match=r"b\.jsonl\.gz: "):
            read_predictions([tmp_path / "b.jsonl.gz"])


def test_answers_go_the_same_way(tmp_path):
    write_answers(tmp_path / "a.jsonl", [answer(1), answer(2, answer="")])
    frame = read_answers([tmp_path / "a.jsonl"])
    assert frame.to_dict("records") == [answer(1), answer(2, answer="")]
    assert frame["seed"].dtype == "Int64"


def test_a_file_tells_by_its_columns_what_it_holds_and_a_missing_one_is_named(tmp_path):
    write_answers(tmp_path / "a.jsonl", [answer(1)])
    write_predictions(tmp_path / "p.jsonl", [prediction(1)])
    (tmp_path / "other.jsonl").write_text('{"image_id": 1}\n')
    assert holds_answers(tmp_path / "a.jsonl")
    assert not holds_answers(tmp_path / "p.jsonl")
    refuses(lambda: holds_answers(tmp_path / "other.jsonl"), "other.jsonl: neither predictions nor answers")
    refuses(lambda: read_predictions([tmp_path / "gone.jsonl"]), "gone.jsonl: no such file")


def test_official_results_are_split_by_what_they_are_about(tmp_path):
    rows = [prediction(1), prediction(1, seed=8), prediction(2), prediction(1, seed=None, published=True)]
    write_predictions(tmp_path / "p.jsonl", rows)
    found = official_results(read_predictions([tmp_path / "p.jsonl"]))
    assert found == {
        ("coco", "maccap", "flickr30k", 7): [
            {"image_id": 1, "caption": "A caption of 1."}, {"image_id": 2, "caption": "A caption of 2."},
        ],
        ("coco", "maccap", "flickr30k", 8): [{"image_id": 1, "caption": "A caption of 1."}],
        ("coco", "maccap", "flickr30k", None): [{"image_id": 1, "caption": "A caption of 1."}],
    }  # fmt: skip
    assert json.dumps(list(found.values()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(prediction(1)) + "\n" + json.dumps(prediction(2))[:40] + "\n", "line 2: damaged"),
        (json.dumps({"trained": "coco"}) + "\n", "line 1: lacks the column experiment"),
        (json.dumps(prediction("1")) + "\n", "line 1: image id '1' is not an integer"),
        (json.dumps(prediction(1, seed="s1")) + "\n", "line 1: seed is 's1'"),
        (json.dumps(prediction(1, seed=2**63)) + "\n", "line 1: seed is 9223372036854775808"),
        (json.dumps(prediction(1, seed=True)) + "\n", "line 1: seed is True"),
        ("[1]\n", "line 1: damaged .*not a JSON object.*name another file"),
        (json.dumps(prediction(1)) + "\n" + json.dumps(prediction(1)) + "\n", "image_id 1: occurs twice"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "p.jsonl").write_text(text)
    with pytest.raises(DataError, match=message):
        read_predictions([tmp_path / "p.jsonl"])


@pytest.mark.parametrize(("change", "message"), [({"answer": "x"}, "unknown column answer"), ({"seed": "7"}, "seed")])
def test_rows_that_are_no_predictions_are_not_written(tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        write_predictions(tmp_path / "p.jsonl", [prediction(1) | change])
    assert not (tmp_path / "p.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_id": 2**63}, "image id 9223372036854775808 is not an integer of 64 bits"),
        ({"image_id": True}, "image id True is not an integer"),
        ({"caption": "a boat \ud83d"}, "caption has half a character"),
        ({"caption": None}, "caption is None, not a text"),
    ],
)
def test_what_no_table_can_hold_is_refused_by_writer_and_reader(tmp_path, change, words):
    row = prediction(1) | change
    with pytest.raises(DataError, match=words):
        write_predictions(tmp_path / "a.jsonl", [row])
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=f"line 1: {words}"):
        read_predictions([tmp_path / "a.jsonl"])


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


def test_published_captions_of_images_that_share_a_name_are_refused(tmp_path: Path) -> None:
    table, path = tmp_path / "images.jsonl", tmp_path / "theirs.json"
    write_images(table, [ImageEntry(7, "x/b.jpg"), ImageEntry(5, "y/b.jpg")])
    path.write_text(json.dumps([{"image_name": "x/b.jpg", "prediction": "a boat"}]))
    refuses(lambda: read_published(path, table), f"{table}: two images are called b.jpg")


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
