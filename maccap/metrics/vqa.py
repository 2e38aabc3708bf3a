"""VQA v2 accuracy, after the official evaluation (GT-Vision-Lab/VQA, vqaEval.py), its quirks included."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from ..core.errors import DataError
from ..data.archives import expecting
from ..data.checks import check_text
from ..data.vqa import VqaQuestion, check_answers

if TYPE_CHECKING:
    import pandas as pd

QUESTION_FIELDS = ("question_id", "question_type", "answer_type", "answers")
ANSWER_FIELDS = ("question_id", "answer")
DIGITS = 4  # of the rounded percentages
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
DIGIT_COMMA = re.compile(r"\d,\d")
PERIOD = re.compile(r"\.(?!\d)")
MAX_PERIODS = 32  # the official code passes re.UNICODE, which is 32, where re.sub expects a count
NUMBER_WORDS = "zero one two three four five six seven eight nine ten"
NUMBERS = {"none": "0"} | {word: str(number) for number, word in enumerate(NUMBER_WORDS.split())}
ARTICLES = {"a", "an", "the"}
CONTRACTED = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've he's
how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's someone'd
someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're there's
they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
CONTRACTIONS = {"somebody'd": "somebodyd"} | {
    word[:at] + word[at + 1 :]: word for word in CONTRACTED.split() for at, letter in enumerate(word) if letter == "'"
}


class VqaAccuracy(TypedDict):
    """Percentages, rounded to four decimals: of all questions, by answer type, by question type, by question id."""

    overall: float
    per_answer_type: dict[str, float]
    per_question_type: dict[str, float]
    per_question: dict[int, float]


def vqa_accuracy(annotations: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> VqaAccuracy:
    """Score `results`, [{"question_id", "answer"}], against the official annotations, {"annotations": [...]}.

    An answer's accuracy is the mean over the ten ways to leave one human out of min(agreeing others / 3, 1).
    The humans of one question are told apart by their position. Raises DataError when a question is answered twice
    or not at all, an answer belongs to no question, an entry lacks a field, a question has other than ten answers of
    people, or an answer is no text.
    """
    with expecting("VQA annotations and results", "VQA v2's official objects"):
        questions = _by_question(annotations.get("annotations", []), QUESTION_FIELDS, "VQA annotations")
        answers = _by_question(results, ANSWER_FIELDS, "VQA results")
    _check_same(questions, answers)
    accuracy = {id_: _accuracy(question, answers[id_]["answer"]) for id_, question in questions.items()}
    return {
        "overall": _percent(list(accuracy.values())),
        "per_answer_type": _percent_by("answer_type", questions, accuracy),
        "per_question_type": _percent_by("question_type", questions, accuracy),
        "per_question": {id_: _percent([value]) for id_, value in accuracy.items()},
    }


def accuracy_rows(
    questions: Sequence[VqaQuestion], annotations: Mapping[str, Any], answers: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    """The rows of a metric file about answers, for each vqa_method and seed.

    The first row is about all questions, then come a row for each answer type, for each question type, and for each
    question. Columns that say nothing of a row are null.

    Raises:
        DataError: as for `vqa_accuracy`.
    """
    kinds = {row["question_id"]: row for row in annotations["annotations"]}
    names = ["trained", "vqa_method", "tested", "seed"]
    groups: Any = answers.groupby(names, sort=False)
    for about, own in groups:
        accuracy = vqa_accuracy(annotations, own[["question_id", "answer"]].to_dict("records"))
        identity = dict(zip(names, (*about[:3], int(about[3])), strict=True))
        nothing = dict.fromkeys(("answer_type", "question_type", "question_id", "image_id"))
        yield identity | nothing | {"accuracy": accuracy["overall"]}
        for column in ("answer_type", "question_type"):
            for kind, value in accuracy[f"per_{column}"].items():  # type: ignore[literal-required]
                yield identity | nothing | {column: kind, "accuracy": value}
        for question in questions:
            of = {name: kinds[question.question_id][name] for name in ("answer_type", "question_type")}
            ids = {"question_id": question.question_id, "image_id": question.image_id}
            yield identity | of | ids | {"accuracy": accuracy["per_question"][question.question_id]}


@functools.lru_cache(maxsize=100_000)
def normalise_answer(answer: str) -> str:
    """The official normal form: marks and periods stripped, lower case, digits for words, no articles, apostrophes."""
    words = [NUMBERS.get(word, word) for word in _without_punctuation(answer).lower().split()]
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def _without_punctuation(text: str) -> str:
    """Each mark becomes nothing if the text has it beside a space, or has a comma between digits; else a space."""
    has_digit_comma = DIGIT_COMMA.search(text) is not None
    stripped = text
    for mark in PUNCTUATION:
        drop = has_digit_comma or f"{mark} " in text or f" {mark}" in text
        stripped = stripped.replace(mark, "" if drop else " ")
    return PERIOD.sub("", stripped, count=MAX_PERIODS)


def _accuracy(question: Mapping[str, Any], answer: str) -> float:
    """Leave-one-out accuracy in [0, 1]; answers are normalised only if the humans' raw answers differ."""
    humans, given = [_trim(human["answer"]) for human in question["answers"]], _trim(answer)
    if len(set(humans)) > 1:
        humans, given = [normalise_answer(human) for human in humans], normalise_answer(given)
    agreeing = humans.count(given)
    return sum(min(1, (agreeing - (human == given)) / 3) for human in humans) / len(humans)


def _trim(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()


def _by_question(
    records: Sequence[Mapping[str, Any]], fields: Sequence[str], name: str
) -> dict[int, Mapping[str, Any]]:
    by_id: dict[int, Mapping[str, Any]] = {}
    for number, record in enumerate(records, start=1):
        lacking = [field for field in fields if record.get(field) in (None, [])]
        if lacking:
            raise DataError(f"{name}: entry {number} has no {lacking[0]!r}. Use the official VQA v2 format.")
        if record["question_id"] in by_id:
            raise DataError(f"{name}: question {record['question_id']} occurs twice. Keep one entry per question.")
        if "answers" in fields:
            check_answers(record, name)
        else:
            check_text(record["answer"], f"the answer to question {record['question_id']}", name)
        by_id[record["question_id"]] = record
    return by_id


def _check_same(questions: Mapping[int, Any], answers: Mapping[int, Any]) -> None:
    if not questions:
        raise DataError("VQA annotations: there are none. Give the official object, {'annotations': [...]}.")
    for ids, fault in (
        ([id_ for id_ in questions if id_ not in answers], "without an answer"),
        ([id_ for id_ in answers if id_ not in questions], "answered but not in the annotations"),
    ):
        if ids:
            raise DataError(
                f"VQA results: {len(ids)} questions {fault} (first: {', '.join(map(repr, ids[:5]))}); the annotations "
                f"hold {len(questions)}. Answer every question of the split once, with its integer question_id."
            )


def _percent(values: Sequence[float]) -> float:
    return round(100 * sum(values) / len(values), DIGITS)


def _percent_by(
    key: str, questions: Mapping[int, Mapping[str, Any]], accuracy: Mapping[int, float]
) -> dict[str, float]:
    groups: dict[str, list[float]] = defaultdict(list)
    for id_, question in questions.items():
        groups[question[key]].append(accuracy[id_])
    return {name: _percent(values) for name, values in groups.items()}
