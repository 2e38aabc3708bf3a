"""Images through a frozen encoder, batch by batch: global features, tokens and attention."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from ..core.allocation import cores
from ..core.progress import progress
from ..data.captions import ImageEntry
from ..data.features import write_store
from ..data.images import read_images
from .clip_features import has_class_token, image_tokens_and_attention
from .encoder import CPU_IMAGES, Encoder
from .fast import plain


def encode_images(encoder: Encoder, images: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalised global features, tokens and attention of some PIL images, on the CPU in float32.

    On a CPU each of torch's threads prepares and encodes batches of at most CPU_IMAGES by itself, which is faster than
    sharing every product; elsewhere threads only prepare the images of one batch. A tower without a class token gives
    no tokens and no attention.
    """
    if not has_class_token(encoder.model.visual):
        return _without_tokens(encoder, images)
    blocks = None if plain() else encoder.fast_blocks
    if encoder.device.type == "cpu":
        size = min(CPU_IMAGES, -(-len(images) // torch.get_num_threads()))
        batches = [images[begin : begin + size] for begin in range(0, len(images), size)]
        with _single_threads() as pool:
            parts = list(pool.map(partial(_encode, encoder, blocks), batches))
    else:
        with ThreadPoolExecutor(cores()) as pool:
            parts = [_encode(encoder, blocks, images, pool.map)]
    global_, tokens, attention = map(torch.cat, zip(*parts, strict=True))
    return global_, tokens, attention


@contextmanager
def _single_threads() -> Iterator[ThreadPoolExecutor]:
    """As many threads as torch uses for one operator, each of which runs its operators alone."""
    count = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(count)


@torch.inference_mode()
def _encode(encoder: Encoder, blocks: list[Any] | None, images: list, each: Callable = map) -> list[torch.Tensor]:
    ready = torch.stack(list(each(encoder.transform, images)))
    global_, tokens, attention = image_tokens_and_attention(encoder.model, ready, blocks)
    return [part.float().cpu() for part in (F.normalize(global_, dim=-1), tokens, attention)]


@torch.inference_mode()
def _without_tokens(encoder: Encoder, images: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ready = torch.stack([encoder.transform(image) for image in images]).to(encoder.device)
    global_ = F.normalize(encoder.model.encode_image(ready).float(), dim=-1).cpu()
    count, dim = global_.shape
    return global_, torch.empty(count, 0, dim), torch.empty(count, 0, 0)


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
