"""The arguments of `maccap gap`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    gap: argparse.ArgumentParser = commands.add_parser("gap", help="measure the modality gap of any CLIP")
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
    gap.add_argument(
        "--config", type=Path, default=Path("config/mini.yaml"), help="profile with `decoding` settings and a seed"
    )
