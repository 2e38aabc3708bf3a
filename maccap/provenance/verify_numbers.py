"""Numbers made again: each metric from the stored predictions, each table from the metrics, by the steps' own code."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ..artifacts import code_version, provenance_path, write_json
from ..assets import stays_inside
from ..errors import EnvironmentProblem
from ..steps import Job
from .verify_project import Outcome, Project

TABLES = ("table", "reported")
PRINTED = 1e-4  # the last decimal of stored scores


def numbers(project: Project) -> list[Outcome]:
    """The checks `metrics` and `tables`; they work in a temporary folder, and change the process's folder meanwhile.

    A metric that differs is not used further: the tables are made from the metric that should be there.

    Raises:
        EnvironmentProblem: there is no Java.
    """
    metrics, tables = Outcome("metrics"), Outcome("tables")
    with tempfile.TemporaryDirectory() as folder:
        shadow = Path(folder)
        for path in project.root.iterdir():
            if path.name != "results":
                (shadow / path.name).symlink_to(path)
        with contextlib.chdir(shadow), ThreadPoolExecutor(1) as beside:
            captions = beside.submit(_evaluate, project, metrics)
            steps = _steps({step for step, _ in project.calls.values()})
            captions.result()
            for step, module in steps.items():
                outcome = tables if step in TABLES else metrics
                for job in _jobs(project, step, outcome):
                    _attempt(outcome, [job], partial(module.run, job))
                    for out in job.outputs:
                        _compare(project, outcome, out)
    here, commits = code_version()["commit"], {record.code.get("commit") for record in project.records.values()}
    if commits != {here}:
        metrics.notes.append(f"made again with the code of {here}; the records name {', '.join(map(str, commits))}")
    tables.notes.append("figures are not drawn again, only hashed")
    return [metrics, tables]


def _steps(used: set[str]) -> dict[str, ModuleType]:
    """The steps other than `evaluate` that make metrics or tables, metrics first; the gap's imports torch, if used."""
    from ..steps import evaluate_answers, reported, table

    steps: dict[str, ModuleType] = {"evaluate_answers": evaluate_answers}
    if "measure_gap" in used:
        from ..steps import measure_gap

        steps["measure_gap"] = measure_gap
    return steps | {"table": table, "reported": reported}


def _evaluate(project: Project, outcome: Outcome) -> None:
    """All caption metrics, with one start of Java for all test sets."""
    from ..steps.evaluate import evaluations, reports

    jobs = list(_jobs(project, "evaluate", outcome))
    ready: list[Any] = []

    def prepare(job: Job) -> None:
        ready.extend(evaluations(job))

    def write() -> None:
        for evaluation, report in reports(ready):
            write_json(evaluation.out, report, indent=None)

    for job in jobs:
        _attempt(outcome, [job], partial(prepare, job))
    _attempt(outcome, jobs, write)
    for job in jobs:
        for out in job.outputs:
            _compare(project, outcome, out)


def _jobs(project: Project, step: str, outcome: Outcome) -> Iterator[Job]:
    """The jobs of a step, as far as they write nowhere but among the results."""
    for name, job in project.calls.values():
        if name == step:
            outcome.files |= set(map(str, job.outputs))
            if all(stays_inside(str(out)) and out.parts[0] == "results" for out in job.outputs):
                yield job
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


def _compare(project: Project, outcome: Outcome, out: Path) -> None:
    """Compare what was made again with the file; an equal metric then stands in its place."""
    stored = project.root / out
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
