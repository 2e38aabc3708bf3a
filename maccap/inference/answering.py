"""Visual questions through the captioning model: behind soft tokens, or behind the generated caption."""

from collections.abc import Sequence
from typing import Any

import torch

from ..core.errors import DataError
from ..core.progress import progress
from ..core.settings import AnsweringSettings
from ..data.features import ImageFeatures
from ..data.vqa import VqaQuestion
from ..models.language_model import LanguageModel
from .captioning import Captioner


def clean_answer(text: str) -> str:
    """The text up to a next question or line, without a final full stop."""
    return text.split("Question:")[0].split("\n")[0].strip().rstrip(".").strip()


def answer_questions(
    lm: LanguageModel,
    questions: Sequence[VqaQuestion],
    answering: AnsweringSettings,
    context: dict[int, str] | tuple[Captioner, ImageFeatures],
) -> list[dict[str, Any]]:
    """Official VQA results `[{question_id, answer}]`.

    Args:
        context: what stands before each question: its image's caption, from {image id: caption} (form `caption`), or
            its image's soft tokens, by a captioner from the images' features (form `prefix`, as released).

    Raises:
        DataError: a question asks about an image without a caption or features.
    """
    row_of = {} if isinstance(context, dict) else {int(image_id): row for row, image_id in enumerate(context[1].ids)}
    for row in questions:
        if row.image_id not in (context if isinstance(context, dict) else row_of):
            raise DataError(f"question {row.question_id} asks about image {row.image_id}, which is not in the set")
    ordered = sorted(questions, key=lambda row: (len(row.question), row.question_id))
    results = []
    size = answering.batch_size
    for begin in progress(range(0, len(ordered), size), "answering", -(-len(ordered) // size)):
        batch = ordered[begin : begin + size]
        prompts = [answering.prompt.format(question=row.question) for row in batch]
        if isinstance(context, dict):
            prefix = None
            prompts = [f"{context[row.image_id]} {text}" for row, text in zip(batch, prompts, strict=True)]
        else:
            captioner, images = context
            prefix = captioner.soft_tokens(images.rows(torch.tensor([row_of[row.image_id] for row in batch])))[:, 0]
        answers = lm.generate(
            prefix, prompts, beams=answering.beams, max_new_tokens=answering.max_new_tokens,
            length_penalty=answering.length_penalty,
        )  # fmt: skip
        results += [
            {"question_id": row.question_id, "answer": clean_answer(text)}
            for row, text in zip(batch, answers, strict=True)
        ]
    return sorted(results, key=lambda row: row["question_id"])
