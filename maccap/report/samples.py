"""Samples for the pages: some test images with every method's captions, and some questions with every answer."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.errors import DataError
from ..core.job import Job
from ..core.settings import DecodingSettings, settings
from ..data.captions import read_captions, references
from ..data.vqa import read_annotations, read_questions
from ..tables.captions import grouped
from . import pictures

RANDOM_IMAGES = 12
RANDOM_QUESTIONS = 12
DRAWN = "drawn at random"
LEAD = "maccap"  # the method whose captions are looked into


@dataclass(frozen=True)
class Candidate:
    """One caption that was generated, CLIP's score for it (cosine), and whether it was chosen."""

    text: str
    score: float
    chosen: bool


@dataclass(frozen=True)
class Said:
    """What one method, or one way of answering, said; `score` is CIDEr or VQA accuracy, None where it said nothing."""

    label: str
    text: str
    score: float | None


@dataclass(frozen=True)
class ImageSample:
    """One test image: `picture` is square, as the encoder sees it; `why` says how it was chosen."""

    image_id: int
    why: str
    drawn: bool
    picture: str
    grid: int
    patches: list[pictures.Patch]
    candidates: list[Candidate]
    captions: list[Said]
    references: list[str]


@dataclass(frozen=True)
class ImageSamples:
    """Samples of one data set's test images; `files` hold what the samples show."""

    dataset: str
    files: list[str]
    images: list[ImageSample]


@dataclass(frozen=True)
class QuestionSample:
    """One question; `humans` lists their answers with counts, the most frequent first."""

    question_id: int
    question: str
    picture: str
    answers: list[Said]
    humans: list[tuple[str, int]]


@dataclass(frozen=True)
class QuestionSamples:
    dataset: str
    files: list[str]
    questions: list[QuestionSample]


def image_samples(job: Job) -> list[ImageSamples]:
    """For each in-domain test set that MacCap was run on: some images with all captions.

    They are those that the config names under `samples`, MacCap's best and worst by CIDEr, and seeded random ones.

    Raises:
        DataError: the config names an image that is not in the test set.
    """
    metrics = {tuple(path.parts[-4:-1]): path for path in job.inputs["metrics"]}
    by_dataset: dict[str, dict[str, list[Path]]] = {}
    for (trained, experiment, tested), files in grouped(job.inputs["predictions"]).items():
        if trained == tested:
            by_dataset.setdefault(tested, {})[experiment] = [Path(file) for file in files]
    samples = []
    for dataset, shards in by_dataset.items():
        leads = [name for name in shards if _method(job.cfg, name) == LEAD]
        if leads:
            scores = {name: read_json(metrics[dataset, name, dataset])["per_item"] for name in shards}
            samples.append(_of_dataset(job, dataset, leads[0], shards, scores))
    return samples


def _method(cfg: dict[str, Any], experiment: str) -> str | None:
    return cfg.get(f"runs.{cfg.get(f'experiments.{experiment}.run')}.method")


def _of_dataset(
    job: Job, dataset: str, lead: str, shards: dict[str, list[Path]], scores: dict[str, dict[str, Any]]
) -> ImageSamples:
    cfg = job.cfg
    said = {name: {row["image_id"]: row for path in paths for row in read_json(path)} for name, paths in shards.items()}
    asked_for = cfg.get(f"samples.{dataset}", [])
    chosen = _choose({int(i): own["CIDEr"] for i, own in scores[lead].items()}, asked_for, cfg["seed"])
    decoding = settings(DecodingSettings, cfg, "decoding", f"experiments.{lead}.decoding")
    grid, patches = pictures.attended(_of(job, "features", dataset), list(chosen), decoding.subregions)
    shown = pictures.pictures(_of(job, "pictures", dataset)[0], _of(job, "images", dataset)[0], list(chosen))
    asked = references(read_captions(_of(job, "captions", dataset)[0]))
    images = []
    for image_id, why in chosen.items():
        own = said[lead][image_id]
        best = own["candidates"].index(own["caption"])
        scored = zip(own["candidates"], own["scores"], strict=True)
        candidates = [Candidate(text, score, number == best) for number, (text, score) in enumerate(scored)]
        captions = [
            Said(
                cfg[f"experiments.{name}.label"],
                rows.get(image_id, {}).get("caption", ""),
                scores[name].get(str(image_id), {}).get("CIDEr"),
            )
            for name, rows in said.items()
        ]
        picture = pictures.jpeg(shown[image_id], square=True)
        images.append(
            ImageSample(
                image_id, why, why == DRAWN, picture, grid, patches[image_id], candidates, captions, asked[image_id]
            )
        )
    files = [str(path) for paths in shards.values() for path in paths]
    return ImageSamples(dataset, files, images)


def _choose(cider: dict[int, float], asked_for: list[int], seed: int) -> dict[int, str]:
    """{image id: why}: those asked for, the best and the worst of all, then seeded random ones."""
    if unknown := [image_id for image_id in asked_for if image_id not in cider]:
        raise DataError(f"samples: image {unknown[0]} is not in the test set; correct `samples` in the config")
    ids = sorted(cider)
    ranked = sorted(ids, key=lambda i: -cider[i])
    chosen = dict.fromkeys(asked_for, "chosen in the config")
    for image_id, why in zip(ranked[:1] + ranked[-1:], ("best CIDEr", "worst CIDEr")):
        chosen.setdefault(image_id, why)
    for image_id in random.Random(seed).sample(ids, min(RANDOM_IMAGES, len(ids))):
        chosen.setdefault(image_id, DRAWN)
    return chosen


def _of(job: Job, name: str, dataset: str) -> list[Path]:
    """The files of a named input that lie in a data set's folder."""
    return [path for path in job.inputs[name] if path.parent.name == dataset]


def question_samples(job: Job) -> list[QuestionSamples]:
    """Seeded random questions about each data set that was asked about, with every answer."""
    by_dataset: dict[str, dict[str, list[Path]]] = {}
    for path in job.inputs.get("answers", []):
        by_dataset.setdefault(path.parts[-3], {}).setdefault(path.parts[-2], []).append(path)
    metrics = {(path.parts[-2], path.parts[-3]): path for path in job.inputs.get("answer_metrics", [])}
    return [_questions(job, dataset, shards, metrics) for dataset, shards in by_dataset.items()]


def _questions(
    job: Job, dataset: str, shards: dict[str, list[Path]], metrics: dict[tuple[str, str], Path]
) -> QuestionSamples:
    questions = read_questions(_of(job, "questions", dataset)[0])
    annotations = read_annotations(_of(job, "annotations", dataset)[0], questions)["annotations"]
    given = {row["question_id"]: [answer["answer"] for answer in row["answers"]] for row in annotations}
    drawn = random.Random(job.cfg["seed"]).sample(questions, min(RANDOM_QUESTIONS, len(questions)))
    said, accuracy = {}, {}
    for name, paths in shards.items():
        said[name] = {row["question_id"]: row["answer"] for path in paths for row in read_json(path)}
        accuracy[name] = read_json(metrics[dataset, name])["per_question"]
    shown = pictures.pictures(
        _of(job, "pictures", dataset)[0], _of(job, "images", dataset)[0], [row.image_id for row in drawn]
    )
    samples = [
        QuestionSample(
            row.question_id,
            row.question,
            pictures.jpeg(shown[row.image_id]),
            [
                Said(
                    job.cfg[f"answerers.{name}.label"],
                    rows[row.question_id],
                    accuracy[name][str(row.question_id)],
                )
                for name, rows in said.items()
            ],
            Counter(given[row.question_id]).most_common(),
        )
        for row in drawn
    ]
    return QuestionSamples(dataset, [str(path) for paths in shards.values() for path in paths], samples)
