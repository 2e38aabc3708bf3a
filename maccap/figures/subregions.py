"""An image with the patches that CLIP attends to most, and the attention itself."""

from pathlib import Path
from textwrap import wrap
from typing import Any

import torch
from PIL import Image, ImageOps

from ..core.artifacts import atomic
from ..inference.run import ImageCaption
from ..models.subregions import attended_tokens

PANEL = 3.65  # inches


def draw_subregions(image: Image.Image, attention: torch.Tensor, caption: ImageCaption, k: int, out: Path) -> None:
    """Save, as PNG, the image as the encoder crops it with its k attended patches numbered, and the attention beside.

    Args:
        attention: of the encoder's last block, [T, T], class token first.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    grid = int((len(attention) - 1) ** 0.5)
    side = 64 * grid
    square = ImageOps.fit(image, (side, side))
    title = wrap(caption.text, 90)
    told = ["candidates, with CLIP's scores"]
    for text, score in zip(caption.candidates, caption.scores, strict=True):
        told += wrap(f"{score:.3f}  {text}", 120)
    above, below = 0.45 + 0.2 * len(title), 0.35 + 0.14 * len(told)
    height = above + PANEL + below
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, height))
    left.imshow(square)
    for rank, token in enumerate(attended_tokens(attention.unsqueeze(0), k)[0].tolist(), start=1):
        if token == 0:
            continue
        y, x = divmod(token - 1, grid)
        left.add_patch(plt.Rectangle((64 * x, 64 * y), 63, 63, fill=False, edgecolor="white", linewidth=4))
        left.add_patch(plt.Rectangle((64 * x, 64 * y), 63, 63, fill=False, edgecolor="crimson", linewidth=2))
        left.text(64 * x + 5, 64 * y + 18, str(rank), color="white", fontsize=9, backgroundcolor="crimson")
    left.set_title(f"the {k} most attended tokens, by rank", fontsize=9)
    right.imshow(square.convert("L"), cmap="gray")
    heat = attention[0, 1:].reshape(grid, grid)
    right.imshow(heat, extent=(0, side, side, 0), cmap="inferno", alpha=0.6, interpolation="bilinear")
    right.set_title("attention of the class token", fontsize=9)
    for axes in (left, right):
        axes.set_axis_off()
    plain: dict[str, Any] = {"ha": "center", "parse_math": False}
    figure.text(0.5, 1 - 0.1 / height, "\n".join(title), va="top", fontsize=12, fontweight="bold", **plain)
    figure.text(
        0.5, 0.1 / height, "\n".join(told), va="bottom", fontsize=8, family="monospace", multialignment="left", **plain
    )
    figure.subplots_adjust(bottom=below / height, top=1 - above / height, left=0.02, right=0.98, wspace=0.04)
    with atomic(out) as part:
        figure.savefig(part, format="png", dpi=120)
    plt.close(figure)
