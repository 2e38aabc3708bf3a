"""`maccap caption`: caption your own images with a trained run."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json, write_json
from ..core.errors import DataError
from ..core.progress import progress
from ..core.project import default_profile

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def run(parsed: argparse.Namespace) -> None:
    """Write or print `[{file, caption, candidates, scores}]`.

    Raises:
        DataError: a path does not exist or holds no image, or there is no trained run.
    """
    files = image_files(parsed.paths)
    folder = parsed.run or default_run()
    from ..data.images import read_image
    from ..figures.subregions import draw_subregions
    from ..inference.run import load_run

    trained = load_run(folder)
    generation = trained.captioner.generation
    batches = [files[begin : begin + generation.batch_size] for begin in range(0, len(files), generation.batch_size)]
    results: list[dict[str, Any]] = []
    for batch in progress(batches, "images", len(batches)):
        images = [read_image(path) for path in batch]
        features = trained.features(images)
        captions = trained.caption_features(features)
        for path, image, attention, made in zip(batch, images, features.attention, captions, strict=True):
            row = {"file": str(path), "caption": made.text, "candidates": made.candidates, "scores": made.scores}
            results.append(row)
            if parsed.explain:
                draw_subregions(image, attention, made, generation.subregions, parsed.explain / f"{path.stem}.png")
    if parsed.output:
        write_json(parsed.output, results)
    else:
        print(json.dumps(results, indent=1, ensure_ascii=False))


def image_files(paths: list[Path]) -> list[Path]:
    """The image files among the paths; a folder stands for all images in it.

    Raises:
        DataError: a path does not exist, or there is no image at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; check the path")
        files += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{paths[0]}: no images in it ({', '.join(sorted(SUFFIXES))}); name some")
    return files


def default_run() -> Path:
    """The first trained run of MacCap in the default profile.

    Raises:
        EnvironmentProblem: the current folder is not the project's.
        DataError: nothing is trained there.
    """
    runs = Path("artifacts", default_profile(), "runs")
    for path in sorted(runs.rglob("run.json")):
        if read_json(path)["run"] == "maccap":
            return path.parent
    raise DataError(f"{runs}: no trained run; run `snakemake --cores all` first or choose one with --run")
