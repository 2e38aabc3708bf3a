"""Numbers made again: each metric from the stored predictions, each table from the metrics, by the steps' own code."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

from ..core.artifacts import code_version, provenance_path, stays_inside, write_json
from ..core.errors import EnvironmentProblem
from ..core.job import Job
from .verify_project import Outcome, Project

CAPTIONS, OTHERS = ("evaluate",), ("evaluate_answers", "measure_gap")  # steps that make metrics, by process
TABLES = ("table", "reported")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # as Snakemake sets
PRINTED = 1e-4  # the last decimal of stored scores

Call = tuple[str, Job]  # a step's name and its job


def numbers(project: Project) -> list[Outcome]:
    """The checks `metrics` and `tables`, in two processes that work in a temporary folder.

    A metric that differs is not used further: the tables are made from the metric that should be there.

    Raises:
        EnvironmentProblem: there is no Java.
    """
    metrics, tables = Outcome("metrics"), Outcome("tables")
    with tempfile.TemporaryDirectory() as folder:
        for path in project.root.iterdir():
            if path.name != "results":
                (Path(folder) / path.name).symlink_to(path)
        with ProcessPoolExecutor(2, get_context("spawn"), _begin, (folder,)) as processes:
            _share(processes, project, metrics, [list(_calls(project, of, metrics)) for of in (CAPTIONS, OTHERS)])
            calls = list(_calls(project, TABLES, tables))
            _share(processes, project, tables, [calls[::2], calls[1::2]])
    here, commits = code_version()["commit"], {record.code.get("commit") for record in project.records.values()}
    if commits != {here}:
        metrics.notes.append(f"made again with the code of {here}; the records name {', '.join(map(str, commits))}")
    tables.notes.append("figures are not drawn again, only hashed")
    return [metrics, tables]


def _begin(folder: str) -> None:
    """Work in the folder, with one thread as the jobs did: sums of floats depend on how they are divided."""
    os.environ.update(ONE_THREAD)
    os.chdir(folder)


def _share(processes: Executor, project: Project, outcome: Outcome, lots: Iterable[Sequence[Call]]) -> None:
    """Have each lot of jobs done again beside the others."""
    for part in [processes.submit(remake, project.root, outcome.check, lot) for lot in lots]:
        outcome.findings += part.result().findings
        outcome.notes += part.result().notes


def remake(root: Path, check: str, calls: Sequence[Call]) -> Outcome:
    """Do jobs again below the current folder, and compare what they write with the files below `root`."""
    outcome = Outcome(check)
    together = [job for step, job in calls if step in CAPTIONS]
    _evaluate(outcome, together)
    for step, job in calls:
        if step not in CAPTIONS:
            _attempt(outcome, [job], partial(_module(step).run, job))
        for out in job.outputs:
            _compare(root, outcome, out)
    return outcome


def _module(step: str) -> ModuleType:
    """A step that makes numbers; torch is imported only with that of the gap."""
    if step == "measure_gap":
        from ..steps import measure_gap

        return measure_gap
    from ..steps import evaluate_answers, reported, table

    return {"evaluate_answers": evaluate_answers, "reported": reported, "table": table}[step]


def _evaluate(outcome: Outcome, jobs: list[Job]) -> None:
    """All caption metrics, with one start of Java for all test sets."""
    from ..steps.evaluate import evaluations, reports

    ready: list[Any] = []

    def prepare(job: Job) -> None:
        ready.extend(evaluations(job))

    def write() -> None:
        for evaluation, report in reports(ready):
            write_json(evaluation.out, report, indent=None)

    for job in jobs:
        _attempt(outcome, [job], partial(prepare, job))
    _attempt(outcome, jobs, write)


def _calls(project: Project, steps: Sequence[str], outcome: Outcome) -> Iterator[Call]:
    """The jobs of some steps, as far as they write nowhere but among the results."""
    for step in steps:
        for name, job in project.calls.values():
            if name != step:
                continue
            outcome.files |= set(map(str, job.outputs))
            if all(stays_inside(str(out)) and out.parts[0] == "results" for out in job.outputs):
                yield step, job
            else:
                outcome.fault(provenance_path(job.outputs[0]), "its command writes elsewhere than into results/")


def _attempt(outcome: Outcome, jobs: list[Job], work: Callable[[], Any]) -> None:
    """Do the work; what damaged inputs raise, of whatever kind, is a finding about the outputs."""
    try:
        work()
    except EnvironmentProblem:
        raise
    except Exception as error:
        for job in jobs:
            outcome.fault(job.outputs[0], f"cannot be made again: {type(error).__name__}: {str(error)[:200]}")


def _compare(root: Path, outcome: Outcome, out: Path) -> None:
    """Compare what was made again with the file; an equal metric then stands in its place."""
    stored = root / out
    if not out.is_file() or not stored.is_file():
        return
    if out.read_bytes() == stored.read_bytes():
        return
    if outcome.check == "metrics" and _near(out, stored):
        outcome.notes.append(f"{out}: equal to the fourth decimal, not to the last bit")
        out.write_bytes(stored.read_bytes())
    else:
        outcome.fault(out, "is not what its inputs give when it is made again")


def _near(one: Path, other: Path) -> bool:
    try:
        return _equal(json.loads(one.read_text()), json.loads(other.read_text()))
    except ValueError:
        return False


def _equal(one: Any, other: Any) -> bool:
    """Whether two JSON values have the same structure and numbers to `PRINTED`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return abs(one - other) <= PRINTED if isinstance(one, float) else bool(one == other)
