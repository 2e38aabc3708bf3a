"""Samples for the pages: some test images with every method's captions, and some questions with every answer."""

import random
from collections import Counter
from typing import Any

import pandas as pd

from ..core.errors import DataError
from ..core.job import Job
from ..core.settings import GenerationSettings, settings
from ..data.captions import read_captions, references
from ..data.predictions import read_answers, read_predictions
from ..data.vqa import read_annotations, read_questions
from ..metrics.metric_files import read_metrics
from .images import attended, jpeg, read_shown

RANDOM_IMAGES = 12
RANDOM_QUESTIONS = 12
DRAWN = "drawn at random"
LEAD = "maccap"  # the method whose captions are looked into


def image_samples(job: Job) -> list[dict[str, Any]]:
    """For each in-domain test set that MacCap was run on: some images with all captions of the first seed.

    They are those that the config names under `samples`, MacCap's best and worst by CIDEr, and seeded random ones.
    `files` hold what the samples show. `image` is square, as the encoder sees it. A candidate's score is CLIP's cosine,
    a caption's CIDEr, None where a method gave none. `left_out` is the number of the reference that `human` says and
    `ceiling` is given, None without these.

    Raises:
        DataError: the config names an image that is not in the test set.
    """
    if not job.settings["captioned"]:
        return []
    captions, metrics = (
        _of_first_seed(job, read(job.inputs[name]))
        for read, name in ((read_predictions, "predictions"), (read_metrics, "metrics"))
    )
    samples = []
    for dataset in job.settings["captioned"]:
        own = captions[(captions.trained == dataset) & (captions.tested == dataset)]
        scores = metrics[(metrics.trained == dataset) & (metrics.tested == dataset) & metrics.image_id.notna()]
        experiments = [name for name in job.settings["shown"] if name in set(own.experiment)]
        leads = [
            name
            for name in experiments
            if _method(job.settings, name) == LEAD and f"experiments.{name}.given" not in job.settings
        ]
        if leads:
            outputs = {name: own[own.experiment == name].set_index("image_id") for name in experiments}
            cider = {
                name: dict(zip(rows.image_id.astype(int), rows["CIDEr"], strict=True))
                for name in experiments
                for rows in [scores[scores.experiment == name]]
            }
            samples.append(_of_dataset(job, dataset, leads[0], outputs, cider))
    return samples


def _of_first_seed(job: Job, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first seed; published predictions have none."""
    return rows[rows.seed.isna() | (rows.seed == job.settings["seed"])]


def _method(cfg: dict[str, Any], experiment: str) -> str | None:
    return cfg.get(f"runs.{cfg.get(f'experiments.{experiment}.run')}.method")


def _of_dataset(
    job: Job, dataset: str, lead: str, outputs: dict[str, pd.DataFrame], cider: dict[str, dict[int, float]]
) -> dict[str, Any]:
    cfg = job.settings
    chosen = _choose(cider[lead], cfg.get(f"samples.{dataset}", []), cfg["seed"])
    generation = settings(GenerationSettings, cfg, "generation", f"experiments.{lead}.generation")
    grid, patches = attended(job.inputs[f"features_{dataset}"], list(chosen), generation.subregions)
    shown = read_shown(job.input(f"store_{dataset}"), job.input(f"images_{dataset}"), list(chosen))
    asked = references(read_captions(job.input(f"captions_{dataset}")))
    left_out = {  # the same for all that leave one out, as all are of one seed
        image_id: int(number)
        for rows in outputs.values()
        for image_id, number in rows.left_out_reference.dropna().items()
    }
    images = []
    for image_id, why in chosen.items():
        own: Any = outputs[lead].loc[image_id]
        texts, scores = own["candidates"] or [own["caption"]], own["scores"] or [own["image_cosine"]]
        scored, best = zip(texts, scores, strict=True), texts.index(own["caption"])
        candidates = [
            {"text": text, "score": score, "chosen": number == best} for number, (text, score) in enumerate(scored)
        ]
        captions = [
            {
                "label": cfg[f"experiments.{name}.label"],
                "text": rows.caption[image_id] if image_id in rows.index else "",
                "score": cider[name].get(image_id),
            }
            for name, rows in outputs.items()
        ]
        images.append(
            {
                "image_id": image_id,
                "why": why,
                "drawn": why == DRAWN,
                "image": jpeg(shown[image_id], square=True),
                "grid": grid,
                "patches": patches[image_id],
                "candidates": candidates,
                "captions": captions,
                "references": asked[image_id],
                "left_out": left_out.get(image_id),
            }
        )
    return {"dataset": dataset, "files": list(map(str, job.inputs["predictions"])), "images": images}


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


def question_samples(job: Job) -> list[dict[str, Any]]:
    """Seeded random questions about each data set that was asked about, with every answer of the first seed.

    An answer's score is its accuracy; `given` are the answers of the annotation with counts, the most frequent first.
    """
    if not job.settings["asked"]:
        return []
    answers, metrics = (
        _of_first_seed(job, read(job.inputs[name]))
        for read, name in ((read_answers, "answers"), (read_metrics, "answer_metrics"))
    )
    scores = metrics[metrics.question_id.notna()]
    return [
        _questions(job, dataset, answers[answers.tested == dataset], scores[scores.tested == dataset])
        for dataset in job.settings["asked"]
    ]


def _questions(job: Job, dataset: str, answers: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    questions = read_questions(job.input(f"questions_{dataset}"))
    annotations = read_annotations(job.input(f"annotations_{dataset}"), questions)["annotations"]
    given = {row["question_id"]: [answer["answer"] for answer in row["answers"]] for row in annotations}
    drawn = random.Random(job.settings["seed"]).sample(questions, min(RANDOM_QUESTIONS, len(questions)))
    method, several = ["trained", "vqa_method"], answers.trained.nunique() > 1
    outputs = {name: rows.set_index("question_id").answer for name, rows in answers.groupby(method, sort=False)}
    accuracy = {name: rows.set_index("question_id").accuracy for name, rows in scores.groupby(method)}
    shown = read_shown(job.input(f"store_{dataset}"), job.input(f"images_{dataset}"), [row.image_id for row in drawn])
    samples = [
        {
            "question_id": row.question_id,
            "question": row.question,
            "image": jpeg(shown[row.image_id]),
            "answers": [
                {
                    "label": job.settings[f"vqa_methods.{name}.label"] + f" (trained on {trained})" * several,
                    "text": own[row.question_id],
                    "score": float(accuracy[trained, name][row.question_id]),
                }
                for (trained, name), own in outputs.items()
            ],
            "given": Counter(given[row.question_id]).most_common(),
        }
        for row in drawn
    ]
    return {"dataset": dataset, "files": list(map(str, job.inputs["answers"])), "questions": samples}
