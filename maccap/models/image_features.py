"""Images through a frozen encoder, batch by batch: global features, tokens and attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch.nn import functional as F

from ..core.progress import progress
from ..data.captions import ImageEntry
from ..data.features import write_store
from ..data.images import read_images
from .clip_features import image_tokens_and_attention
from .encoder import Encoder

CPU_IMAGES = 8  # images in a batch on a CPU: few enough for its caches


@torch.inference_mode()
def encode_images(encoder: Encoder, images: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalised global features, tokens and attention of some PIL images, on the CPU in float32."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        ready = torch.stack(list(pool.map(encoder.transform, images)))
    parts = []
    for batch in ready.split(CPU_IMAGES if encoder.device.type == "cpu" else len(ready)):
        global_, tokens, attention = image_tokens_and_attention(encoder.model, batch.to(encoder.device))
        parts.append([part.float().cpu() for part in (F.normalize(global_, dim=-1), tokens, attention)])
    global_, tokens, attention = map(torch.cat, zip(*parts, strict=True))
    return global_, tokens, attention


def encoded_batches(
    encoder: Encoder, store: Path | str, files: Sequence[str], batch_size: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """The named images of a folder or archive, in their order, as `encode_images` gives them batch by batch."""
    opened = read_images(store, files)
    for begin in progress(range(0, len(files), batch_size), "image features", -(-len(files) // batch_size)):
        yield encode_images(encoder, [next(opened) for _ in files[begin : begin + batch_size]])


def extract_image_features(
    encoder: Encoder, store: Path | str, images: Sequence[ImageEntry], out: Path | str, batch_size: int, dtype: str
) -> None:
    """Encode the images of a folder or archive, in the order of `images`, and write their store."""
    batches = encoded_batches(encoder, store, [image.file_name for image in images], batch_size)
    parts = [[part.to(getattr(torch, dtype)) for part in batch] for batch in batches]
    columns = dict(zip(("global", "tokens", "attention"), map(torch.cat, zip(*parts, strict=True)), strict=True))
    write_store(out, columns, {"ids": [image.image_id for image in images]}, dtype)
