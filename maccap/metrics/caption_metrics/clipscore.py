"""CLIPScore and RefCLIPScore (Hessel et al., EMNLP 2021) by the profile's own encoder.

Published values come from CLIP ViT-B/32 and captions behind the prompt "A photo depicts"; other encoders and prompts
give other numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import DataError
from ..registry import CaptionSet, Metric, SetScores

WEIGHT = 2.5
PAIR = "Encode images, captions and references in the same order with the same encoder."


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    found = []
    for of_set in sets:
        assert of_set.features
        features = of_set.features()
        clip = 100 * clip_scores(features.images, features.captions)
        ref_clip = 100 * ref_clip_scores(features.images, features.captions, features.references)
        pairs = {"CLIPScore": clip, "RefCLIPScore": ref_clip}
        found.append(SetScores({name: (float(own.mean()), own.tolist()) for name, own in pairs.items()}))
    return found


def clip_scores(image_features: ArrayLike, caption_features: ArrayLike) -> NDArray[np.float64]:
    """CLIPScore of each caption: 2.5 * max(cos(image, caption), 0); [N, d], [N, d] -> [N].

    Any float type, normalised or not. Raises DataError when the shapes differ or a row has no direction.
    """
    images, captions = _unit(image_features, "image features"), _unit(caption_features, "caption features")
    if images.shape != captions.shape:
        raise DataError(
            f"CLIPScore: image features {images.shape} and caption features {captions.shape} differ. {PAIR}"
        )
    cosines: NDArray[np.float64] = np.einsum("nd,nd->n", images, captions)
    return WEIGHT * np.maximum(cosines, 0)


def ref_clip_scores(
    image_features: ArrayLike, caption_features: ArrayLike, reference_features: Sequence[ArrayLike]
) -> NDArray[np.float64]:
    """RefCLIPScore: the harmonic mean of CLIPScore (with its 2.5) and max(max over references cos(caption, r), 0).

    [N, d], [N, d] and N arrays [n_i, d] of at least one reference each -> [N]; 0 where both parts are 0.
    Raises DataError as `clip_scores` does, or when an image's references are missing.
    """
    by_image, captions = clip_scores(image_features, caption_features), _unit(caption_features, "caption features")
    if len(reference_features) != len(captions):
        raise DataError(f"RefCLIPScore: {len(captions)} captions but {len(reference_features)} reference sets. {PAIR}")
    by_text = np.zeros(len(captions))
    for row, (caption, features) in enumerate(zip(captions, reference_features, strict=True)):
        references = _unit(features, f"reference features of row {row}")
        if not len(references) or references.shape[1] != len(caption):
            raise DataError(
                f"RefCLIPScore: references of row {row} are {references.shape}, not [n, {len(caption)}]. {PAIR}"
            )
        by_text[row] = max((references @ caption).max(), 0)
    total = by_image + by_text
    return np.divide(2 * by_image * by_text, total, out=np.zeros_like(total), where=total > 0)


def _unit(features: ArrayLike, name: str) -> NDArray[np.float64]:
    """Rows of length 1, in float64."""
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise DataError(f"CLIPScore: {name} have shape {rows.shape}, not [rows, dimensions]. {PAIR}")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~np.isfinite(norms) | (norms == 0))
    if len(bad):
        raise DataError(
            f"CLIPScore: row {bad[0]} of the {name} is zero or not finite ({len(bad)} such). Encode it again."
        )
    unit: NDArray[np.float64] = rows / norms
    return unit


METRIC = Metric("CLIPScore", ("CLIPScore", "RefCLIPScore"), 60, score, needs_features=True)
