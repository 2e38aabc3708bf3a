"""Predictions of one test set -> caption metrics, one file per seed, with every image's own scores."""

import numpy as np
from safetensors.numpy import load_file

from ..artifacts import read_json, write_json
from ..datasets.captions import read_captions, references
from ..metrics import check_coverage, clip_scores, ref_clip_scores, score_sets
from . import Job


def run(job: Job) -> None:
    rows = read_captions(job.input("captions"), split="test")
    all_references = references(rows)
    images = load_file(job.input("images"))
    texts = load_file(job.input("text_features"))
    order = {int(image_id): row for row, image_id in enumerate(images["ids"])}
    of_image: dict[int, list[np.ndarray]] = {}
    for row, feature in zip(rows, texts["features"], strict=True):
        of_image.setdefault(row.image_id, []).append(feature)

    sets = [read_json(path) for path in job.inputs["predictions"]]
    for path, predictions in zip(job.inputs["predictions"], sets, strict=True):
        check_coverage(all_references, {row["image_id"]: row["caption"] for row in predictions}, str(path))
    for out, predictions, features, scores in zip(
        job.outputs, sets, job.inputs["features"], _caption_metrics(all_references, sets), strict=True
    ):
        captions = load_file(features)["features"]
        image_rows = images["global"][[order[row["image_id"]] for row in predictions]]
        others = [_without(of_image[row["image_id"]], row.get("left_out_reference")) for row in predictions]
        clip = 100 * clip_scores(image_rows, captions)
        ref_clip = 100 * ref_clip_scores(image_rows, captions, [np.stack(features) for features in others])
        corpus = scores.corpus | {"CLIPScore": float(clip.mean()), "RefCLIPScore": float(ref_clip.mean())}
        per_item = {
            str(row["image_id"]): {
                name: round(float(value), 4)
                for name, value in (scores.per_item[row["image_id"]] | {"CLIPScore": c, "RefCLIPScore": r}).items()
            }
            for row, c, r in zip(predictions, clip, ref_clip, strict=True)
        }
        write_json(out, {"corpus": corpus, "images": len(predictions), "per_item": per_item}, indent=None)


def _without(values: list, index: int | None) -> list:
    return values if index is None else values[:index] + values[index + 1 :]


def _caption_metrics(all_references: dict[int, list[str]], sets: list[list[dict]]) -> list:
    """Scores of all seeds in one go; where references are left out, each seed has its own references."""
    predictions = [{row["image_id"]: row["caption"] for row in rows} for rows in sets]
    if not any("left_out_reference" in row for row in sets[0]):
        return score_sets(all_references, predictions)
    scored = []
    for rows, captions in zip(sets, predictions, strict=True):
        own = {row["image_id"]: _without(all_references[row["image_id"]], row["left_out_reference"]) for row in rows}
        scored += score_sets(own, [captions])
    return scored
