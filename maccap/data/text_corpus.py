"""The captions of one split with their text features: what training reads, and what retrieval searches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from ..core.artifacts import sha256
from ..core.errors import DataError
from .captions import Caption, CaptionTable
from .features import TextFeatures

MEMORY_SIZE = 500_000  # captions of a memory, as DeCap takes them


@dataclass(frozen=True)
class TextBatch:
    """Some rows [B] of a text set, `source`: features, float32 [B, d], and texts."""

    source: TextSet
    rows: torch.Tensor
    features: torch.Tensor
    texts: list[str]


@dataclass(frozen=True, eq=False)
class TextSet:
    """The captions of one split with their text features, row by row.

    Raises:
        DataError: their numbers differ.
    """

    features: TextFeatures
    captions: Sequence[Caption]
    digest: str

    def __post_init__(self) -> None:
        if len(self.features) != len(self.captions):
            raise DataError(
                f"{len(self.features)} text features for {len(self.captions)} captions: delete the features, run again"
            )

    @classmethod
    def read(cls, features: Sequence[Path], captions: Path, split: str = "train") -> TextSet:
        """Open the shards of a split's features and its captions; both stay on disk until rows are asked for."""
        files = hashlib.sha256("".join(sha256(path) for path in (*features, captions)).encode())
        return cls(TextFeatures(features, split), CaptionTable(captions), files.hexdigest())

    def __len__(self) -> int:
        return len(self.captions)

    def batch(self, rows: torch.Tensor) -> TextBatch:
        """Some rows.

        Raises:
            DataError: the features were made from other captions.
        """
        captions = [self.captions[row] for row in rows.tolist()]
        if self.features.ids[rows].tolist() != [caption.caption_id for caption in captions]:
            raise DataError("the text features were made from other captions: delete them and run again")
        return TextBatch(self, rows, self.features[rows], [caption.caption for caption in captions])


@dataclass(frozen=True)
class Memory:
    """Captions to search or to project onto: `rows` [M] of `texts` and their features, float32 [M, d]."""

    texts: TextSet
    rows: torch.Tensor
    features: torch.Tensor

    def captions(self, places: torch.Tensor) -> list[str]:
        """The texts at some places [n] of the memory."""
        return [self.texts.captions[row].caption for row in self.rows[places].tolist()]


def memory_rows(count: int, seed: int | None) -> torch.Tensor:
    """Rows of a memory of `count` captions: all, or with a seed `MEMORY_SIZE` random ones, the same for equal seeds."""
    if seed is None or count <= MEMORY_SIZE:
        return torch.arange(count)
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:MEMORY_SIZE]


@lru_cache(maxsize=1)
def memory(texts: TextSet, seed: int | None = None) -> Memory:
    """The captions of `memory_rows`."""
    rows = memory_rows(len(texts), seed)
    return Memory(texts, rows, texts.features[rows])
