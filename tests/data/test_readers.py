"""Readers of the real data sets' formats: what they give, and what they say of a file that is wrong."""

import gzip
import json
import random
import tracemalloc
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maccap.core.errors import ConfigError, DataError
from maccap.data.archives import read_member_json
from maccap.data.captions import Caption, ImageEntry
from maccap.data.coco import read_coco_captions
from maccap.data.conceptual import read_conceptual
from maccap.data.karpathy import read_karpathy
from maccap.data.vqa import VqaQuestion, majority_answers, question_images, read_annotations, read_questions
from tests.helpers.files import as_json, damaged, refuses, zipped

# As the first entries of the real files look.
KARPATHY: dict[str, Any] = {
    "images": [
        {
            "filepath": "val2014", "sentids": [681330, 686718], "filename": "COCO_val2014_000000522418.jpg",
            "imgid": 1, "split": "restval", "cocoid": 522418,
            "sentences": [
                {"tokens": ["a", "woman", "cutting", "a", "large", "white", "sheet", "cake"], "imgid": 1,
                 "raw": "A woman cutting a large white sheet cake.", "sentid": 681330},
                {"tokens": ["a", "woman", "marking", "a", "cake"], "imgid": 1,
                 "raw": "A woman marking a cake\nwith the back of a  chef's knife. ", "sentid": 686718},
            ],
        },
        {
            "filepath": "val2014", "sentids": [770337], "filename": "COCO_val2014_000000391895.jpg", "imgid": 0,
            "split": "test", "cocoid": 391895,
            "sentences": [{"tokens": ["a", "man"], "raw": "A man with a red helmet.", "imgid": 0, "sentid": 770337}],
        },
        {
            "filepath": "train2014", "sentids": [3], "filename": "COCO_train2014_000000000009.jpg", "imgid": 2,
            "split": "train", "cocoid": 9,
            "sentences": [{"tokens": ["a", "meal"], "raw": "A café’s meal.", "imgid": 2, "sentid": 3}],
        },
    ],
    "dataset": "coco",
}  # fmt: skip
FLICKR: dict[str, Any] = {
    "images": [
        {
            "sentids": [0, 1], "imgid": 0, "filename": "1000092795.jpg", "split": "train",
            "sentences": [
                {"tokens": ["two", "young", "guys"], "raw": "Two young guys.", "imgid": 0, "sentid": 0},
                {"tokens": ["two", "men"], "raw": "Two men, in green shirts.", "imgid": 0, "sentid": 1},
            ],
        },
        {
            "sentids": [2], "imgid": 7, "filename": "10002456.jpg", "split": "val",
            "sentences": [{"tokens": ["several", "men"], "raw": "Several men.", "imgid": 7, "sentid": 2}],
        },
    ],
    "dataset": "flickr30k",
}  # fmt: skip
ANSWERS = [{"answer": "yes", "answer_confidence": "yes", "answer_id": n} for n in range(1, 11)]
QUESTIONS: dict[str, Any] = {
    "info": {}, "task_type": "Open-Ended", "data_type": "mscoco", "license": {}, "data_subtype": "val2014",
    "questions": [
        {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000},
        {"image_id": 262148, "question": "Is it day?", "question_id": 262148001},
    ],
}  # fmt: skip
ANNOTATIONS: dict[str, Any] = {
    "info": {}, "data_type": "mscoco", "data_subtype": "val2014", "license": {},
    "annotations": [
        {"question_type": "none of the above", "multiple_choice_answer": "down", "answers": ANSWERS,
         "image_id": 262148, "answer_type": "other", "question_id": 262148000},
        {"question_type": "is it", "multiple_choice_answer": "yes", "answers": ANSWERS, "image_id": 262148,
         "answer_type": "yes/no", "question_id": 262148001},
    ],
}  # fmt: skip
ROW = ANNOTATIONS["annotations"][1]
COCO: dict[str, Any] = {
    "info": {"description": "COCO 2014 Dataset", "version": "1.0", "year": 2014}, "licenses": [],
    "images": [
        {"license": 5, "file_name": "COCO_train2014_000000057870.jpg", "height": 480, "width": 640, "id": 57870},
        {"license": 5, "file_name": "COCO_train2014_000000384029.jpg", "height": 429, "width": 640, "id": 384029},
        {"license": 1, "file_name": "COCO_train2014_000000222016.jpg", "height": 640, "width": 480, "id": 222016},
    ],
    "annotations": [
        {"image_id": 384029, "id": 48, "caption": "A very clean and\nwell decorated bathroom. "},
        {"image_id": 57870, "id": 787980, "caption": "A restaurant has modern wooden tables."},
        {"image_id": 384029, "id": 126, "caption": "A panoramic view of a kitchen."},
    ],
}  # fmt: skip


ASKED = [VqaQuestion(262148000, 262148, "Where is he looking?"), VqaQuestion(262148001, 262148, "Is it day?")]
READERS: dict[str, tuple[Callable[..., object], dict[str, Any]]] = {
    "Karpathy split": (read_karpathy, KARPATHY),
    "COCO captions": (lambda path, member=None: read_coco_captions(path, "train", member), COCO),
    "VQA v2 questions": (read_questions, QUESTIONS),
    "VQA v2 annotations": (lambda path, member=None: read_annotations(path, ASKED, member), ANNOTATIONS),
}
every_reader = pytest.mark.parametrize("reader", READERS)


def changed(content: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    copy = json.loads(json.dumps(content))
    change(copy)
    return copy


def holders(content: Any, key: str) -> Iterator[dict[str, Any]]:
    """Every object in some JSON that has a key."""
    if isinstance(content, dict):
        if key in content:
            yield content
        content = list(content.values())
    for part in content if isinstance(content, list) else ():
        yield from holders(part, key)


def set_all(content: Any, key: str, value: Any) -> None:
    for holder in holders(content, key):
        holder[key] = value


# --- what is read --------------------------------------------------------------------------------------------------
def test_coco_goes_by_cocoid_with_its_folder_and_restval_is_train_and_flickr30k_by_imgid_without_one(tmp_path):
    cake = "val2014/COCO_val2014_000000522418.jpg"
    assert read_karpathy(as_json(tmp_path / "dataset_coco.json", KARPATHY)) == [
        Caption(522418, cake, "train", 681330, "A woman cutting a large white sheet cake."),
        Caption(522418, cake, "train", 686718, "A woman marking a cake with the back of a chef's knife."),
        Caption(391895, "val2014/COCO_val2014_000000391895.jpg", "test", 770337, "A man with a red helmet."),
        Caption(9, "train2014/COCO_train2014_000000000009.jpg", "train", 3, "A café’s meal."),
    ]
    assert read_karpathy(as_json(tmp_path / "dataset_flickr30k.json", FLICKR)) == [
        Caption(0, "1000092795.jpg", "train", 0, "Two young guys."),
        Caption(0, "1000092795.jpg", "train", 1, "Two men, in green shirts."),
        Caption(7, "10002456.jpg", "val", 2, "Several men."),
    ]


def test_official_coco_captions_questions_and_annotations_are_read_in_their_order(tmp_path: Path) -> None:
    bathroom = "COCO_train2014_000000384029.jpg"
    assert read_coco_captions(as_json(tmp_path / "captions_train2014.json", COCO), "train") == [
        Caption(384029, bathroom, "train", 48, "A very clean and well decorated bathroom."),
        Caption(57870, "COCO_train2014_000000057870.jpg", "train", 787980, "A restaurant has modern wooden tables."),
        Caption(384029, bathroom, "train", 126, "A panoramic view of a kitchen."),
    ]
    assert read_questions(as_json(tmp_path / "questions.json", QUESTIONS)) == ASKED
    assert read_annotations(as_json(tmp_path / "annotations.json", ANNOTATIONS), ASKED) == ANNOTATIONS


# --- what is wrong in a file ---------------------------------------------------------------------------------------
V1_INFO = {"description": "This is v1.0 of the VQA dataset.", "url": "http://visualqa.org", "version": "1.0"}


def v1_ids(content: dict[str, Any]) -> None:
    for row in content.get("questions", content.get("annotations")):
        row["question_id"] = row["image_id"] * 10 + row["question_id"] % 1000


WRONG: dict[str, list[tuple[Callable[[dict[str, Any]], Any], list[str]]]] = {
    "Karpathy split": [
        (lambda c: c["images"][0]["sentences"][0].update(raw="  \n"), ["681330", "522418", "empty", "remove or fill"]),
        (lambda c: c["images"][1]["sentences"][0].update(sentid=681330), ["681330", "2 times", "must be unique"]),
        (
            lambda c: c["images"][2].update(cocoid=391895),
            ["391895", "two files", "000000391895.jpg", "000000000009.jpg", "must be unique"],
        ),
        (lambda c: c["images"][0].update(split="dev"), ["'dev'", "known are train, restval, val, test"]),
        (lambda c: c.update(images=[]), ["no captions", "check"]),
        (lambda c: c["images"][0]["sentences"][0].update(raw=None), ["not a Karpathy", "check"]),
        (lambda c: c["images"][0]["sentences"][0].update(raw=7), ["not a Karpathy", "check"]),
        (lambda c: c.update(images=["x.jpg"]), ["not a Karpathy", "check"]),
    ],
    "COCO captions": [
        (lambda c: c["annotations"][1].update(image_id=5), ["annotation 787980", "image 5", "not listed", "remove"]),
        (lambda c: c["annotations"][1].update(id=48), ["caption id 48", "2 times", "must be unique"]),
        (lambda c: c["images"][1].update(id=57870), ["image id 57870", "2 times", "must be unique"]),
        (lambda c: c["annotations"][0].update(caption=" \n"), ["48", "384029", "empty", "remove or fill"]),
        (lambda c: c["annotations"][0].pop("caption"), ["annotation 48", "'caption'", "take captions_*.json"]),
        (lambda c: c["annotations"][0].pop("image_id"), ["annotation 48", "'image_id'", "COCO captions"]),
        (lambda c: c["annotations"][0].pop("id"), ["no id", "'id'", "COCO captions"]),
        (lambda c: c.update(annotations=[]), ["no captions", "check"]),
        (lambda c: c.update(images=["a.jpg"]), ["not a COCO captions file", "check"]),
        (lambda c: c["annotations"][0].update(caption=3), ["caption 48 of image 384029 is 3, not a text"]),
        (lambda c: c["annotations"][0].update(id="x"), ["'x'", "not an integer", "number the"]),
    ],
    "VQA v2 questions": [
        (lambda c: c.update(data_subtype="test2015"), ["test2015", "not public", "take val2014"]),
        (lambda c: c.update(data_subtype="test-dev2015"), ["test-dev2015", "not public", "take val2014"]),
        (lambda c: c["questions"][1].update(question_id=262148000), ["262148000", "2 times", "must be unique"]),
        (lambda c: c["questions"][1].update(question=["Is it day?"]), ["262148001", "not a text"]),
    ],
    "VQA v2 annotations": [
        (lambda c: c["annotations"].append(ROW), ["question id 262148001", "2 times", "must be unique"]),
        (lambda c: c["annotations"].append(ROW | {"question_id": 5}), ["question 5", "same release and split"]),
        (lambda c: c["annotations"].pop(), ["262148001", "no annotation", "same release"]),
        (lambda c: c["annotations"][1].update(answers=[]), ["question 262148001 has 0 answers", "defined for 10"]),
        (lambda c: c["annotations"][1]["answers"].pop(), ["question 262148001 has 9 answers", "defined for 10", "add"]),
        (
            lambda c: c["annotations"][0]["answers"].append({"answer": "yes"}),
            ["question 262148000 has 11 answers", "defined for 10"],
        ),
        (lambda c: c["annotations"][0]["answers"][3].update(answer=2), ["question 262148000 is 2, not a text"]),
        (
            lambda c: c["annotations"][0].update(multiple_choice_answer=None),
            ["the multiple_choice_answer of question 262148000 is None, not a text"],
        ),
        (lambda c: c["annotations"][0].update(answers=7), ["not a VQA v2 annotations file", "check"]),
    ],
}
HALF, BEYOND = "a boat \ud83d on water", 2**63  # half a character; one more than 64 bits hold
# Every id and every text of each format: the key, and where the message says it is.
IDS = {
    "Karpathy split": {"cocoid": "image id", "sentid": "caption id"}, "COCO captions": {"id": "id"},
    "VQA v2 questions": {"question_id": "question id", "image_id": "image id"},
    "VQA v2 annotations": {"question_id": "question id"},
}  # fmt: skip
TEXTS = {
    "Karpathy split": {"raw": "caption 681330 of image 522418", "filename": "the file name of image 522418"},
    "COCO captions": {"caption": "caption 48 of image 384029", "file_name": "the file name of image 384029"},
    "VQA v2 questions": {"question": "question 262148000"},
    "VQA v2 annotations": {
        "question_type": "the question_type of question 262148000", "answer": "an answer to question 262148000",
        "multiple_choice_answer": "the multiple_choice_answer of question 262148000",
        "answer_type": "the answer_type of question 262148000",
    },
}  # fmt: skip
for name in ("VQA v2 questions", "VQA v2 annotations"):
    WRONG[name] += [
        (lambda c: c.update(info=V1_INFO), ["version 1.0", "take version 2.0", "v2_"]),
        (v1_ids, ["version 1.0", "take version 2.0"]),
        (lambda c: c.update(info={"version": "3.0"}), ["version 3.0", "take version 2.0"]),
    ]


@every_reader
def test_a_file_with_wrong_content_is_refused(tmp_path: Path, reader: str) -> None:
    read, content = READERS[reader]
    for change, words in WRONG[reader]:
        path = as_json(tmp_path / "file.json", changed(content, change))
        refuses(lambda path=path: read(path), str(path), *words)


@every_reader
@pytest.mark.parametrize("value", [BEYOND, -BEYOND - 1, 1.5, True, None, "7"], ids=repr)
def test_an_id_that_a_table_cannot_hold_is_refused(tmp_path: Path, reader: str, value: Any) -> None:
    read, content = READERS[reader]
    for key, what in IDS[reader].items():
        path = as_json(tmp_path / "file.json", changed(content, lambda c, key=key: set_all(c, key, value)))
        refuses(lambda path=path: read(path), f"{path}: ", f"{what} {value!r} is not an integer of 64 bits")


def test_the_largest_and_smallest_ids_are_taken(tmp_path: Path) -> None:
    for value in (BEYOND - 1, -BEYOND, 0):
        content = changed(COCO, lambda c, value=value: c["annotations"][0].update(id=value))
        assert read_coco_captions(as_json(tmp_path / "file.json", content), "test")[0].caption_id == value


@every_reader
def test_half_a_character_is_refused_and_a_whole_one_is_read(tmp_path: Path, reader: str) -> None:
    read, content = READERS[reader]
    for key, what in TEXTS[reader].items():
        path = as_json(tmp_path / "file.json", changed(content, lambda c, key=key: set_all(c, key, HALF)))
        refuses(lambda path=path: read(path), str(path), what, "half a character, '\\ud83d'")
    text = json.dumps(content).replace("A ", "A \\ud83d\\udea3 ").replace("is he", "is \\ud83d\\udea3")
    path.write_text(text, encoding="utf-8")
    if reader != "VQA v2 annotations":
        assert "\U0001f6a3" in str(read(path))


@pytest.mark.parametrize("name", ["../apple/a.jpg", "/etc/a.jpg", "a/../../b.jpg", "..", ".", "a\0.jpg", ""])
@pytest.mark.parametrize(("reader", "key"), [("Karpathy split", "filename"), ("COCO captions", "file_name")])
def test_a_file_name_that_leads_outside_is_refused(tmp_path: Path, reader: str, key: str, name: Any) -> None:
    content = changed(READERS[reader][1], lambda c: [*holders(c, key)][-1].update({key: name, "filepath": ""}))
    content["annotations"] = [{"image_id": 222016, "id": 1, "caption": "A cat."}]
    refuses(lambda: READERS[reader][0](as_json(tmp_path / "file.json", content)), repr(name))


@pytest.mark.parametrize(
    ("reader", "keys"),
    [
        ("Karpathy split", "images filename split sentences raw sentid"),
        ("COCO captions", "images file_name annotations"),
        ("VQA v2 questions", "questions question_id image_id question"),
        (
            "VQA v2 annotations",
            "annotations question_id answers question_type answer_type multiple_choice_answer answer",
        ),
    ],
)
def test_a_file_without_a_key_is_refused_and_the_key_named(tmp_path: Path, reader: str, keys: str) -> None:
    read, content = READERS[reader]
    for key in keys.split():
        path = as_json(tmp_path / "file.json", changed(content, lambda c, key=key: [*holders(c, key)][-1].pop(key)))
        row = ["question 262148001"] if "answer" in key or key == "question_type" else []
        refuses(lambda path=path: read(path), str(path), repr(key), f"not a {reader} file", "check", *row)


@every_reader
@pytest.mark.parametrize("value", [None, [1], ["a.jpg"]])
def test_json_of_another_kind_is_refused(tmp_path: Path, reader: str, value: Any) -> None:
    path = tmp_path / "file.json"
    for content in (value, "images", 3, dict.fromkeys(("images", "annotations", "questions"), value)):
        as_json(path, content)
        refuses(lambda: READERS[reader][0](path), str(path), f"not a {reader} file", "check")


def test_version_2_and_other_data_with_ids_of_their_own_are_taken(tmp_path: Path) -> None:
    official = changed(QUESTIONS, lambda c: c.update(info=V1_INFO | {"version": "2.0"}))
    assert len(read_questions(as_json(tmp_path / "questions.json", official))) == 2
    own = changed(QUESTIONS, lambda c: (v1_ids(c), c.update(data_type="mine")))
    assert [row.question_id for row in read_questions(as_json(tmp_path / "questions.json", own))] == [2621480, 2621481]


# --- what all JSON formats come in ---------------------------------------------------------------------------------
@every_reader
def test_plain_gzipped_and_zipped_files_hold_the_same(tmp_path: Path, reader: str) -> None:
    read, content = READERS[reader]
    path, text = tmp_path / "file", json.dumps(content).encode()
    path.write_bytes(text)
    expected = read(path)
    for data in (gzip.compress(text), b"\xef\xbb\xbf" + text, zipped({"a/one.json": text, "LICENSE": b"CC BY"})):
        path.write_bytes(data)
        assert read(path) == expected
    path.write_bytes(zipped({"a/one.json": b"[]", "a/two.json": text}))
    assert read(path, "a/two.json") == expected


@every_reader
def test_a_member_that_is_not_there_or_not_named_is_asked_for(tmp_path: Path, reader: str) -> None:
    read, content = READERS[reader]
    path = tmp_path / "file.zip"
    path.write_bytes(zipped({"one.json": content, "two.json": content}))
    refuses(lambda: read(path), str(path), "2 JSON files", "one.json, two.json", "say which")
    refuses(lambda: read(path, "three.json"), str(path), "no three.json", "one.json, two.json", "check")
    path.write_bytes(zipped({"readme": b"text"}))
    refuses(lambda: read(path), str(path), "0 JSON files")
    refuses(lambda: read(path, "one.json"), str(path), "no one.json, but no JSON file", "check")
    as_json(path, content)
    refuses(lambda: read(path, "one.json"), str(path), "not a zip archive", "one.json", "run again")


@every_reader
def test_a_missing_file_is_named(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "nowhere" / "file.json"
    refuses(lambda: READERS[reader][0](path), str(path), "no such file", "check the path")
    refuses(lambda: READERS[reader][0](tmp_path), str(tmp_path), "cannot be opened", "check the path")
    (loop := tmp_path / "loop.json").symlink_to(loop)
    refuses(lambda: READERS[reader][0](loop), str(loop), "cannot be opened", "check the path")


ZIP = zipped({"captions.json": COCO})


@every_reader
@pytest.mark.parametrize(
    "data",
    [
        b'{"images": [', b"", b"\xff\xfe\x00{", b"<!DOCTYPE html><html></html>", ZIP[:-9], b"PK\x03\x04",
        ZIP[: len(ZIP) // 2], zipped({"captions.json": b"<html>"}), gzip.compress(json.dumps(COCO).encode())[:-20],
        b"\x1f\x8b\x08",
    ],
    ids=["half a JSON", "empty", "no text", "page", "zip without end", "start of a zip", "half a zip", "page in a zip",
         "half a gz", "start of a gz"],
)  # fmt: skip
def test_a_damaged_file_is_refused_and_to_be_downloaded_anew(tmp_path: Path, reader: str, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    refuses(lambda: READERS[reader][0](path), str(path), "delete it and run again to download it anew")


@every_reader
def test_what_lies_in_place_of_json_is_called_by_its_name(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    refuses(lambda: READERS[reader][0](path), str(path), "a pointer of Git LFS", "git lfs pull")


@pytest.mark.parametrize("kind", ["zip", "gz"])
def test_no_damage_of_an_archive_raises_anything_but_a_data_error(tmp_path: Path, kind: str) -> None:
    text = json.dumps(KARPATHY).encode()
    good = zipped({"dataset_coco.json": text}, zipfile.ZIP_DEFLATED) if kind == "zip" else gzip.compress(text)
    path, rng, refused = tmp_path / "file", random.Random(5), 0
    for trial in range(300):
        path.write_bytes(damaged(good, trial, rng))
        try:
            assert read_member_json(path) == KARPATHY
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert refused > 100


# --- Conceptual Captions -------------------------------------------------------------------------------------------
TSV = (
    "a very typical bus station\thttp://lh6.ggpht.com/-IvRtNLNcG8o/TpFyrudaT6I/dc.jpg?imgmax=800\n"
    "sierra  looked stunning\u2028in this top \thttp://78.media.tumblr.com/3b133294bdc7c7784b781.jpg\n"
    "café at night\thttps://example.org/a.jpg\r\n"
)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("end", ["\n", ""], ids=["whole", "no last line end"])
def test_conceptual_captions_are_numbered_texts_without_images(tmp_path: Path, packed: bool, end: str) -> None:
    path, data = tmp_path / "Train_GCC-training.tsv", (TSV.rstrip("\n") + end).encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    assert list(read_conceptual(path, "val")) == [
        Caption(0, "", "val", 0, "a very typical bus station"),
        Caption(1, "", "val", 1, "sierra looked stunning in this top"), Caption(2, "", "val", 2, "café at night"),
    ]  # fmt: skip


def test_a_mark_before_the_first_caption_is_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "own.tsv"
    path.write_text(TSV, encoding="utf-8-sig")
    assert next(read_conceptual(path, "train")).caption == "a very typical bus station"


def test_conceptual_captions_stream(tmp_path: Path) -> None:
    path = tmp_path / "Train_GCC-training.tsv"
    path.write_text("".join(f"a photo of {n} dogs\thttp://example.org/{n}.jpg\n" for n in range(30_000)))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_conceptual(path, "train")) == 30_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5e5 < path.stat().st_size / 8


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (TSV.encode() + b"a caption alone\n", ["line 4 ", "no tab", "run again"]),
        (TSV.encode() + b"\n", ["line 4 ", "no tab"]),
        (b"  \thttp://example.org/a.jpg\n", ["line 1 ", "empty caption", "remove"]),
        (TSV.encode() + "café\thttp://example.org/a.jpg\n".encode("latin-1"), ["line 4 ", "UTF-8", "run again"]),
        (b"\n<!DOCTYPE html>\n", ["line 1 "]), (b"<!DOCTYPE html>\n\t<html>\n", ["an HTML page", "run again"]),
        (b"<html lang='en'>\t\n", ["an HTML page", "run again"]), (b"", ["is empty", "run again"]),
        (TSV.encode() + b"http://x.example/1.jpg\ta boat\n", ["line 4 ", "no address in column 2", "'a boat'", "tab"]),
        (b"https://x.example/1\thttp://x.example/1\n", ["line 1 ", "an address as its caption"]),
        (b' "HTTP://x.example/1"\thttp://x.example/1\n', ["line 1 ", "an address as its caption"]),
        (b"ftp://x.example/1\thttp://x.example/1\n", ["line 1 ", "an address as its caption"]),
        (TSV.encode().replace(b"\n", b"\r"), ["line 1 ", "carriage return alone", "line feed"]),
        (b"caption\turl\n" + TSV.encode(), ["line 1 ", "no address in column 2, but 'url'"]),
        (gzip.compress(TSV.encode())[:-30], ["cut short", "run again"]),
        (gzip.compress(b""), ["is empty", "run again"]),
    ],
    ids=["no tab", "empty line", "empty caption", "Latin-1", "page later", "page", "page with tab", "empty",
         "columns swapped", "two addresses", "quoted address", "other address", "old Macintosh", "header", "half a gz",
         "empty gz"],
)  # fmt: skip
def test_a_wrong_table_of_conceptual_captions_is_refused(tmp_path: Path, data: bytes, words: list[str]) -> None:
    path = tmp_path / "Train_GCC-training.tsv"
    refuses(lambda: list(read_conceptual(path, "train")), str(path), "no such file", "check the path")
    path.write_bytes(data)
    refuses(lambda: list(read_conceptual(path, "train")), str(path), *words)


# --- images and answers of questions -------------------------------------------------------------------------------
def test_the_images_of_questions_are_listed_once_in_their_order_and_have_a_file_each() -> None:
    questions = [VqaQuestion(n, image, "?") for n, image in enumerate((262148, 42, 262148, 7))]
    assert question_images(questions, "val2014/COCO_val2014_{:012d}.jpg") == [
        ImageEntry(262148, "val2014/COCO_val2014_000000262148.jpg"),
        ImageEntry(42, "val2014/COCO_val2014_000000000042.jpg"), ImageEntry(7, "val2014/COCO_val2014_000000000007.jpg"),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"'\{:\.0e\}' names one file for several images; write \{:012d\}"):
        question_images([VqaQuestion(0, 101, "?"), VqaQuestion(1, 102, "?")], "{:.0e}")


def test_the_majority_answer_is_the_most_frequent_of_its_type_whatever_the_order_of_the_rows() -> None:
    rng = random.Random(4)
    for _ in range(200):
        rows = [
            {"question_type": rng.choice(["what", "how many"]), "multiple_choice_answer": rng.choice("abcd")}
            for _ in range(rng.randrange(1, 12))
        ]
        majority = majority_answers({"annotations": rows})
        assert majority.keys() == {row["question_type"] for row in rows}
        for kind, answer in majority.items():
            counts = Counter(row["multiple_choice_answer"] for row in rows if row["question_type"] == kind)
            assert counts[answer] == max(counts.values())
        for _ in range(3):
            rng.shuffle(rows)
            assert majority_answers({"annotations": rows}) == majority
