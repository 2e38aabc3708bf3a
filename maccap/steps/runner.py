"""Run one step and write the record of the job."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.allocation import slurm_job
from ..core.artifacts import remove_unfinished
from ..core.holding import beside, end_with_parent, held
from ..core.job import Job
from ..core.records import made_since, now, record_of, write_record
from ..models.devices import claim_gpus

DISTRIBUTED = "RANK"  # torch.distributed's variable: the number of this process among its fellows
PATIENCE = 300.0  # seconds for the lock on a run: a job that is being ended, or whose node died, still has it
READERS = {"encoder": "open_clip", "language_model": "transformers.modeling_utils"}  # of inputs of these names


def run_step(
    name: str, inputs: dict[str, list[Path]], outputs: list[Path], cfg: dict[str, Any], arguments: list[str]
) -> None:
    """Run `steps/<name>.py`; the record is written only when it succeeds.

    A step whose config says `gpus` claims them first. Training on several replaces this process by `accelerate launch`
    of the same command, once per GPU; the first of these processes writes the record. A run is trained by one job at a
    time, and its state is removed when the record is there. What another job made while this one waited is kept.
    """
    job, rank = Job(inputs, outputs, cfg), os.environ.get(DISTRIBUTED)
    before, first = record_of(job) if name == "train" else b"", rank in (None, "0")
    if rank:
        end_with_parent(os.getppid())
    alone = held(beside(outputs[0].parent, "lock"), PATIENCE) if name == "train" and first else nullcontext()
    with _on_slurm(), alone:
        if name == "train" and not rank and made_since(before, name, job):
            print(f"{outputs[0]}: another job has made it meanwhile", file=sys.stderr)
            return
        if "gpus" in cfg and not rank:
            claim_gpus(cfg["gpus"] if name == "train" else min(1, cfg["gpus"]))
            if name == "train" and (visible := _visible_gpus()) > 1:
                _launch(visible, arguments)
        started = now()
        step_module(name, inputs).run(job)
        if first:
            write_record(name, job, started)
            if name == "train":
                state = beside(outputs[0].parent, "state.pt")
                state.unlink(missing_ok=True)
                remove_unfinished(state)


@contextmanager
def _on_slurm() -> Iterator[None]:
    """Under Slurm, name the job in the log, and keep the log of a failed try beside that of the next."""
    if not (own := slurm_job()):
        yield
        return
    print(f"Slurm: {', '.join(map(' '.join, own.items()))}", file=sys.stderr)
    log, kept = Path("/proc/self/fd/2").resolve(), None
    if log.suffix == ".log":  # Snakemake removes it before the next try
        kept = log.with_suffix(f".slurm-{own['job']}.log")
        with suppress(OSError):
            kept.hardlink_to(log)
    yield
    if kept:
        kept.unlink(missing_ok=True)


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

    Importing them makes a million objects that stay. Python's garbage collector is off meanwhile, and leaves them out.
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
