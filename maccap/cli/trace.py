"""`maccap trace`: show where a number, or any file, comes from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add `trace` to the command line's subparsers."""
    trace = commands.add_parser("trace")
    trace.add_argument("file", type=Path, metavar="FILE", help="a table in any of its forms, or any other result")
    trace.add_argument("place", nargs="*", metavar="LABEL", help="row label or labels, then the column")
    trace.add_argument("--pointer", metavar="POINTER", help="a value by its JSON pointer, such as /rows/0/cells/0")
    trace.add_argument("--all", action="store_true", help="every number of the table")
    trace.add_argument("--json", action="store_true", help="everything that is known, as JSON")
    trace.add_argument("--graph", type=Path, metavar="FILE", help="write the chain as a Mermaid graph, too (.mmd)")


def run(parsed: argparse.Namespace) -> int:
    """Print a trace; 1 when something in it does not fit together, else 0."""
    from ..lineage import trace

    return trace.run(parsed)
