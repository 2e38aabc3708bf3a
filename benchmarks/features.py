"""CLIP features against plain loops over open_clip: images (JPEG decoding included) and captions per second.

    python benchmarks/features.py PHOTOS CAPTIONS [--rounds 3] [--batch 64]

PHOTOS is a folder of JPEG files, CAPTIONS an annotation file in COCO's format. ViT-B/32, random weights, float32, on
the CPU. The plain loops are those of most repositories: a DataLoader with two workers and `encode_image`; captions in
batches through the tokenizer and `encode_text`, padded to 77 tokens. Ours also keeps every token and the attention,
which subregions need, and writes the store. Both sides work in turn, in one process.
"""

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path

import open_clip
import torch
from full_size import CLIP, coco_captions
from measured import machine, measured
from PIL import Image
from tabulate import tabulate
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from maccap.core.allocation import cores
from maccap.data.captions import ImageEntry
from maccap.models.encoder import Encoder, load_encoder
from maccap.models.image_features import extract_image_features

WORKERS = 2


class Photos(Dataset):
    def __init__(self, paths: list[Path], transform: object) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> torch.Tensor:
        return self.transform(Image.open(self.paths[row]))


@torch.inference_mode()
def plain_images(encoder: Encoder, paths: list[Path], batch: int) -> torch.Tensor:
    loader = DataLoader(Photos(paths, encoder.transform), batch_size=batch, num_workers=WORKERS)
    return torch.cat([F.normalize(encoder.model.encode_image(images), dim=-1) for images in loader])


def our_images(encoder: Encoder, paths: list[Path], batch: int) -> None:
    entries = [ImageEntry(row, path.name) for row, path in enumerate(paths)]
    with tempfile.TemporaryDirectory() as folder:
        extract_image_features(
            encoder, paths[0].parent, entries, Path(folder, "images.1-of-1.safetensors"), batch, "float16"
        )


@torch.inference_mode()
def plain_captions(encoder: Encoder, captions: list[str], batch: int) -> torch.Tensor:
    parts = [captions[begin : begin + batch] for begin in range(0, len(captions), batch)]
    return torch.cat([F.normalize(encoder.model.encode_text(encoder.tokenizer(part)), dim=-1) for part in parts])


def our_captions(encoder: Encoder, captions: list[str], batch: int) -> torch.Tensor:
    return encoder.text_features(captions, batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parsed = parser.parse_args()
    torch.set_num_threads(cores())
    paths, captions = sorted(parsed.photos.glob("*.jpg")), coco_captions(parsed.captions)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "clip.pt")
        torch.save(open_clip.create_model(CLIP).state_dict(), weights)
        encoder = load_encoder(CLIP, str(weights))
    difference = (plain_captions(encoder, captions, 256) - our_captions(encoder, captions, 256)).abs().max()
    works = {
        "images": (plain_images, our_images, paths, parsed.batch),
        "captions": (plain_captions, our_captions, captions, 256),
    }
    rows = []
    for name, (plain, ours, items, batch) in works.items():
        sides = {side: [] for side in (plain, ours)}
        for side in sides:
            side(encoder, items[:32], batch)
        for _ in range(parsed.rounds):
            for side, found in sides.items():
                found.append(1 / measured(partial(side, encoder, items, batch), len(items))["seconds"])
        medians = [statistics.median(found) for found in sides.values()]
        pairs = [own / other for other, own in zip(*sides.values(), strict=True)]
        rows.append([name, len(items), batch, *medians, statistics.median(pairs), min(pairs)])
    print(machine(), "\n")
    head = ["what", "items", "batch", "plain loop (1/s)", "maccap (1/s)", "times faster", "at least"]
    print(tabulate(rows, head, "github", floatfmt=("", "", "", ".1f", ".1f", ".2f", ".2f")))
    print(f"\nlargest difference of a caption's feature: {difference:.1e}")


if __name__ == "__main__":
    main()
