"""Time and memory against the number of captions, images, noise draws and beams, as a table and a figure.

    python benchmarks/growth.py [--out benchmarks/growth.png] [--folder DIR]

Captions: training, see `corpus_growth.py`. The others: captioning random features with the embedded world's own models
(one thread), 160 images, 4 draws and 4 beams unless they are what grows; each point has a process of its own.
"""

import argparse
import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path

from corpus_growth import SIZES, in_own_process
from measured import in_process, measured
from tabulate import tabulate

WEIGHTS = Path(__file__).parents[1] / "maccap/world/weights"
GROWS = {"images": (40, 160, 640, 2560), "draws": (1, 2, 4, 8, 16), "beams": (1, 2, 4, 8)}
USUAL = {"images": 160, "draws": 4, "beams": 4}
STEPS = 200  # of training


def caption(images: int, draws: int, beams: int) -> dict[str, float]:
    """Seconds, and peak memory in bytes, of captioning in this process."""
    import torch
    from maccap_side import GENERATION, SELECTION, TRAINING
    from torch.nn import functional as F

    from maccap.data.features import ImageFeatures
    from maccap.inference.captioning import Captioner
    from maccap.methods.registry import load_method
    from maccap.models.encoder import load_encoder
    from maccap.models.language_model import load_language_model

    torch.set_num_threads(1)
    torch.manual_seed(0)
    encoder, lm = load_encoder(str(WEIGHTS / "clip-scenes")), load_language_model(str(WEIGHTS / "opt-scenes"))
    method = load_method("maccap", TRAINING.model_copy(update={"queries": 8}))
    generation = GENERATION.model_copy(update={"batch_size": 40, "beams": beams})
    selection = SELECTION.model_copy(update={"draws": draws})
    captioner = Captioner(encoder, lm, method, method.adaptor(encoder.dim, lm.dim).eval(), generation, draws, 0)
    count = len(encoder.model.visual.positional_embedding)
    tokens = F.normalize(torch.randn(images, count, encoder.dim), dim=-1)
    features = ImageFeatures(torch.arange(images), tokens[:, 0], tokens, torch.rand(images, count, count).softmax(-1))
    captioner.caption(features.rows(slice(2)), selection)
    return measured(lambda: replace(captioner).caption(features, selection), 1)


def train(count: int, folder: Path) -> dict[str, float]:
    """Seconds a step, and anonymous memory in bytes."""
    row = in_own_process(count, folder, STEPS)
    return {"seconds": 1 / row["steps_per_second"], "peak": row["trained_megabytes"] * 2**20}


def exponent(points: list[tuple[int, dict[str, float]]]) -> float:
    """The slope of time against size, both logarithmic, from the smallest size to the largest: 1 is linear."""
    (small, before), *_, (large, after) = points
    return math.log(after["seconds"] / before["seconds"]) / math.log(large / small)


def draw(found: dict[str, list[tuple[int, dict[str, float]]]], out: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D
    from matplotlib.ticker import EngFormatter

    shortened = EngFormatter(sep="")
    figure, axes = plt.subplots(2, len(found), figsize=(3 * len(found), 5.2), sharex="col", sharey="row")
    for (times, memory), (what, points) in zip(axes.T, found.items()):
        sizes = [size for size, _ in points]
        seconds = [one["seconds"] for _, one in points]
        times.loglog(sizes, seconds, "o-", label="measured")
        linear = [seconds[0] * size / sizes[0] for size in sizes]
        # unlike plot, this leaves the scale to what was measured
        times.add_artist(Line2D(sizes, linear, linestyle=":", color="grey", label="linear"))
        memory.semilogx(sizes, [one["peak"] / 2**30 for _, one in points], "o-", color="C1")
        memory.set_xticks(sizes, [shortened(size) for size in sizes], fontsize=8)
        memory.minorticks_off()
        memory.set_xlabel(what)
        times.set_title("training, a step" if what == "captions" else "captioning, all images", fontsize=9)
    axes[1, 0].set_ylim(bottom=0)
    axes[0, 0].legend(frameon=False, fontsize=8)
    axes[0, 0].set_ylabel("seconds")
    axes[1, 0].set_ylabel("memory (GiB)")
    figure.suptitle("Time and memory as the number of captions or images grows", fontsize=10)
    figure.tight_layout()
    figure.savefig(out, dpi=130, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".png"))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="needs 4 GB")
    parser.add_argument("--point", type=int, nargs=3, metavar=("IMAGES", "DRAWS", "BEAMS"), help="one, in this process")
    parsed = parser.parse_args()
    if parsed.point:
        print(json.dumps(caption(*parsed.point)))
        return
    found = {"captions": [(size, train(size, parsed.folder)) for size in SIZES]}
    for what, sizes in GROWS.items():
        points = [(size, USUAL | {what: size}) for size in sizes]
        found[what] = [
            (size, in_process(__file__, "--point", *(str(point[key]) for key in USUAL))) for size, point in points
        ]
    rows = [
        [what, f"{size:,}", one["seconds"], one["peak"] / 2**30]
        for what, points in found.items()
        for size, one in points
    ]
    print(tabulate(rows, ["what grows", "size", "seconds", "memory (GiB)"], "github", floatfmt=("", "", ".3f", ".2f")))
    print("\nexponent of time:", ", ".join(f"{what} {exponent(found[what]):.2f}" for what in found))
    draw(found, parsed.out)


if __name__ == "__main__":
    main()
