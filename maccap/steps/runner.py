"""Run one step and write the provenance record of every output."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

from ..artifacts import now, record
from . import Job


def run_step(
    name: str, inputs: dict[str, list[Path]], outputs: list[Path], cfg: dict[str, Any], arguments: list[str]
) -> None:
    """Run `steps/<name>.py`; the records are written only when it succeeds."""
    started = now()
    import_module(f".{name}", __package__).run(Job(inputs, outputs, cfg))
    files = dict.fromkeys(path for paths in inputs.values() for path in paths)
    record(outputs, files, cfg, "maccap " + shlex.join(arguments), started)
