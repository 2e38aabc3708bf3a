"""`maccap export`: write predictions and answers in the official results formats, for other people's scorers."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ..core.artifacts import files_below, spare, write_json
from ..core.errors import DataError
from ..core.project import default_profile, making
from ..data.predictions import holds_answers, official_results, read_answers, read_predictions
from .main import FILTERS


def run(parsed: argparse.Namespace) -> None:
    """Write what the filters leave.

    Raises:
        DataError: no such predictions, a damaged file, or several results for one output file.
    """
    chosen = {name: values for name in FILTERS if (values := getattr(parsed, name))}
    files = parsed.files or _files(parsed.profile or default_profile())
    results = _results(files, chosen)
    if not results:
        asked = ", ".join(f"{name} {value}" for name, values in chosen.items() for value in values)
        raise DataError(f"{files[0].parent}: nothing for {asked}; leave out a filter to see what there is")
    one_file = parsed.output.suffix == ".json"
    if one_file and len(results) > 1:
        raise DataError(f"{parsed.output}: {len(results)} results ({', '.join(results)}); choose one, or name a folder")
    outputs = {name: parsed.output if one_file else parsed.output / name for name in results}
    spare(files, outputs.values())
    for name, rows in results.items():
        out = outputs[name]
        write_json(out, rows, indent=None)
        print(f"{out}: {len(rows)} rows", file=sys.stderr)


def _files(profile: str) -> list[Path]:
    folder = Path("artifacts", profile)
    below = [path for kind in ("predictions", "answers") for path in files_below(folder / kind).values()]
    found = sorted(path for path in below if path.name.endswith(".jsonl.gz"))
    if not found:
        raise DataError(f"{folder}: no predictions; run `{making(profile)}` first, or name files")
    return found


def _results(files: list[Path], chosen: dict[str, list[Any]]) -> dict[str, list[dict[str, Any]]]:
    answers = [path for path in files if holds_answers(path)]
    captions = [path for path in files if path not in answers]
    found = {}
    for what, read, paths in (("captions", read_predictions, captions), ("answers", read_answers, answers)):
        frame = read(paths) if paths else None
        if frame is None or not chosen.keys() <= set(frame.columns):
            continue
        for name, values in chosen.items():
            frame = frame[frame[name].isin(values)]
        for (trained, name, tested, seed), rows in official_results(frame).items():
            run = "published" if seed is None else f"s{seed}"
            found[f"{what}.{trained}.{name}.{tested}.{run}.json"] = rows
    return found
