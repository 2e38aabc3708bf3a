"""VQA v2 questions and annotations in the official JSON formats."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..artifacts import read_json
from ..errors import DataError


@dataclass(frozen=True)
class VqaQuestion:
    question_id: int
    image_id: int
    question: str


def read_questions(path: Path | str) -> list[VqaQuestion]:
    """The questions of an official questions file.

    Raises:
        DataError: another format, or a question id that occurs twice.
    """
    try:
        rows = [VqaQuestion(q["question_id"], q["image_id"], q["question"]) for q in read_json(path)["questions"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a VQA v2 questions file (missing {error}); fetch it again") from error
    counts = Counter(row.question_id for row in rows)
    if twice := [i for i, n in counts.items() if n > 1]:
        raise DataError(f"{path}: question id {twice[0]} occurs {counts[twice[0]]} times; ids must be unique")
    return rows


def read_annotations(path: Path | str, questions: list[VqaQuestion]) -> dict[str, Any]:
    """The official annotations object.

    Raises:
        DataError: another format, or a question without an annotation.
    """
    content = read_json(path)
    try:
        known = set()
        for row in content["annotations"]:
            for key in ("question_type", "answer_type", "multiple_choice_answer"):
                row[key]
            if row["answers"]:
                known.add(row["question_id"])
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a VQA v2 annotations file (missing {error}); fetch it again") from error
    for row in questions:
        if row.question_id not in known:
            raise DataError(f"{path}: question {row.question_id} has no annotation; use files of the same release")
    return content


def majority_answers(annotations: dict[str, Any]) -> dict[str, str]:
    """{question type: its most frequent answer}: what a blind guesser says."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in annotations["annotations"]:
        counts[row["question_type"]][row["multiple_choice_answer"]] += 1
    return {kind: min(c, key=lambda answer: (-c[answer], answer)) for kind, c in counts.items()}
