"""`maccap caption`: a user's own pictures, captioned by a trained run, with the attended subregions on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image, ImageOps

from ..core.artifacts import atomic, read_json, write_json
from ..core.errors import DataError
from ..core.progress import progress
from ..core.settings import DecodingSettings, TrainingSettings, settings
from ..data.features import ImageFeatures
from ..data.images import read_image
from ..fetch.registry import slug
from ..inference.captioning import Captioner, load_adaptor
from ..methods.base import TrainedMethod
from ..methods.registry import load_method, needs
from ..methods.resources import read_resources
from ..models.encoder import load_encoder
from ..models.image_features import encode_images
from ..models.language_model import load_language_model
from ..models.subregions import attended_tokens

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def picture_files(paths: list[Path]) -> list[Path]:
    """The picture files among the paths; a folder stands for all pictures in it.

    Raises:
        DataError: a path does not exist, or there is no picture at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; check the path")
        files += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{paths[0]}: no pictures in it ({', '.join(sorted(SUFFIXES))}); name some")
    return files


def load_captioner(run: Path, config: Path) -> Captioner:
    """The captioner of a run folder as training left it, decoding by the profile's settings.

    Raises:
        DataError: there is no finished run, or no such profile.
    """
    if not (run / "run.json").is_file():
        raise DataError(f"{run}: no trained run there; run `snakemake --cores all` first or choose one with --run")
    if not config.is_file():
        raise DataError(f"{config}: no such profile; choose one with --config")
    about = read_json(run / "run.json")
    chosen = yaml.safe_load(config.read_text(encoding="utf-8"))["decoding"]
    decoding = settings(DecodingSettings, {f"decoding.{key}": value for key, value in chosen.items()}, "decoding")
    profile, trained_on = run.parents[3], run.parents[1].name
    encoder = load_encoder(model_folder(about["encoder"]["name"], profile / "models" / "encoder"))
    lm_name = about["language_model"]["name"]
    lm = load_language_model(model_folder(lm_name, profile / "models" / slug(lm_name)))
    features, needed = profile / "features" / trained_on, needs(about["method"])
    shards = sorted(features.glob("captions.train.*.safetensors"))
    if "memory" in needed and not shards:
        raise DataError(f"{features}: no training captions' features; run `snakemake` first")
    resources = read_resources(
        (shards, profile / "data" / trained_on / "captions.train.jsonl") if "memory" in needed else None,
        features / "pairs.val.safetensors" if "pairs" in needed else None,
        Path(about["options"]["vocabulary"]) if "vocabulary" in needed else None,
    )
    method = load_method(about["method"], TrainingSettings(**about["training"]), about["options"], resources)
    assert isinstance(method, TrainedMethod), "others leave no run folder"
    adaptor = load_adaptor(method, run / "adaptor.safetensors", about["feature_dim"], lm.dim)
    return Captioner(encoder, lm, method, adaptor, decoding, about["seed"])


def model_folder(name: str, made: Path) -> str:
    """The folder of a frozen model: the one that the config names, or the one made of a model's name."""
    return name if Path(name).is_dir() else str(made)


def default_run() -> Path:
    """The mini profile's first MacCap run on COCO."""
    return next(iter(sorted(Path("artifacts/mini/runs/coco/maccap").glob("s*"))), Path("artifacts/mini/runs"))


def caption_pictures(
    paths: list[Path], run: Path | None, config: Path, output: Path | None, explain: Path | None
) -> None:
    """Caption picture files; JSON `[{file, caption, candidates, scores}]` goes to `output` or is printed."""
    files = picture_files(paths)
    captioner = load_captioner(run or default_run(), config)
    size = captioner.decoding.batch_size
    results: list[dict[str, Any]] = []
    for begin in progress(range(0, len(files), size), "captioning", -(-len(files) // size)):
        batch = files[begin : begin + size]
        pictures = [read_image(path) for path in batch]
        features = ImageFeatures(torch.arange(begin, begin + len(batch)), *encode_images(captioner.encoder, pictures))
        for path, picture, row, attention in zip(
            batch, pictures, captioner.caption(features), features.attention, strict=True
        ):
            results.append({"file": str(path)} | {k: v for k, v in row.items() if k != "image_id"})
            if explain:
                draw_subregions(picture, attention, row, captioner.decoding.subregions, explain / f"{path.stem}.png")
    if output:
        write_json(output, results)
    else:
        print(json.dumps(results, indent=1, ensure_ascii=False))


def draw_subregions(picture: Image.Image, attention: torch.Tensor, row: dict[str, Any], k: int, out: Path) -> None:
    """Save the picture as the encoder crops it, the k attended patches numbered, and the attention beside it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    grid = int((len(attention) - 1) ** 0.5)
    side = 64 * grid
    square = ImageOps.fit(picture, (side, side))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 5.4))
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
    others = "\n".join(f"{s:.3f}  {c}" for c, s in zip(row["candidates"], row["scores"], strict=True))
    figure.suptitle(row["caption"], fontweight="bold")
    figure.text(
        0.5, 0.02, f"candidates by CLIP score\n{others}", ha="center", va="bottom", fontsize=8, family="monospace"
    )
    figure.subplots_adjust(bottom=0.2, top=0.88, left=0.02, right=0.98, wspace=0.04)
    with atomic(out) as part:
        figure.savefig(part, format="png", dpi=120)
    plt.close(figure)
