"""CLIPScore and RefCLIPScore against their definitions, row by row."""

import math

import numpy as np
import pytest

from maccap.core.errors import DataError
from maccap.metrics import clip_scores, ref_clip_scores

RNG = np.random.default_rng(0)
IMAGES, REFERENCES = RNG.uniform(-1, 1, size=(2, 40))


def test_brute_force() -> None:
    clip, with_references = clip_scores(IMAGES), ref_clip_scores(IMAGES, REFERENCES)
    for row in range(40):
        by_image, by_text = 2.5 * max(IMAGES[row], 0), max(REFERENCES[row], 0)
        mean = 2 / (1 / by_image + 1 / by_text) if by_image and by_text else 0
        assert clip[row] == pytest.approx(by_image)
        assert with_references[row] == pytest.approx(mean)
    assert clip.min() == with_references.min() == 0 < with_references.max()


def test_known_values() -> None:
    assert clip_scores([1, 0, -1]).tolist() == [2.5, 0, 0]
    assert ref_clip_scores([1, 1, -1], [1, 0, 1]).tolist() == pytest.approx([10 / 7, 0, 0])


def test_bad_input() -> None:
    with pytest.raises(DataError, match="cosine of caption 1 to its image is missing or not finite"):
        clip_scores([0.5, math.nan])
    with pytest.raises(DataError, match="cosine of caption 0 to its nearest reference is missing"):
        ref_clip_scores([0.5], [math.nan])
