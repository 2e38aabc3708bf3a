"""`maccap crate`: pack results and where they come from into a Workflow Run RO-Crate."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add `crate` to the command line's subparsers."""
    crate = commands.add_parser("crate")
    crate.add_argument("--profile", help="default: the one that config/config.yaml names")
    crate.add_argument(
        "--output", type=Path, metavar="PATH", help="a .zip or a new folder (default: results/PROFILE/crate.zip)"
    )


def run(parsed: argparse.Namespace) -> None:
    """Write the crate."""
    from ..lineage import crate

    crate.run(parsed)
