"""VQA accuracy against the official evaluation and against cases worked out by hand."""

import copy
import gzip
import json
from typing import Any

import pytest

from maccap.core.errors import DataError
from maccap.metrics import vqa_accuracy
from maccap.metrics.vqa import normalise_answer
from tests.helpers import SHARED

OFFICIAL = SHARED / "real" / "vqa_v2"


def question(question_id: int, humans: list[str], question_type: str = "what", answer_type: str = "other") -> dict:
    answers = [{"answer": text, "answer_confidence": "yes", "answer_id": n} for n, text in enumerate(humans, 1)]
    return {
        "question_id": question_id, "image_id": 1, "question_type": question_type, "answer_type": answer_type,
        "answers": answers,
    }  # fmt: skip


def accuracy(humans: list[str], answer: str) -> float:
    result = vqa_accuracy({"annotations": [question(1, humans)]}, [{"question_id": 1, "answer": answer}])
    return result["overall"]


@pytest.mark.parametrize(
    ("agreeing", "percent"), [(0, 0.0), (1, 30.0), (2, 60.0), (3, 90.0), (4, 100.0), (9, 100.0), (10, 100.0)]
)
def test_leave_one_out(agreeing: int, percent: float) -> None:
    humans = ["cat"] * agreeing + [f"other {n}" for n in range(10 - agreeing)]
    assert accuracy(humans, "cat") == percent


def test_answers_are_normalised_only_when_humans_differ() -> None:
    assert accuracy(["two dogs"] * 10, "2 dogs") == 0
    assert accuracy(["two dogs"] * 9 + ["three"], "2 dogs") == 100
    assert accuracy(["Yes"] * 10, " Yes\n") == 100
    assert accuracy(["Yes"] * 10, "yes") == 0


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("The Red, white", "red white"),
        ("None", "0"),
        ("ten", "10"),
        ("a", ""),
        ("1,000", "1000"),
        ("1,000 red/blue", "1000 redblue"),  # a comma between digits drops every mark
        ("red/blue", "red blue"),
        ("red/ blue/green-grey", "red bluegreen grey"),  # a mark that is beside a space once is dropped everywhere
        ("3.5.", "3.5"),
        ("st. x", "st x"),
        (".5", ".5"),
        ("." * 40, "." * 8),  # the official code strips no more than 32
        ("dont", "don't"),
        ("DONT", "don't"),
        ("Im", "im"),  # an upper-case key of the official table that lower-case words never meet
        ("couldn'tve", "couldn't've"),
        ("somebody'd", "somebodyd"),
        ("shes", "shes"),
        ("let's go", "let's go"),
        ("  two   words ", "2 words"),
    ],
)
def test_normal_form(raw: str, normal: str) -> None:
    assert normalise_answer(raw) == normal


def test_groups_and_input_left_alone() -> None:
    annotations = {
        "annotations": [
            question(1, ["yes"] * 10, "is the", "yes/no"),
            question(2, ["no"] * 8 + ["Two."] * 2, "is the", "number"),
            question(3, ["yes"] * 10, "how many", "number"),
        ]
    }
    before = copy.deepcopy(annotations)
    answers = {3: "no", 1: "yes", 2: "2"}
    result = vqa_accuracy(annotations, [{"question_id": id_, "answer": text} for id_, text in answers.items()])
    assert result == {
        "overall": 53.3333, "per_answer_type": {"yes/no": 100.0, "number": 30.0},
        "per_question_type": {"is the": 80.0, "how many": 0.0}, "per_question": {1: 100.0, 2: 60.0, 3: 0.0},
    }  # fmt: skip
    assert annotations == before


ANNOTATIONS = {"annotations": [question(1, ["yes"] * 10), question(2, ["no"] * 10)]}
ONE, TWO = {"question_id": 1, "answer": "yes"}, {"question_id": 2, "answer": ""}


@pytest.mark.parametrize(
    ("annotations", "results", "words"),
    [
        (ANNOTATIONS, [ONE], "1 questions without an answer .first: 2"),
        (ANNOTATIONS, [ONE, TWO, {"question_id": 3, "answer": "x"}], "not in the annotations .first: 3"),
        (ANNOTATIONS, [{"question_id": "1", "answer": "yes"}, TWO], "without an answer .first: 1"),
        (ANNOTATIONS, [ONE, TWO, ONE], "results: question 1 occurs twice"),
        ({"annotations": ANNOTATIONS["annotations"] * 2}, [ONE, TWO], "annotations: question 1 occurs twice"),
        (ANNOTATIONS, [ONE, {"question_id": 2}], "entry 2 has no 'answer'"),
        ({"annotations": [question(1, [])]}, [ONE], "entry 1 has no 'answers'"),
        (
            {"annotations": [question(1, ["yes"] * 3)]},
            [ONE],
            "question 1 has 3 answers; the accuracy is defined for 10",
        ),
        ({"annotations": [question(1, [2] * 10)]}, [ONE], "an answer to question 1 is 2, not a text"),
        (ANNOTATIONS, [ONE, {"question_id": 2, "answer": 2}], "the answer to question 2 is 2, not a text"),
        ({"annotations": []}, [], "there are none"),
        ({}, [], "there are none"),
        ({"annotations": [question(1, []) | {"answers": ["yes"] * 10}]}, [ONE], "not VQA v2's official objects"),
        ([], {}, "not VQA v2's official objects"),
    ],
)
def test_bad_input(annotations: dict, results: list[dict], words: str) -> None:
    with pytest.raises(DataError, match=words):
        vqa_accuracy(annotations, results)


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="needs the folder `shared` of reference data beside the checkout")
def test_equals_the_official_evaluation() -> None:
    annotations, results, expected = (read(f"{name}.json.gz") for name in ("annotations", "results", "expected"))
    ours = vqa_accuracy(annotations, results)
    assert ours["overall"] == expected["accuracy"]["overall"]
    assert ours["per_answer_type"] == expected["accuracy"]["perAnswerType"]
    assert ours["per_question_type"] == expected["accuracy"]["perQuestionType"]
    assert {str(id_): value for id_, value in ours["per_question"].items()} == expected["per_question"]


def read(name: str) -> Any:
    return json.loads(gzip.decompress((OFFICIAL / name).read_bytes()))
