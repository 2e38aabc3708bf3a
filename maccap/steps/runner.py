"""Run one step and write the record of the job."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.job import Job
from ..core.records import now, write_record
from ..models.devices import claim_gpus

DISTRIBUTED = "RANK"  # torch.distributed's variable: the number of this process among its fellows
READERS = {"encoder": "open_clip", "language_model": "transformers.modeling_utils"}  # of inputs of these names


def run_step(
    name: str, inputs: dict[str, list[Path]], outputs: list[Path], cfg: dict[str, Any], arguments: list[str]
) -> None:
    """Run `steps/<name>.py`; the record is written only when it succeeds.

    A step whose config says `gpus` claims them first. Training on several replaces this process by `accelerate launch`
    of the same command, once per GPU; the first of these processes writes the record.
    """
    if "gpus" in cfg and DISTRIBUTED not in os.environ:
        claim_gpus(cfg["gpus"] if name == "train" else min(1, cfg["gpus"]))
        if name == "train" and (visible := _visible_gpus()) > 1:
            _launch(visible, arguments)
    started = now()
    job = Job(inputs, outputs, cfg)
    step_module(name, inputs).run(job)
    if os.environ.get(DISTRIBUTED, "0") == "0":
        write_record(name, job, started)


def run_jobs(name: str, jobs: list[Job]) -> None:
    """Run jobs of one step in the current folder, without records, as `maccap verify` does.

    A step that does several jobs quicker together than one by one has `run_all`.
    """
    module = step_module(name, jobs[0].inputs)
    if hasattr(module, "run_all"):
        module.run_all(jobs)
    else:
        for job in jobs:
            module.run(job)


def step_module(name: str, inputs: dict[str, list[Path]]) -> ModuleType:
    """The module of a step, with the libraries that read its models.

    They make a million objects that stay: Python's collector waits for all of them, and then leaves them out.
    """
    gc.disable()
    try:
        for library in (READERS[model] for model in inputs if model in READERS):
            import_module(library)
        return import_module(f".{name}", __package__)
    finally:
        gc.freeze()
        gc.enable()


def _visible_gpus() -> int:
    return len([gpu for gpu in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if gpu])


def _launch(processes: int, arguments: list[str]) -> None:
    options = ["--multi_gpu", "--num_processes", str(processes), "--num_machines", "1", "--main_process_port", "0"]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", *options, "--dynamo_backend", "no"]
    os.execv(sys.executable, [*launcher, "-m", "maccap", *arguments])
