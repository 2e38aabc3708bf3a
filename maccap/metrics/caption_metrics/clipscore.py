"""CLIPScore and RefCLIPScore (Hessel et al., 2021) by the profile's own encoder."""

from __future__ import annotations

from collections.abc import Sequence

from ..clipscore import clip_scores, ref_clip_scores
from ..registry import CaptionSet, Metric, SetScores


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


METRIC = Metric("CLIPScore", ("CLIPScore", "RefCLIPScore"), 60, score, needs_features=True)
