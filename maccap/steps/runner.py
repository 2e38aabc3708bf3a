"""Run one step and write the provenance record of every output."""

from __future__ import annotations

import os
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from ..artifacts import now, record
from . import Job

DISTRIBUTED = "RANK"  # torch.distributed's variable: the number of this process among its fellows


def run_step(
    name: str, inputs: dict[str, list[Path]], outputs: list[Path], cfg: dict[str, Any], arguments: list[str]
) -> None:
    """Run `steps/<name>.py`; the records are written only when it succeeds.

    Training on several GPUs replaces this process by `accelerate launch` of the same command, once per GPU; the first
    of these processes writes the records.
    """
    if name == "train" and cfg["gpus"] > 1 and DISTRIBUTED not in os.environ:
        _launch(cfg["gpus"], arguments)
    started = now()
    import_module(f".{name}", __package__).run(Job(inputs, outputs, cfg))
    if os.environ.get(DISTRIBUTED, "0") == "0":
        files = dict.fromkeys(path for paths in inputs.values() for path in paths)
        record(outputs, files, cfg, "maccap " + shlex.join(arguments), started)


def _launch(processes: int, arguments: list[str]) -> None:
    """Claim the GPUs, if there are any, and become their launcher."""
    from ..devices import claim_gpus

    claim_gpus(processes)
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes)]
    os.execv(sys.executable, [*launcher, "--num_machines", "1", "--dynamo_backend", "no", "-m", "maccap", *arguments])
