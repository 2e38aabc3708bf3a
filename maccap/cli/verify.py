"""`maccap verify`: check that every file and number of a profile is what its records say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add `verify` to the command line's subparsers."""
    verify = commands.add_parser("verify")
    verify.add_argument(
        "place", nargs="?", type=Path, default=Path(), metavar="ROOT|CRATE.zip", help="default: this folder"
    )
    verify.add_argument("--profile", help="default: the one of config/config.yaml, or of the crate")
    verify.add_argument("--rerun", type=int, default=0, metavar="N", help="also run N jobs again and compare")
    verify.add_argument("--seed", type=int, default=0, help="draws the jobs to rerun (default: %(default)s)")
    verify.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    """Verify and print; 0 when all is well, else 1."""
    from ..lineage import verify
    from ..steps.runner import run_jobs

    return verify.run(parsed, run_jobs)
