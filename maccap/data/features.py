"""Feature stores: safetensors files of rows with their ids, one per shard, written once and memory-mapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ..core.artifacts import atomic, reading
from ..core.errors import DataError
from .captions import Caption, rows_by_image


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


def references_as_images(
    images: ImageFeatures, captions: Sequence[Caption], features: torch.Tensor, number: int
) -> tuple[ImageFeatures, list[int]]:
    """Images as if the encoder saw one of their references: global feature and all tokens are its text embedding.

    Args:
        captions: of the whole test set.
        features: of these captions, [N, d].
        number: which reference of each image, counted round where an image has fewer.

    Returns:
        The images with more than one reference, as others are what the caption is scored against; and the number of the
        reference of each.
    """
    rows = rows_by_image(captions)
    kept = torch.tensor([len(rows[image_id]) > 1 for image_id in images.ids.tolist()])
    own = [rows[image_id] for image_id in images.ids[kept].tolist()]
    numbers = [number % len(references) for references in own]
    text = features[torch.tensor([references[n] for references, n in zip(own, numbers)], dtype=torch.long)]
    tokens = text.unsqueeze(1).expand(-1, images.tokens.shape[1], -1)
    return ImageFeatures(images.ids[kept], text, tokens, images.attention[kept]), numbers


class TextFeatures:
    """Text features [N, d] of one split over its shards; rows are read from the files when they are asked for."""

    def __init__(self, paths: Sequence[Path | str], split: str = "train") -> None:
        stores = [read_store(path) for path in paths]
        self.parts = [store[split] for store in stores]
        self.ids = torch.cat([store[ids_of(split)] for store in stores])

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


def features_of(paths: Sequence[Path | str], split: str, caption_ids: list[int]) -> torch.Tensor:
    """All text features of a split, float32 [N, d], one for each of these captions.

    Raises:
        DataError: a file is missing or damaged, or was made from other captions.
    """
    features = TextFeatures(paths, split)
    if features.ids.tolist() != caption_ids:
        raise DataError(f"{paths[0]}: was made from other captions; delete it and run again")
    return features[torch.arange(len(features))]


def ids_of(split: str) -> str:
    """The name of the column with the caption ids of a split's text features."""
    return f"{split} ids"


def shard_rows(number: int, of: int, count: int) -> range:
    """The rows of shard `number`, from 1, `of` so many, of `count` rows in all; sizes differ by one at most.

    Raises:
        DataError: there are fewer rows than shards.
    """
    if count < of:
        raise DataError(f"{count} rows for {of} shards; lower `shards` of the data set in the config")
    return range((number - 1) * count // of, number * count // of)


def write_store(path: Path | str, tensors: dict[str, torch.Tensor], ids: dict[str, list[int]], dtype: str) -> None:
    """Write float tensors in the given dtype, and columns of ids, int64, beside them.

    Raises:
        DataError: a value is not finite in this dtype.
    """
    columns = {name: value.to(getattr(torch, dtype)).contiguous() for name, value in tensors.items()}
    for name, column in columns.items():
        if not column.isfinite().all():
            raise DataError(
                f"{path}: its features {name!r} are not finite in {dtype}: the encoder's weights are damaged, or "
                "encoder.dtype cannot hold its features; correct that and run again"
            )
    with atomic(path) as part:
        save_file(columns | {name: torch.tensor(value, dtype=torch.int64) for name, value in ids.items()}, part)


def read_store(path: Path | str) -> dict[str, torch.Tensor]:
    """All columns of a store, memory-mapped.

    Raises:
        DataError: the file is missing or damaged.
    """
    with reading(path, "not a feature store", "delete it and run again"):
        return load_file(path)


def read_global_features(paths: Sequence[Path | str]) -> dict[int, torch.Tensor]:
    """The global feature [d] of each image of some shards, by the image's id."""
    stores = [read_store(path) for path in paths]
    return {image_id: row for store in stores for image_id, row in zip(store["ids"].tolist(), store["global"])}


def read_image_features(paths: Sequence[Path | str]) -> ImageFeatures:
    """The images of some shards, in their order; those of a single shard stay memory-mapped."""
    stores = [read_store(path) for path in paths]
    columns = ([store[name] for store in stores] for name in ("ids", "global", "tokens", "attention"))
    return ImageFeatures(*(parts[0] if len(parts) == 1 else torch.cat(parts) for parts in columns))
