"""All predictions of one test set -> caption metrics, one file each, with every image's own scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from ..artifacts import read_json, write_json
from ..datasets.captions import read_captions, references
from ..metrics import CaptionScores, check_coverage, clip_scores, ref_clip_scores, score_pairs
from . import Job

Features = dict[int, list[np.ndarray]]


def run(job: Job) -> None:
    rows = read_captions(job.input("captions"), split="test")
    all_references = references(rows)
    image_store = load_file(job.input("images"))
    images = dict(zip(map(int, image_store["ids"]), image_store["global"], strict=True))
    texts: Features = {}
    for row, feature in zip(rows, load_file(job.input("text_features"))["features"], strict=True):
        texts.setdefault(row.image_id, []).append(feature)

    sets = [read_json(path) for path in job.inputs["predictions"]]
    pairs = []
    for path, predictions in zip(job.inputs["predictions"], sets, strict=True):
        captions = {row["image_id"]: row["caption"] for row in predictions}
        check_coverage(all_references, captions, str(path))
        pairs.append((_own_references(all_references, predictions), captions))
    for out, predictions, features, scores in zip(
        job.outputs, sets, job.inputs["features"], score_pairs(pairs), strict=True
    ):
        _write(out, predictions, scores, load_file(features)["features"], images, texts)


def _without(values: list[Any], index: int | None) -> list[Any]:
    return values if index is None else values[:index] + values[index + 1 :]


def _own_references(everyone: dict[int, list[str]], predictions: list[dict[str, Any]]) -> Mapping[int, list[str]]:
    """The references, without the one that a human prediction was taken from."""
    left_out = {row["image_id"]: row["left_out_reference"] for row in predictions if "left_out_reference" in row}
    return {i: _without(texts, left_out.get(i)) for i, texts in everyone.items()} if left_out else everyone


def _write(
    out: Path,
    predictions: list[dict[str, Any]],
    scores: CaptionScores[int],
    captions: np.ndarray,
    images: dict[int, np.ndarray],
    texts: Features,
) -> None:
    image_rows = np.stack([images[row["image_id"]] for row in predictions])
    others = [np.stack(_without(texts[row["image_id"]], row.get("left_out_reference"))) for row in predictions]
    clip = 100 * clip_scores(image_rows, captions)
    ref_clip = 100 * ref_clip_scores(image_rows, captions, others)
    corpus = scores.corpus | {"CLIPScore": float(clip.mean()), "RefCLIPScore": float(ref_clip.mean())}
    per_item = {}
    for row, c, r in zip(predictions, clip, ref_clip, strict=True):
        own = scores.per_item[row["image_id"]] | {"CLIPScore": c, "RefCLIPScore": r}
        per_item[str(row["image_id"])] = {name: round(float(value), 4) for name, value in own.items()}
    write_json(out, {"corpus": corpus, "images": len(predictions), "per_item": per_item}, indent=None)
