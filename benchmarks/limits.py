"""How close training and captioning come to what the machine can do: achieved FLOP/s against its matrix products.

    python benchmarks/limits.py CAPTIONS [--threads 2] [--steps 10]

CAPTIONS is an annotation file in COCO's format. CLIP ViT-B/32 and OPT-125m sizes with random weights, float32, CPU. The
peak is that of products of 2048 x 2048 matrices, measured before and after in the same process. Operations are counted
by torch's own counter (matrix products and attention, forward and backward); what is not counted takes time only. Host
overhead is the part of a step's time that no torch operator takes. Images are encoded in threads of their own, where
torch does not count: their operations are those of the plain tower, and host overhead is not measured.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from full_size import CLIP, coco_captions, random_images, write
from maccap_side import GENERATION, SELECTION, TRAINING, prepared, text_set
from measured import machine
from tabulate import tabulate
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, register_flop_formula

from maccap.core.allocation import cores
from maccap.data.features import ImageFeatures
from maccap.inference.captioning import Captioner
from maccap.methods.registry import load_method
from maccap.models.attention_block import Block
from maccap.models.clip_features import image_tokens_and_attention
from maccap.models.encoder import load_encoder
from maccap.models.fast.matrix_products import onednn
from maccap.models.image_features import encode_images
from maccap.models.language_model import load_language_model
from maccap.models.torch_private import linear_pointwise
from maccap.training.trainer import Trainer

SIZE = 2048


def peak(seconds: float = 2.0) -> float:
    """FLOP/s of large matrix products, by the library that this package asks."""
    one, other = torch.randn(SIZE, SIZE), torch.randn(SIZE, SIZE)
    with torch.inference_mode(), onednn():
        F.linear(one, other)
        begun, count = time.perf_counter(), 0
        while time.perf_counter() - begun < seconds:
            F.linear(one, other)
            count += 1
    return count * 2 * SIZE**3 / (time.perf_counter() - begun)


@register_flop_formula(linear_pointwise())
def product(x: torch.Size, weight: torch.Size, *_: object, **__: object) -> int:
    """FLOP of a product by oneDNN, of the shapes of its factors; torch's counter does not know it."""
    return 2 * x.numel() * weight[0]


def achieved(
    work: Callable[[], object], repeats: int, counted: Callable[[], object] | None = None
) -> tuple[float, float, float | None]:
    """FLOP, seconds, and seconds outside torch operators, of one repeat.

    Work that runs in other threads has its operations counted on `counted`, which does the same in this one.
    """
    work()
    with FlopCounterMode(display=False) as counter:
        (counted or work)()
    begun = time.perf_counter()
    for _ in range(repeats):
        work()
    seconds = (time.perf_counter() - begun) / repeats
    if counted:
        return counter.get_total_flops(), seconds, None
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        begun = time.perf_counter()
        work()
        whole = time.perf_counter() - begun
    inside = sum(event.self_cpu_time_total for event in profiled.key_averages()) / 1e6
    return counter.get_total_flops(), seconds, max(0.0, whole - inside)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captions", type=Path)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--steps", type=int, default=10)
    parsed = parser.parse_args()
    torch.set_num_threads(parsed.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, coco_captions(parsed.captions))
        encoder = prepared(load_encoder(CLIP, pretrained=str(folder / "clip.pt")))
        lm = load_language_model(str(folder / "opt"))
        data = text_set(encoder, folder, json.loads((folder / "captions.json").read_text())[:480])
        before, works = peak(), {}
        for padding in (True, False):
            settings = TRAINING.model_copy(update={"count_padding": padding, "epochs": 100})
            method = load_method("maccap", settings)
            trainer = Trainer(method, lm, data, data, settings, 0, folder / "run", {"trained": "", "run": ""})
            works[f"training step, padding {'counted' if padding else 'left out'}"] = trainer.one_step, parsed.steps
        images = random_images(8)
        adaptor = method.adaptor(encoder.dim, lm.dim).eval().requires_grad_(False)
        captioner = Captioner(encoder, lm, method, adaptor, GENERATION, SELECTION.draws, 0)

        def encode() -> ImageFeatures:
            return ImageFeatures(torch.arange(8), *encode_images(encoder, list(images)))

        features = encode()
        blocks = [Block(block) for block in encoder.model.visual.transformer.resblocks]
        plain = torch.inference_mode()(lambda: image_tokens_and_attention(encoder.model, images, blocks))
        works["encoding 8 images"] = encode, parsed.steps, plain
        works["captioning them"] = lambda: replace(captioner).caption(features, SELECTION), 2
        found = {what: achieved(*work) for what, work in works.items()}
        after = peak()
    top = (before + after) / 2
    rows = [
        [what, flop / 1e9, seconds, flop / seconds / 1e9, f"{flop / seconds / top:.0%}", outside and 1e3 * outside]
        for what, (flop, seconds, outside) in found.items()
    ]
    print(machine(), f"\nmatrix products: {before / 1e9:.0f} GFLOP/s before, {after / 1e9:.0f} after\n")
    head = ["work", "GFLOP", "seconds", "GFLOP/s", "of the peak", "outside operators (ms)"]
    print(tabulate(rows, head, "github", floatfmt=("", ".0f", ".2f", ".0f", "", ".0f")))


if __name__ == "__main__":
    main()
