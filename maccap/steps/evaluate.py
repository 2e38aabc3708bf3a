"""All predictions of one test set -> caption metrics, one file each, with every image's own scores.

Predictions come in shards, `<trained on>/<experiment>/<tested on>/<seed>.<shard>.json`; those published by others come
whole, and may leave images out: they are scored on the images that they have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from ..core.artifacts import read_json, write_json
from ..core.job import Job
from ..data.captions import read_captions, references
from ..metrics import CaptionScores, check_coverage, clip_scores, ref_clip_scores, score_pairs, supply_spice

Features = dict[int, list[np.ndarray]]


@dataclass(frozen=True)
class Evaluation:
    """What one metric file is computed from; features [d] by image id, those of the captions in `stores`."""

    out: Path
    predictions: list[dict[str, Any]]
    references: Mapping[int, list[str]]
    stores: list[Path]
    images: dict[int, np.ndarray]
    texts: Features

    @property
    def captions(self) -> dict[int, str]:
        return {row["image_id"]: row["caption"] for row in self.predictions}


def run(job: Job) -> None:
    for evaluation, report in reports(evaluations(job)):
        write_json(evaluation.out, report, indent=None)


def evaluations(job: Job) -> list[Evaluation]:
    """What each of the job's outputs is computed from.

    Raises:
        DataError: predictions and references are not of the same images.
    """
    if job.inputs.get("spice"):
        supply_spice(job.inputs["spice"])
    rows = read_captions(job.input("captions"))
    all_references = references(rows)
    images: dict[int, np.ndarray] = {}
    for path in job.inputs["images"]:
        store = load_file(path)
        images |= dict(zip(map(int, store["ids"]), store["global"], strict=True))
    texts: Features = {}
    features = [feature for path in job.inputs["text_features"] for feature in load_file(path)["features"]]
    for row, feature in zip(rows, features, strict=True):
        texts.setdefault(row.image_id, []).append(feature)

    shards: dict[tuple[str, ...], list[Path]] = {}
    for path in job.inputs["predictions"]:
        shards.setdefault(_identity(path), []).append(path)
    found = []
    for out in job.outputs:
        parts = shards[_identity(out)]
        predictions = [row for path in parts for row in read_json(path)]
        stores = [path.with_suffix(".features.safetensors") for path in parts]
        asked = _asked(all_references, predictions)
        found.append(Evaluation(out, predictions, asked, stores, images, texts))
        check_coverage(asked, found[-1].captions, str(parts[0]))
    return found


def reports(evaluations: Sequence[Evaluation]) -> Iterator[tuple[Evaluation, dict[str, Any]]]:
    """The content of each metric file, with one start of each Java program for all."""
    scored = score_pairs([(evaluation.references, evaluation.captions) for evaluation in evaluations])
    for evaluation, scores in zip(evaluations, scored, strict=True):
        yield evaluation, _report(evaluation, scores)


def _identity(path: Path) -> tuple[str, ...]:
    """(trained on, experiment, tested on, seed) of a prediction or metric file."""
    return *path.parts[-4:-1], path.name.split(".")[0]


def _asked(everyone: dict[int, list[str]], predictions: list[dict[str, Any]]) -> Mapping[int, list[str]]:
    """The references to score against: of the images that published predictions have; a human's without their own."""
    if predictions[0].get("published"):
        return {row["image_id"]: everyone[row["image_id"]] for row in predictions}
    left_out = {row["image_id"]: row["left_out_reference"] for row in predictions if "left_out_reference" in row}
    return {i: _without(texts, left_out.get(i)) for i, texts in everyone.items()} if left_out else everyone


def _without(values: list[Any], index: int | None) -> list[Any]:
    return values if index is None else values[:index] + values[index + 1 :]


def _report(evaluation: Evaluation, scores: CaptionScores[int]) -> dict[str, Any]:
    predictions, images, texts = evaluation.predictions, evaluation.images, evaluation.texts
    captions = np.concatenate([load_file(path)["features"] for path in evaluation.stores])
    image_rows = np.stack([images[row["image_id"]] for row in predictions])
    others = [np.stack(_without(texts[row["image_id"]], row.get("left_out_reference"))) for row in predictions]
    clip = 100 * clip_scores(image_rows, captions)
    ref_clip = 100 * ref_clip_scores(image_rows, captions, others)
    corpus = scores.corpus | {"CLIPScore": float(clip.mean()), "RefCLIPScore": float(ref_clip.mean())}
    per_item = {}
    for row, c, r in zip(predictions, clip, ref_clip, strict=True):
        own = scores.per_item[row["image_id"]] | {"CLIPScore": c, "RefCLIPScore": r}
        per_item[str(row["image_id"])] = {name: round(float(value), 4) for name, value in own.items()}
    statistics = {str(image_id): own for image_id, own in scores.statistics.items()}
    report = {"corpus": corpus, "images": len(predictions), "of": len(images)}
    return report | {"per_item": per_item, "statistics": statistics}
