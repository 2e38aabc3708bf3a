"""Feature stores: safetensors files of rows with their ids, written once and memory-mapped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from .artifacts import atomic
from .datasets.captions import Caption
from .datasets.images import read_images
from .encoder import Encoder, image_tokens_and_attention
from .errors import DataError
from .progress import progress


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


def write_store(path: Path | str, tensors: dict[str, torch.Tensor], ids: list[int], dtype: str) -> None:
    """Write float tensors in the given dtype, with `ids` int64 [N] beside them."""
    columns = {name: value.to(getattr(torch, dtype)).contiguous() for name, value in tensors.items()}
    with atomic(path) as part:
        save_file(columns | {"ids": torch.tensor(ids, dtype=torch.int64)}, part)


def read_store(path: Path | str) -> dict[str, torch.Tensor]:
    """All columns of a store.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; run the rule that makes it (snakemake {path})") from error
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a feature store ({error}); delete it and run again") from error


def read_text_features(path: Path | str, captions: list[Caption]) -> torch.Tensor:
    """Features [N, d] of exactly these captions, in their order, as stored.

    Raises:
        DataError: the store was made from other captions.
    """
    store = read_store(path)
    if store["ids"].tolist() != [row.caption_id for row in captions]:
        raise DataError(f"{path}: was made from other captions; delete it and run again")
    return store["features"]


def read_image_features(path: Path | str) -> ImageFeatures:
    store = read_store(path)
    return ImageFeatures(store["ids"], store["global"], store["tokens"], store["attention"])


@torch.inference_mode()
def encode_images(encoder: Encoder, images: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalised global features, tokens and attention of some PIL pictures, on the CPU in float32."""
    batch = torch.stack([encoder.transform(image) for image in images]).to(encoder.device)
    global_, tokens, attention = image_tokens_and_attention(encoder.model, batch)
    return F.normalize(global_, dim=-1).float().cpu(), tokens.float().cpu(), attention.float().cpu()


def extract_image_features(
    encoder: Encoder, store: Path | str, captions: list[Caption], out: Path | str, batch_size: int, dtype: str
) -> None:
    """Encode every image that the captions name, once, in the order of its first caption."""
    files = {row.image_id: row.file_name for row in captions}
    pictures = read_images(store, list(files.values()))
    parts = []
    for begin in progress(range(0, len(files), batch_size), "image features", -(-len(files) // batch_size)):
        batch = [next(pictures) for _ in range(min(batch_size, len(files) - begin))]
        parts.append([part.to(getattr(torch, dtype)) for part in encode_images(encoder, batch)])
    columns = dict(zip(("global", "tokens", "attention"), map(torch.cat, zip(*parts, strict=True)), strict=True))
    write_store(out, columns, list(files), dtype)
