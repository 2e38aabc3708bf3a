"""Numbers made again by the jobs that made them: metrics from stored predictions, tables from metrics; or any job."""

import os
import random
import re
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import groupby
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any

from ..core.artifacts import stays_inside
from ..core.errors import FULL, EnvironmentProblem, refusal
from ..core.holding import end_with_parent
from ..core.job import Job
from ..core.records import THREADS, code_version
from .chain import CHANGED, MISSING, state_of
from .verify_project import Outcome, Project

CAPTIONS, OTHERS = ("evaluate",), ("evaluate_answers", "measure_gap")  # steps that make metrics, by process
TABLES = ("table", "reported")
NOT_RERUN = ("download", "manifest", "report")  # these need the network, or read records, which hold times
# What is made again may differ by this much: of metrics, the last decimal that people read; of tables, what another
# kind of CPU makes of the same sums.
NEAR = {"metrics": (1e-4, "fourth"), "tables": (1e-9, "ninth")}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Call = tuple[str, Job]  # a step's name and its job
RunJobs = Callable[[str, list[Job]], None]  # runs jobs of one step in the current folder, without records


def numbers(project: Project, run: RunJobs) -> list[Outcome]:
    """The checks `metrics` and `tables`, in two processes that work in a temporary folder.

    A metric that differs is not used further: the tables are made from the metric that should be there.

    Raises:
        EnvironmentProblem: there is no Java.
    """
    metrics, tables = Outcome("metrics"), Outcome("tables")
    lots = [list(_calls(project, steps, metrics)) for steps in (CAPTIONS, OTHERS)]
    again = {str(out) for lot in lots for _, job in lot for out in job.outputs}
    calls = list(_calls(project, TABLES, tables, there=again))
    with tempfile.TemporaryDirectory() as folder, workers(2) as submit:
        for outcome, shared in ((metrics, lots), (tables, [calls[::2], calls[1::2]])):
            parts = [submit(_remake, project.root, folder, outcome.check, run, lot) for lot in shared]
            found = [part.result() for part in parts]
            for part in found:
                outcome.findings += part.findings
            near = {file for part in found for file in part.files}
            outcome.mention(f"equal to the {NEAR[outcome.check][1]} decimal, not to the last bit", near)
    commits = {record.code.commit for record in project.jobs.values()}
    if commits != {here := code_version().commit}:
        metrics.notes.append(f"made again with the code of {here}; the records name {', '.join(map(str, commits))}")
    tables.notes.append("figures are not drawn again, only hashed")
    return [metrics, tables]


def rerun(project: Project, run: RunJobs, count: int, seed: int) -> Outcome:
    """Run `count` jobs again, drawn by `seed`, each in a folder of its own; their outputs must have the same bytes.

    On a CPU every step gives the same bytes on the same kind of CPU and with the same library versions.
    """
    outcome = Outcome("rerun")
    drawn = {path: record for path, record in project.jobs.items() if record.step not in NOT_RERUN}
    with workers(1) as submit:
        for path in random.Random(seed).sample(sorted(drawn), min(count, len(drawn))):
            record = drawn[path]
            if missing := [name for name in (*record.sources, *record.outputs) if not project.path(name).exists()]:
                outcome.notes.append(f"{path}: not run again, {missing[0]} is missing")
                continue
            for call in _calls(project, (record.step,), outcome, only=path):
                with tempfile.TemporaryDirectory() as folder:
                    part = submit(_remake, project.root, folder, outcome.check, run, [call]).result()
                outcome.findings += part.findings
                if not part.findings:
                    outcome.notes.append(f"ran again, same bytes: {record.step} → {call[1].outputs[0]}")
    return outcome


@contextmanager
def workers(count: int) -> Iterator[Callable[..., Future[Outcome]]]:
    """The function `submit` of a pool of processes. An interrupt ends them silently; only this process reports it.

    Raises:
        EnvironmentProblem: one of them was ended from elsewhere.
    """
    with _interrupts_put_off():  # Python's own bookkeeping of a pool, too, cannot be left half done
        pool = ProcessPoolExecutor(count, get_context("spawn"), _end_at_once, (os.getpid(),))
    with pool:

        def submit(*call: Any) -> Future[Outcome]:
            with _interrupts_put_off():
                return pool.submit(*call)

        try:
            yield submit
        except BrokenProcessPool as error:
            raise EnvironmentProblem(
                "a process that makes numbers again was ended, perhaps for lack of memory; free some, and run again"
            ) from error
        except BaseException:
            for process in active_children():
                process.terminate()
            raise


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Hold ENDINGS back until the end of the block, so that what is begun in it is whole, and prints no traceback.

    What is ignored, as by `nohup`, stays so there, too.
    """
    come: list[int] = []
    heeded = [number for number in ENDINGS if signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, lambda own, _: come.append(own)) for number in heeded}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if come:
            signal.raise_signal(come[0])


def _end_at_once(parent: int) -> None:
    for number in ENDINGS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)
    end_with_parent(parent)


def _calls(
    project: Project, steps: Sequence[str], outcome: Outcome, only: str | None = None, there: Collection[str] = ()
) -> Iterator[Call]:
    """The jobs of some steps, or `only` that of one record, as far as they write nowhere but into the project.

    Those whose inputs need not be here, or as they were, and are not, are only counted; `there` are inputs that other
    jobs make again before.
    """
    left: Counter[str] = Counter()
    for path, record in project.jobs.items():
        if record.step not in steps or only not in (None, path):
            continue
        needed = (source for source in record.sources.items() if source[0] not in there)
        if any(_rightly_lacks(project, path, *source) for source in needed):
            left[record.step] += 1
        elif all(map(stays_inside, record.outputs)):
            outcome.files |= set(record.outputs)
            yield record.step, record.job
        else:
            outcome.fault(path, "its job writes outside the project")
    if left:
        counts = ", ".join(f"{count} of {step}" for step, count in left.items())
        outcome.notes.append(f"not made again, as inputs are absent or have changed: {counts}")


def _rightly_lacks(project: Project, record: str, name: str, digest: str) -> bool:
    """Whether an input is absent, or a source that may be another than a job read, and is."""
    may_differ = project.records.may_differ(name, record)
    return name in project.absent or (may_differ and state_of(project.path(name), digest) in (CHANGED, MISSING))


def _remake(root: Path, folder: str, check: str, run: RunJobs, calls: Sequence[Call]) -> Outcome:
    """Do jobs again in a folder, and compare what they write with the files below `root`.

    One thread, as the jobs had: sums of floats depend on how they are divided. `files` of what is returned are nearly
    equal (`NEAR`).
    """
    os.environ.update(dict.fromkeys(THREADS, "1"))
    os.chdir(folder)
    tempfile.tempdir = folder  # which the main process removes, however this one ends
    outcome = Outcome(check)
    for step, group in groupby(calls, lambda call: call[0]):
        jobs = [job for _, job in group]
        for job in jobs:
            _link_inputs(root, job)
        if _failure(run, step, jobs):
            for job in jobs:
                if error := _failure(run, step, [job]):
                    outcome.fault(job.outputs[0], f"cannot be made again: {error}")
        for out in (out for job in jobs for out in job.outputs):
            _compare(root, outcome, out)
    return outcome


def _link_inputs(root: Path, job: Job) -> None:
    """Put links to a job's inputs into the current folder; what was made again there stays."""
    for path in (path for paths in job.inputs.values() for path in paths):
        if stays_inside(str(path)) and (root / path).exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                path.symlink_to(root / path)


def _failure(run: RunJobs, step: str, jobs: list[Job]) -> str:
    """Run jobs; what damaged inputs raise, of whatever kind, or an empty text."""
    try:
        run(step, jobs)
    except EnvironmentProblem:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise EnvironmentProblem(refusal(error)) from error
        return f"{type(error).__name__}: {str(error)[:200]}"
    return ""


def _compare(root: Path, outcome: Outcome, out: Path) -> None:
    """Compare what was made again with the file; one that is nearly equal then stands in its place."""
    stored = root / out
    if not out.is_file() or not stored.is_file() or out.read_bytes() == stored.read_bytes():
        return
    if outcome.check in NEAR and _near(out, stored, NEAR[outcome.check][0]):
        outcome.files.add(str(out))
        out.write_bytes(stored.read_bytes())
    else:
        outcome.fault(out, "is not what its inputs give when it is made again")


def _near(one: Path, other: Path, most: float) -> bool:
    """Whether two texts differ in numbers only, and in these by at most `most`."""
    a, b = (path.read_text(errors="replace") for path in (one, other))
    pairs = zip(NUMBER.findall(a), NUMBER.findall(b), strict=False)
    return NUMBER.split(a) == NUMBER.split(b) and all(abs(float(x) - float(y)) <= most for x, y in pairs)
