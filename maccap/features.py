"""Feature stores: safetensors files of rows with their ids, one per shard, written once and memory-mapped."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from .artifacts import atomic
from .datasets.captions import ImageEntry
from .datasets.images import read_images
from .encoder import CPU_PICTURES, Encoder
from .errors import DataError
from .progress import progress
from .towers import Block, image_tokens_and_attention


@dataclass(frozen=True)
class ImageFeatures:
    """Rows of an image store: `global_` [N, d] and `tokens` [N, T, d], L2-normalised, and `attention` [N, T, T]."""

    ids: torch.Tensor
    global_: torch.Tensor
    tokens: torch.Tensor
    attention: torch.Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, rows: slice | torch.Tensor) -> ImageFeatures:
        """Some rows, in float32."""
        return ImageFeatures(
            self.ids[rows], self.global_[rows].float(), self.tokens[rows].float(), self.attention[rows].float()
        )


class TextFeatures:
    """Text features [N, d] over the shards of one split; rows are read from the files when they are asked for."""

    def __init__(self, paths: Sequence[Path | str]) -> None:
        stores = [read_store(path) for path in paths]
        self.parts = [store["features"] for store in stores]
        self.ids = torch.cat([store["ids"] for store in stores])

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dim(self) -> int:
        return self.parts[0].shape[1]

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        """The rows [B] of the whole split, float32 [B, d]."""
        found = torch.empty(len(rows), self.dim)
        begin = 0
        for part in self.parts:
            here = (rows >= begin) & (rows < begin + len(part))
            found[here] = part[rows[here] - begin].float()
            begin += len(part)
        return found


def shard_rows(name: str, count: int) -> range:
    """The rows of the shard `i-of-n` at the end of a file's name, of `count` rows in all; sizes differ by one at most.

    Raises:
        DataError: there are fewer rows than shards.
    """
    found = re.search(r"\.(\d+)-of-(\d+)\.", name)
    assert found, f"{name} is not named as a shard"
    shard, shards = int(found[1]), int(found[2])
    if count < shards:
        raise DataError(f"{name}: {count} rows for {shards} shards; lower `shards` of the data set in the config")
    return range((shard - 1) * count // shards, shard * count // shards)


def write_store(path: Path | str, tensors: dict[str, torch.Tensor], ids: list[int], dtype: str) -> None:
    """Write float tensors in the given dtype, with `ids` int64 [N] beside them."""
    columns = {name: value.to(getattr(torch, dtype)).contiguous() for name, value in tensors.items()}
    with atomic(path) as part:
        save_file(columns | {"ids": torch.tensor(ids, dtype=torch.int64)}, part)


def read_store(path: Path | str) -> dict[str, torch.Tensor]:
    """All columns of a store, memory-mapped.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; run the rule that makes it (snakemake {path})") from error
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a feature store ({error}); delete it and run again") from error


def read_image_features(paths: Sequence[Path | str]) -> ImageFeatures:
    """The images of some shards, in their order."""
    stores = [read_store(path) for path in paths]
    ids, *columns = (_joined(stores, name) for name in ("ids", "global", "tokens", "attention"))
    return ImageFeatures(ids, *columns)


def _joined(stores: list[dict[str, torch.Tensor]], name: str) -> torch.Tensor:
    """One column over all stores; that of a single store stays memory-mapped."""
    return stores[0][name] if len(stores) == 1 else torch.cat([store[name] for store in stores])


def encode_images(encoder: Encoder, images: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalised global features, tokens and attention of some PIL pictures, on the CPU in float32.

    On a CPU each of torch's threads prepares and encodes at most CPU_PICTURES by itself, which wastes less than sharing
    every product; elsewhere threads prepare the pictures of one batch.
    """
    blocks = encoder.image_blocks
    if encoder.device.type == "cpu":
        size = min(CPU_PICTURES, -(-len(images) // torch.get_num_threads()))
        batches = [images[begin : begin + size] for begin in range(0, len(images), size)]
        with _single_threads() as pool:
            parts = list(pool.map(partial(_encode, encoder, blocks), batches))
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
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
def _encode(encoder: Encoder, blocks: list[Block], images: list, each: Callable = map) -> list[torch.Tensor]:
    ready = torch.stack(list(each(encoder.transform, images))).to(encoder.device)
    global_, tokens, attention = image_tokens_and_attention(encoder.model, ready, blocks)
    return [part.float().cpu() for part in (F.normalize(global_, dim=-1), tokens, attention)]


def extract_image_features(
    encoder: Encoder, store: Path | str, images: Sequence[ImageEntry], out: Path | str, batch_size: int, dtype: str
) -> None:
    """Encode the pictures of a folder or archive, in the order of `images`, and write their store."""
    pictures = read_images(store, [image.file_name for image in images])
    parts = []
    for begin in progress(range(0, len(images), batch_size), "image features", -(-len(images) // batch_size)):
        batch = [next(pictures) for _ in range(min(batch_size, len(images) - begin))]
        parts.append([part.to(getattr(torch, dtype)) for part in encode_images(encoder, batch)])
    columns = dict(zip(("global", "tokens", "attention"), map(torch.cat, zip(*parts, strict=True)), strict=True))
    write_store(out, columns, [image.image_id for image in images], dtype)
