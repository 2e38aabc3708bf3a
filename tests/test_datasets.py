"""Readers of the real data sets' formats: what they give, and what they say of a file that is wrong."""

from __future__ import annotations

import copy
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maccap.datasets.captions import Caption, read_captions, references, write_captions
from maccap.datasets.karpathy import read_karpathy
from maccap.datasets.vqa import VqaQuestion, majority_answers, read_annotations, read_questions
from maccap.errors import DataError

# As the first entries of the real files look.
COCO: dict[str, Any] = {
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
TABLE = [
    Caption(5, "val2014/a.jpg", "train", 10, "A dog."), Caption(5, "val2014/a.jpg", "train", 11, "A big dog."),
    Caption(6, "b.jpg", "test", 12, "Zwei Köche “kochen”, 料理."),
]  # fmt: skip


def as_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def changed(content: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = copy.deepcopy(content)
    change(content)
    return content


def refuses(read: Callable[[], object], *words: str) -> None:
    """The call raises a DataError of one line that holds all the words."""
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


# --- Karpathy's split files ----------------------------------------------------------------------------------------
def test_coco_goes_by_cocoid_with_its_folder_and_restval_is_train(tmp_path: Path) -> None:
    cake = "val2014/COCO_val2014_000000522418.jpg"
    assert read_karpathy(as_json(tmp_path / "dataset_coco.json", COCO)) == [
        Caption(522418, cake, "train", 681330, "A woman cutting a large white sheet cake."),
        Caption(522418, cake, "train", 686718, "A woman marking a cake with the back of a chef's knife."),
        Caption(391895, "val2014/COCO_val2014_000000391895.jpg", "test", 770337, "A man with a red helmet."),
        Caption(9, "train2014/COCO_train2014_000000000009.jpg", "train", 3, "A café’s meal."),
    ]


def test_flickr30k_goes_by_imgid_without_a_folder(tmp_path: Path) -> None:
    assert read_karpathy(as_json(tmp_path / "dataset_flickr30k.json", FLICKR)) == [
        Caption(0, "1000092795.jpg", "train", 0, "Two young guys."),
        Caption(0, "1000092795.jpg", "train", 1, "Two men, in green shirts."),
        Caption(7, "10002456.jpg", "val", 2, "Several men."),
    ]


def _sentence(content: dict[str, Any], image: int = 0, n: int = 0) -> dict[str, Any]:
    return content["images"][image]["sentences"][n]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: _sentence(c).update(raw="  \n"), ["681330", "522418", "empty", "remove or fill"]),
        (lambda c: _sentence(c, 1).update(sentid=681330), ["681330", "2 times", "must be unique"]),
        (
            lambda c: c["images"][2].update(cocoid=391895),
            ["391895", "two files", "000000391895.jpg", "000000000009.jpg", "must be unique"],
        ),
        (lambda c: c.update(images=[]), ["no captions", "check"]),
        (lambda c: _sentence(c).update(raw=None), ["not a Karpathy", "fetch"]),
        (lambda c: _sentence(c).update(raw=7), ["not a Karpathy", "fetch"]),
        (lambda c: c.update(images=None), ["not a Karpathy", "fetch"]),
        (lambda c: c.update(images=["x.jpg"]), ["not a Karpathy", "fetch"]),
    ],
    ids=["empty caption", "caption id twice", "two files", "no image", "null", "number", "null list", "list of names"],
)
def test_a_split_file_with_wrong_content_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], words: list[str]
) -> None:
    path = as_json(tmp_path / "dataset_coco.json", changed(COCO, change))
    refuses(lambda: read_karpathy(path), str(path), *words)


@pytest.mark.parametrize("key", ["images", "filename", "split", "sentences", "raw", "sentid"])
def test_a_split_file_without_a_key_is_refused_and_the_key_named(tmp_path: Path, key: str) -> None:
    content = copy.deepcopy(COCO)
    holder = next(part for part in (content, content["images"][1], _sentence(content, 1)) if key in part)
    del holder[key]
    path = as_json(tmp_path / "dataset_coco.json", content)
    refuses(lambda: read_karpathy(path), str(path), repr(key), "not a Karpathy split file", "fetch")


@pytest.mark.parametrize("content", [[], ["images"], 3, None, "images"])
def test_json_of_another_kind_is_no_split_file(tmp_path: Path, content: Any) -> None:
    path = as_json(tmp_path / "dataset_coco.json", content)
    refuses(lambda: read_karpathy(path), str(path), "not a Karpathy split file", "fetch")


READERS: dict[str, Callable[[Path], object]] = {
    "splits": read_karpathy,
    "table": read_captions,
    "questions": read_questions,
    "annotations": lambda path: read_annotations(path, []),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_file_is_named_with_what_makes_it(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "nowhere" / "file.json"
    refuses(lambda: READERS[reader](path), str(path), "no such file", "run the rule")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("data", [b'{"images": [', b"", b"\xff\xfe\x00{", b"<html></html>"], ids=repr)
def test_a_file_that_is_not_json_is_refused(tmp_path: Path, reader: str, data: bytes) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(data)
    refuses(lambda: READERS[reader](path), str(path), "run again" if data or reader != "table" else "check")


# --- the caption table ---------------------------------------------------------------------------------------------
def test_a_table_comes_back_as_it_was_written_whole_or_by_split(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    write_captions(path, TABLE)
    assert read_captions(path) == TABLE
    assert read_captions(path, "train") == TABLE[:2]
    assert read_captions(path, split="test") == TABLE[2:]
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]] == [vars(c) for c in TABLE]


@pytest.mark.parametrize(
    "odd", ["\u2028", "\u2029", "\x85", "\x0c", "\x1c", "\r", "\n", "\t", '"', "\\", "🐕"], ids=ascii
)
def test_a_table_keeps_any_character(tmp_path: Path, odd: str) -> None:
    rows = [Caption(1, "a.jpg", "test", 1, f"One{odd}two."), Caption(2, f"b{odd}.jpg", "test", 2, "Three.")]
    write_captions(tmp_path / "captions.jsonl", rows)
    assert read_captions(tmp_path / "captions.jsonl") == rows


def test_a_split_that_the_table_lacks_is_named(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    write_captions(path, TABLE)
    refuses(lambda: read_captions(path, split="val"), str(path), "val", "no captions", "check")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Caption(7, "c.jpg", "test", 13, " "), ["13", "empty", "remove or fill"]),
        (Caption(7, "c.jpg", "test", 12, "A cat."), ["12", "2 times", "must be unique"]),
        (Caption(6, "c.jpg", "test", 13, "A cat."), ["6", "b.jpg", "c.jpg", "two files", "must be unique"]),
    ],
    ids=["empty caption", "caption id twice", "two files"],
)
def test_a_table_with_wrong_content_is_refused(tmp_path: Path, row: Caption, words: list[str]) -> None:
    path = tmp_path / "captions.jsonl"
    write_captions(path, [*TABLE, row])
    refuses(lambda: read_captions(path), str(path), *words)
    refuses(lambda: read_captions(path, "test"), str(path), *words)


@pytest.mark.parametrize(
    "line",
    [
        '{"image_id": 1, "file_name": "a.jpg", "split": "test", "caption_id": 1}',
        '{"image_id": 1, "file_name": "a.jpg", "split": "test", "caption_id": 1, "caption": "A.", "more": 1}',
        '{"image_id": 1, "file_name": "a.jpg", "split": "test", "caption_id": 1, "caption": null}',
        "[1, 2]",
        "7",
        '{"image_id": 1, "file',
    ],
    ids=["missing key", "unknown key", "null caption", "list", "number", "cut off"],
)
def test_a_damaged_line_of_a_table_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    refuses(lambda: read_captions(path), str(path), ";")


def test_references_are_grouped_by_image_in_the_order_of_the_table() -> None:
    rows = [TABLE[0], TABLE[2], TABLE[1]]
    assert list(references(rows).items()) == [(5, ["A dog.", "A big dog."]), (6, [TABLE[2].caption])]


# --- VQA v2 --------------------------------------------------------------------------------------------------------
def test_official_questions_and_annotations_are_read(tmp_path: Path) -> None:
    questions = read_questions(as_json(tmp_path / "questions.json", QUESTIONS))
    assert questions == [
        VqaQuestion(262148000, 262148, "Where is he looking?"),
        VqaQuestion(262148001, 262148, "Is it day?"),
    ]
    assert read_annotations(as_json(tmp_path / "annotations.json", ANNOTATIONS), questions) == ANNOTATIONS
    assert read_annotations(tmp_path / "annotations.json", questions[:1]) == ANNOTATIONS


def test_a_question_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    content = changed(QUESTIONS, lambda c: c["questions"][1].update(question_id=262148000))
    path = as_json(tmp_path / "questions.json", content)
    refuses(lambda: read_questions(path), str(path), "262148000", "2 times", "must be unique")


@pytest.mark.parametrize(
    "change",
    [lambda c: c["annotations"].pop(), lambda c: c["annotations"][1].update(answers=[])],
    ids=["none", "empty"],
)
def test_a_question_without_an_annotation_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    questions = read_questions(as_json(tmp_path / "questions.json", QUESTIONS))
    path = as_json(tmp_path / "annotations.json", changed(ANNOTATIONS, change))
    refuses(lambda: read_annotations(path, questions), str(path), "262148001", "no annotation", "same release")


@pytest.mark.parametrize("key", ["questions", "question_id", "image_id", "question"])
def test_questions_without_a_key_are_refused(tmp_path: Path, key: str) -> None:
    content = copy.deepcopy(QUESTIONS)
    del (content if key in content else content["questions"][1])[key]
    path = as_json(tmp_path / "questions.json", content)
    refuses(lambda: read_questions(path), str(path), repr(key), "not a VQA v2 questions file", "fetch")


@pytest.mark.parametrize(
    "key", ["annotations", "question_id", "answers", "question_type", "answer_type", "multiple_choice_answer"]
)
def test_annotations_without_a_key_are_refused(tmp_path: Path, key: str) -> None:
    content = copy.deepcopy(ANNOTATIONS)
    del (content if key in content else content["annotations"][1])[key]
    path = as_json(tmp_path / "annotations.json", content)
    refuses(lambda: read_annotations(path, []), str(path), repr(key), "not a VQA v2 annotations file", "fetch")


@pytest.mark.parametrize(
    "content", [[], {"questions": None, "annotations": None}, {"questions": [1], "annotations": [1]}, 5]
)
def test_json_of_another_kind_is_neither_questions_nor_annotations(tmp_path: Path, content: Any) -> None:
    path = as_json(tmp_path / "file.json", content)
    refuses(lambda: read_questions(path), str(path), "not a VQA v2 questions file", "fetch")
    refuses(lambda: read_annotations(path, []), str(path), "not a VQA v2 annotations file", "fetch")


def test_the_two_vqa_files_are_not_taken_for_each_other(tmp_path: Path) -> None:
    questions, annotations = as_json(tmp_path / "q.json", QUESTIONS), as_json(tmp_path / "a.json", ANNOTATIONS)
    refuses(lambda: read_questions(annotations), str(annotations), "'questions'")
    refuses(lambda: read_annotations(questions, []), str(questions), "'annotations'")


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


def test_without_annotations_there_is_no_majority() -> None:
    assert majority_answers({"annotations": []}) == {}
