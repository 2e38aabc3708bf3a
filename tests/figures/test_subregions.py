"""An image's subregions are drawn with all that was said of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maccap.figures.subregions import draw_subregions
from maccap.inference.run import ImageCaption


@pytest.mark.parametrize("text", ["A cup. " * 40, r"From $\five$ on."], ids=["long", "no formula"])
@pytest.mark.parametrize("draws", [1, 16])
def test_all_candidates_stand_whole_below_the_image(tmp_path: Path, text: str, draws: int) -> None:
    out = tmp_path / "drawn.png"
    image, attention = Image.new("RGB", (96, 96), "red"), torch.ones(17, 17)
    draw_subregions(image, attention, ImageCaption(text, [text] * draws, [0.3] * draws), 4, out)
    drawn = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert (drawn[:, [0, -1]] == 255).all()
    assert (drawn[[0, -1]] == 255).all()
    image_ends = np.flatnonzero((drawn[:, drawn.shape[1] // 4] == (255, 0, 0)).all(axis=1))[-1]
    lines = (drawn[image_ends + 1 :].max(axis=2) < 100).any(axis=1)
    assert np.diff(lines.astype(int)).clip(0).sum() > draws
