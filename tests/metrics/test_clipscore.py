"""CLIPScore and RefCLIPScore against their definitions, row by row."""

from __future__ import annotations

import math

import numpy as np
import pytest

from maccap.core.errors import DataError
from maccap.metrics import clip_scores, ref_clip_scores

RNG = np.random.default_rng(0)
IMAGES, CAPTIONS = RNG.normal(size=(40, 6)), RNG.normal(size=(40, 6))
REFERENCES = [RNG.normal(size=(1 + row % 4, 6)) for row in range(40)]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


def test_brute_force() -> None:
    clip, with_references = clip_scores(IMAGES, CAPTIONS), ref_clip_scores(IMAGES, CAPTIONS, REFERENCES)
    for row in range(40):
        by_image = 2.5 * max(cosine(IMAGES[row], CAPTIONS[row]), 0)
        by_text = max(*(cosine(CAPTIONS[row], r) for r in REFERENCES[row]), 0)
        mean = 2 / (1 / by_image + 1 / by_text) if by_image and by_text else 0
        assert clip[row] == pytest.approx(by_image)
        assert with_references[row] == pytest.approx(mean)
    assert clip.min() == with_references.min() == 0 < with_references.max()


def test_known_values() -> None:
    east, north, west = [1, 0], [0, 3], [-2, 0]
    assert clip_scores([east, east, east], [east, north, west]).tolist() == [2.5, 0, 0]
    scores = ref_clip_scores([east, east, east], [east, north, west], [[west, east], [north], [east, north]])
    assert scores.tolist() == pytest.approx([10 / 7, 0, 0])


def test_half_precision_is_widened_and_length_does_not_matter() -> None:
    half = (IMAGES * 100).astype(np.float16), (CAPTIONS * 100).astype(np.float16)
    scores = clip_scores(*half)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, clip_scores(IMAGES, CAPTIONS), atol=3e-3)


def test_bad_input() -> None:
    with pytest.raises(DataError, match="differ"):
        clip_scores(IMAGES, CAPTIONS[:-1])
    with pytest.raises(DataError, match="row 1 of the caption features is zero"):
        clip_scores([[1, 0], [0, 1]], [[1, 0], [0, 0]])
    with pytest.raises(DataError, match="not finite"):
        clip_scores([[math.nan, 0]], [[1, 0]])
    with pytest.raises(DataError, match=r"not \[rows, dimensions\]"):
        clip_scores(IMAGES[0], CAPTIONS[0])
    with pytest.raises(DataError, match="40 captions but 39 reference sets"):
        ref_clip_scores(IMAGES, CAPTIONS, REFERENCES[:-1])
    with pytest.raises(DataError, match="references of row 0"):
        ref_clip_scores(IMAGES[:1], CAPTIONS[:1], [np.zeros((0, 6))])
    with pytest.raises(DataError, match="row 0 of the reference features of row 0 is zero"):
        ref_clip_scores(IMAGES[:1], CAPTIONS[:1], [np.zeros((1, 6))])
