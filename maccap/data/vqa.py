"""VQA v2 questions and annotations in the official JSON formats, plain or in the official zip archives."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, DataError, flat
from .archives import expecting, read_member_json
from .captions import ImageEntry
from .checks import check_id, check_text, check_unique

FORMAT = {
    "description": "questions of VQA v2",
    "keys": ("questions", "annotations", "images", "image_name"),
}
_ANNOTATION_KEYS = ("question_id", "question_type", "answer_type", "multiple_choice_answer", "answers")
ANSWERS = 10  # of people to a question: the official accuracy counts the nine others of each
_SAME = "use questions and annotations of the same release and split"


@dataclass(frozen=True)
class VqaQuestion:
    question_id: int
    image_id: int
    question: str


def read_questions(path: Path | str, member: str | None = None) -> list[VqaQuestion]:
    """The questions of an official questions file.

    Args:
        member: the JSON file inside, where `path` is a zip archive that holds several.

    Raises:
        DataError: another format or version, the questions of a test split, whose answers are not public, an id that is
            no integer of 64 bits, a question id that occurs twice, or a question that is no text.
    """
    content = read_member_json(path, member)
    with expecting(path, "a VQA v2 questions file"):
        _check_release(path, content, content["questions"])
        if content.get("data_type") == "mscoco" and content.get("data_subtype", "").startswith("test"):
            raise DataError(
                f"{path}: questions of {content['data_subtype']}, whose annotations are not public; take val2014"
            )
        rows = [VqaQuestion(q["question_id"], q["image_id"], q["question"]) for q in content["questions"]]
        for row in rows:
            check_id(row.image_id, "image", path)
            check_text(row.question, f"question {row.question_id}", path)
    return rows


def read_annotations(path: Path | str, questions: list[VqaQuestion], member: str | None = None) -> dict[str, Any]:
    """The official annotations object of exactly these questions.

    Args:
        member: the JSON file inside, where `path` is a zip archive that holds several.

    Raises:
        DataError: another format or version, a question without an annotation or with two, an annotation of a question
            that is not among them, other than ten answers to a question, or an answer that is no text.
    """
    content = read_member_json(path, member)
    with expecting(path, "a VQA v2 annotations file"):
        rows = content["annotations"]
        _check_release(path, content, rows)
        for row in rows:
            absent = [key for key in _ANNOTATION_KEYS if key not in row]
            if not absent and any("answer" not in answer for answer in row["answers"]):
                absent = ["answer"]
            if absent:
                raise DataError(
                    f"{path}: not a VQA v2 annotations file: the annotation of question "
                    f"{row.get('question_id', '(no id)')} has no {absent[0]!r}; check that this is the right file"
                )
            for key in _ANNOTATION_KEYS[1:-1]:
                check_text(row[key], f"the {key} of question {row['question_id']}", path)
            check_answers(row, path)
    asked = {row.question_id for row in questions}
    if silent := sorted(asked - {row["question_id"] for row in rows}):
        raise DataError(f"{path}: question {silent[0]} has no annotation; {_SAME}")
    if other := sorted({row["question_id"] for row in rows} - asked):
        raise DataError(f"{path}: question {other[0]} is annotated but not among the questions; {_SAME}")
    return content


def check_answers(row: Mapping[str, Any], source: Path | str) -> None:
    """Raise a DataError unless an annotation has ten answers that are texts."""
    if len(row["answers"]) != ANSWERS:
        raise DataError(
            f"{source}: question {row['question_id']} has {len(row['answers'])} answers; the accuracy is defined for "
            f"{ANSWERS}: add the others, or remove the question from both files"
        )
    for answer in row["answers"]:
        check_text(answer["answer"], f"an answer to question {row['question_id']}", source)


def _check_release(path: Path | str, content: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Refuse wrong question ids; and VQA v1, known by its version or else by ids made as image id x 10 + number."""
    check_unique((row["question_id"] for row in rows), "question", path)
    version = content.get("info", {}).get("version")
    if version is None and content.get("data_type") == "mscoco" and rows:
        version = "1.0" if all(row["question_id"] // 10 == row["image_id"] for row in rows) else None
    if version not in (None, "2.0"):
        raise DataError(
            f"{path}: VQA version {flat(version)}; take version 2.0, of which the official files begin with v2_"
        )


def question_images(questions: list[VqaQuestion], template: str) -> list[ImageEntry]:
    """The images that the questions are about, each once, in the order of the questions.

    Args:
        template: the file name with the image id left open, such as `val2014/COCO_val2014_{:012d}.jpg`.

    Raises:
        ConfigError: the template names one file for several images.
    """
    ids = dict.fromkeys(row.image_id for row in questions)
    entries = [ImageEntry(image_id, template.format(image_id)) for image_id in ids]
    if len({entry.file_name for entry in entries}) < len(entries):
        raise ConfigError(f"{template!r} names one file for several images; write {{:012d}} where the image id goes")
    return entries


def majority_answers(annotations: dict[str, Any]) -> dict[str, str]:
    """{question type: its most frequent answer}: what a blind guesser says."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in annotations["annotations"]:
        counts[row["question_type"]][row["multiple_choice_answer"]] += 1
    return {kind: min(c, key=lambda answer: (-c[answer], answer)) for kind, c in counts.items()}
