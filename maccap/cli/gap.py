"""`maccap gap`: measure the modality gap of any CLIP on your own captions and images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add `gap` to the command line's subparsers."""
    gap: argparse.ArgumentParser = commands.add_parser("gap")
    gap.add_argument("--model", required=True, metavar="NAME", help="an open_clip model, or a folder of one")
    gap.add_argument("--pretrained", metavar="TAG", help="with a model's name: its weights, a tag or a file")
    gap.add_argument(
        "--captions", type=Path, required=True, metavar="FILE", help="captions.jsonl, or a COCO captions file (.json)"
    )
    gap.add_argument("--images", type=Path, required=True, metavar="STORE", help="a folder or archive of their images")
    gap.add_argument(
        "--memory", type=Path, metavar="FILE", help="other captions, onto which DeCap's repair projects the images"
    )
    gap.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="for gap.json, tables/ and figures/")
    gap.add_argument("--profile", default="mini", help="whose settings of generation and seed are used")


def run(parsed: argparse.Namespace) -> None:
    """Measure; see `measure_encoder`."""
    from .gap_measurement import measure_encoder

    measure_encoder(parsed)
