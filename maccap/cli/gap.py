"""`maccap gap`: measure the modality gap of any open_clip model on a user's own captions and images."""

import argparse
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path

import torch

from ..core.artifacts import spare, write_json
from ..core.dotted import leaves
from ..core.job import Job
from ..core.project import config_files, own, read_config
from ..core.records import now, write_record
from ..core.settings import GenerationSettings
from ..data.captions import Caption, read_captions
from ..data.coco import read_coco_captions
from ..data.features import ImageFeatures
from ..figures.gap import FIGURES, draw
from ..gap.report import gap_report
from ..gap.settings import GapSettings
from ..models.devices import pick_device
from ..models.encoder import Encoder, load_encoder
from ..models.image_features import encoded_batches
from ..tables.gap import BUILDERS, TITLES
from ..tables.table import write_table

BATCH = 64  # images
RELEASED = {"generation": GenerationSettings().model_dump(), "seed": 2401}
TABLE_SUFFIXES = ("json", "metrics.json", "csv", "md", "tex", "html")


def run(parsed: argparse.Namespace) -> None:
    """Write gap.json, the tables and the figures into a folder, with one record.

    An encoder without tokens has no subregions; all else is measured.

    Raises:
        ConfigError: no such profile.
        DataError: captions or images that cannot be read.
        EncoderError: no such model or weights.
    """
    started = now()
    config = read_config(parsed.profile) if parsed.profile else RELEASED
    settings = GapSettings.of(leaves("", config))
    rows = _captions(parsed.captions)
    images = [parsed.images / row.file_name for row in rows]  # where they are in a folder
    given = [parsed.captions, parsed.images, *([parsed.memory] if parsed.memory else []), *images]
    spare(given, _outputs(parsed.output))
    with _folder(parsed.output):
        _measure(parsed, rows, settings, started)


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """A folder to write into, made at once if it can be; it goes again if it was not there and nothing came into it."""
    there = path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if not there and not any(path.iterdir()):
            path.rmdir()


def _measure(parsed: argparse.Namespace, rows: list[Caption], settings: GapSettings, started: datetime) -> None:
    out: Path = parsed.output
    device = pick_device(int(torch.cuda.is_available()))
    model = own(parsed.model)
    encoder = load_encoder(model, parsed.pretrained, device, tokens=False)
    names = {row.image_id: row.file_name for row in rows}
    row_of = {image_id: row for row, image_id in enumerate(names)}
    image_row = torch.tensor([row_of[row.image_id] for row in rows])
    memory = None
    if parsed.memory:
        memory = encoder.text_features([row.caption for row in _captions(parsed.memory)])
    text = encoder.text_features([row.caption for row in rows])
    report = gap_report(_batches(encoder, parsed.images, names), text, image_row, memory, settings)
    write_json(out / "gap.json", {"dataset": "gap"} | report, indent=None)
    label = " ".join(Path(name).name for name in (parsed.model, parsed.pretrained) if name)
    inputs = {
        "captions": [parsed.captions], "images": [parsed.images], "memory": [parsed.memory] if parsed.memory else [],
        "config": config_files(parsed.profile) if parsed.profile else [],
        "models": [Path(name) for name in (model, parsed.pretrained) if name and Path(name).exists()],
    }  # fmt: skip
    _write_tables_and_figures(out, label)
    write_record("gap", Job(inputs, _outputs(out), vars(settings)), started, shlex.join(["maccap", *parsed.arguments]))
    print(f"{out}: tables, figures and gap.json of {label}", file=sys.stderr)


def _captions(path: Path) -> list[Caption]:
    return read_captions(path) if path.suffix == ".jsonl" else read_coco_captions(path, "test")


def _batches(encoder: Encoder, store: Path, names: dict[int, str]) -> Iterator[ImageFeatures]:
    """Features of the images by their ids, batch by batch; without tokens where the encoder has none."""
    batches = encoded_batches(encoder, store, list(names.values()), BATCH)
    for ids, batch in zip(torch.tensor(list(names)).split(BATCH), batches, strict=True):
        yield ImageFeatures(ids, *batch)


def _table(out: Path, name: str) -> list[Path]:
    return [out / f"tables/{name}.{suffix}" for suffix in TABLE_SUFFIXES]


def _figure(out: Path, name: str) -> list[Path]:
    return [out / f"figures/{name}.{suffix}" for suffix in ("png", "svg")]


def _outputs(out: Path) -> list[Path]:
    tables, figures = (_table(out, name) for name in BUILDERS), (_figure(out, name) for name in FIGURES)
    return [out / "gap.json", *chain.from_iterable(tables), *chain.from_iterable(figures)]


def _write_tables_and_figures(out: Path, label: str) -> None:
    report = [out / "gap.json"]
    for name, build in BUILDERS.items():
        table = build(report, {"datasets.gap.label": label}, f"{TITLES[name]} ({label})")
        write_table(table, _table(out, name), traced=False)
    for name in FIGURES:
        draw(name, report, _figure(out, name), {"gap": label})
