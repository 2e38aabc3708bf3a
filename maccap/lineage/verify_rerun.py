"""Jobs run again in a temporary folder, and their outputs compared byte for byte."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..core.artifacts import provenance_path, stays_inside
from ..core.job import Job
from .verify_numbers import ONE_THREAD
from .verify_project import Outcome, Project

PACKAGE = Path(__file__).parents[2]
NETWORK = ("download",)
FROM_RECORDS = ("manifest", "report")  # which are not there, and hold times
LAST_WORDS = 300  # characters of a failed job's output


def rerun(project: Project, count: int, seed: int) -> Outcome:
    """Run `count` jobs again, drawn by `seed`, with this code.

    Downloads are not drawn, nor what is made from records, which hold times. On the CPU every other step gives the same
    bytes on the same machine and library versions.
    """
    outcome = Outcome("rerun")
    drawn = {command: job for command, (step, job) in project.calls.items() if step not in (*NETWORK, *FROM_RECORDS)}
    for command in random.Random(seed).sample(sorted(drawn), min(count, len(drawn))):
        _rerun(project, outcome, command, drawn[command])
    return outcome


def _rerun(project: Project, outcome: Outcome, command: str, job: Job) -> None:
    named = [path for paths in job.inputs.values() for path in paths]
    outcome.files |= set(map(str, job.outputs))
    if not all(stays_inside(str(path)) for path in job.outputs):
        outcome.fault(provenance_path(job.outputs[0]), "its command writes outside the project")
        return
    with tempfile.TemporaryDirectory() as folder:
        if missing := _copy(project.root, Path(folder), named):
            outcome.notes.append(f"{job.outputs[0]}: not run again, {missing} is missing")
            return
        run = subprocess.run(
            [sys.executable, "-m", *shlex.split(command)], cwd=folder, capture_output=True, text=True,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(PACKAGE)},
        )  # fmt: skip
        if run.returncode:
            words = (run.stdout + run.stderr).strip()[-LAST_WORDS:]
            outcome.fault(job.outputs[0], f"cannot be made again: {words}")
            return
        differ = [out for out in job.outputs if (Path(folder) / out).read_bytes() != (project.root / out).read_bytes()]
        for out in differ:
            outcome.fault(out, "has other bytes when its job runs again")
        if not differ:
            outcome.notes.append(f"ran again, same bytes: {shlex.split(command)[1]} → {job.outputs[0]}")


def _copy(root: Path, folder: Path, paths: Iterable[Path]) -> Path | None:
    """Copy inputs into a folder; the first one that is missing."""
    for path in paths:
        if not (root / path).is_file():
            return path
        if stays_inside(str(path)):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / path, folder / path)
    return None
