"""CLIPScore and RefCLIPScore (Hessel et al., EMNLP 2021) by the profile's own encoder.

Both follow from cosines that are measured where captions are made, so that predictions can be scored again without any
features.

Published values come from CLIP ViT-B/32 and captions behind the prompt "A photo depicts"; other encoders and prompts
give other numbers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...core.errors import DataError
from ..registry import CaptionSet, Metric, SetScores

WEIGHT = 2.5


def score(sets: Sequence[CaptionSet]) -> list[SetScores]:
    found = []
    for of_set in sets:
        assert of_set.cosines
        clip = 100 * clip_scores(of_set.cosines.images)
        ref_clip = 100 * ref_clip_scores(of_set.cosines.images, of_set.cosines.references)
        pairs = {"CLIPScore": clip, "RefCLIPScore": ref_clip}
        found.append(SetScores({name: (float(own.mean()), own.tolist()) for name, own in pairs.items()}))
    return found


def clip_scores(image_cosines: ArrayLike) -> NDArray[np.float64]:
    """CLIPScore of each caption, [N]: 2.5 * max(cos(image, caption), 0).

    Raises:
        DataError: a cosine is missing or not finite.
    """
    return WEIGHT * _positive(image_cosines, "its image")


def ref_clip_scores(image_cosines: ArrayLike, reference_cosines: ArrayLike) -> NDArray[np.float64]:
    """RefCLIPScore of each caption, [N]: the harmonic mean of CLIPScore (with its 2.5) and max(cos(caption, r), 0) of
    the nearest reference r; 0 where both are 0.

    Raises:
        DataError: a cosine is missing or not finite.
    """
    by_image, by_text = clip_scores(image_cosines), _positive(reference_cosines, "its nearest reference")
    total = by_image + by_text
    return np.divide(2 * by_image * by_text, total, out=np.zeros_like(total), where=total > 0)


def _positive(cosines: ArrayLike, to: str) -> NDArray[np.float64]:
    found = np.asarray(cosines, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise DataError(
            f"CLIPScore: the cosine of caption {bad[0]} to {to} is missing or not finite ({len(bad)} such)."
        )
    positive: NDArray[np.float64] = np.maximum(found, 0)
    return positive


METRIC = Metric("CLIPScore", ("CLIPScore", "RefCLIPScore"), 60, score, needs_cosines=True)
