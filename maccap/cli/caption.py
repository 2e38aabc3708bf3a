"""`maccap caption`: caption your own images with a trained run."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from ..core.artifacts import spare
from ..core.errors import DataError
from ..core.progress import progress

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".jp2", ".bmp", ".gif", ".tif", ".tiff", ".tga", ".ppm",
    ".pgm",
}  # fmt: skip


def run(parsed: argparse.Namespace) -> None:
    """Write or print `[{file, caption, candidates, scores}]`, each image's row as soon as it is made.

    Raises:
        DataError: a path does not exist or holds no image, there is no run in the folder named, or an image would be
            written over; or, when all others are captioned, some images could not be read.
    """
    files = _image_files(parsed.paths)
    drawings = drawing_names(files)
    explained = [parsed.explain / name for name in drawings.values()] if parsed.explain else []
    of_run = [*parsed.run.iterdir()] if parsed.run and parsed.run.is_dir() else []
    spare([*files, *of_run], explained + ([parsed.output] if parsed.output else []))
    if parsed.output in explained:
        raise DataError(f"{parsed.output}: would be written over by a drawing; choose another place")
    if not parsed.run:
        print("captions by the package's own run, which knows only drawn scenes; --run names another", file=sys.stderr)
    from ..data.images import read_image
    from ..figures.subregions import draw_subregions
    from ..inference.run import load_run

    trained = load_run(parsed.run)
    unread = []
    if parsed.explain:
        parsed.explain.mkdir(parents=True, exist_ok=True)
    with json_list(parsed.output) as add:
        for path in progress(files, "images", len(files)):
            try:
                image = read_image(path)
            except DataError as error:
                print(error, file=sys.stderr)
                unread.append(str(path))
                continue
            features = trained.features(image)
            made = trained.caption_features(features)
            add({"file": str(path), "caption": made.text, "candidates": made.candidates, "scores": made.scores})
            if parsed.explain:
                subregions = trained.captioner.generation.subregions
                draw_subregions(image, features.attention[0], made, subregions, parsed.explain / drawings[path])
    if unread:
        rest = len(files) - len(unread)
        others = f"the other {rest} are" if rest else "replace or remove what cannot be read"
        raise DataError(f"{', '.join(unread)}: not captioned, as said above; {others}")


@contextmanager
def json_list(path: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that adds a row to a JSON list in a file, or on standard output; the list ends in any case."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace") if path else nullcontext(sys.stdout) as out:

            def add(row: dict[str, Any]) -> None:
                nonlocal rows
                print("," if rows else "[", json.dumps(row, ensure_ascii=False), sep="", file=out, flush=True)
                rows += 1

            try:
                yield add
            finally:
                print("]" if rows else "[]", file=out, flush=True)
    except OSError as error:
        error.filename = error.filename or path
        raise


def _image_files(paths: list[Path]) -> list[Path]:
    """The image files among the paths; a folder stands for the files in it with an image's suffix and no dot before.

    Raises:
        DataError: a path does not exist, or there is no image at all.
        OSError: a folder cannot be read.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; check the path")
        if path.is_char_device() or path.is_block_device():
            raise DataError(f"{path}: a device, no image; name a file or folder")
        if not path.is_dir():
            files.append(path)
            continue
        shown = sorted(p for p in path.iterdir() if not p.name.startswith("."))
        files += [p for p in shown if p.suffix.lower() in SUFFIXES and not (p.is_fifo() or p.is_dir())]
    if not files:
        raise DataError(f"{paths[0]}: no images in it ({', '.join(sorted(SUFFIXES))}); name some")
    return files


def drawing_names(files: list[Path]) -> dict[Path, str]:
    """A name of its own for the drawing of each image: its stem, or its name, or its path from their common folder."""
    common = os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files])
    forms: tuple[Callable[[Path], str], ...] = (
        lambda file: file.stem, lambda file: file.name, lambda file: os.path.relpath(file, common),
    )  # fmt: skip
    for form in forms:
        names = {file: f"{form(file)}.subregions.png" for file in files}
        if len({*names.values()}) == len(names):
            break
    return names
