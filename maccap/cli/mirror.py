"""`maccap mirror`: fetch all assets into a folder that serves machines without internet."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..fetch.registry import REGISTRY


def add_parser(commands: Any) -> None:
    """Add `mirror` to the command line's subparsers."""
    mirror: argparse.ArgumentParser = commands.add_parser("mirror")
    mirror.add_argument("folder", type=Path, metavar="DIR")
    mirror.add_argument("assets", nargs="*", metavar="ASSET", help="names in the registry (default: all)")
    mirror.add_argument("--registry", type=Path, default=REGISTRY, metavar="FILE", help="default: %(default)s")


def run(parsed: argparse.Namespace) -> None:
    """Fetch; see `build_mirror`."""
    from ..fetch.mirror import build_mirror

    build_mirror(parsed.folder, parsed.registry, parsed.assets)
