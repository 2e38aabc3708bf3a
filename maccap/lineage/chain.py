"""The chain behind an artifact: the jobs and files that it was made from, down to sources and weights."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ..core.artifacts import sha256
from ..core.errors import DataError
from ..core.records import Record, read_record

HASHED_BYTES = 32 * 2**20  # larger files are left to `maccap verify`
MADE_IN = ("artifacts", "results")
SAME, CHANGED, MISSING, UNREAD = "ok", "CHANGED", "MISSING", "not hashed"
LANE = re.compile(r"/(predictions|answers|captions|vqa|runs)/(?P<names>.+)/(?P<seed>s\d+|published)[./]")
PICTURES = re.compile(r"/features/(?P<dataset>[^/]+)/images\.")


@dataclass(frozen=True)
class Artifact:
    """A file of the chain.

    Attributes:
        sha256: as its record says, or, for a source, the job that read it.
        state: of the bytes on disk: SAME, CHANGED, MISSING or UNREAD.
        job: number of the job that made it; None for a source.
    """

    path: str
    sha256: str
    state: str
    job: int | None


@dataclass
class Job:
    """One run of a step, as far as it is part of the chain.

    Attributes:
        made: its outputs in the chain.
        reads: what it read to make them.
        others: what it read for its other outputs only, with the hashes.
    """

    number: int
    record: Record
    made: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        """Of the runs whose outputs are in the chain, or else the one in the job's parameters."""
        found = {int(lane[1][1:]) for lane in map(_lane, self.made) if lane and lane[1] != "published"}
        own = self.record.parameters.get("seed")
        return sorted(found) or ([own] if own is not None else [])

    def parameters(self) -> dict[str, Any]:
        """Those that bear on the chain: without names for people, and without what is said of other rows of tables."""
        about = re.compile(r"(experiments|answerers|runs|datasets)\.([^.]+)\.(?!label$)")
        names = {name for path in (*self.made, *self.reads) for name in path.split("/")}
        return {
            key: value
            for key, value in self.record.parameters.items()
            if not re.match("(experiments|answerers|runs|datasets)[.]", key)
            or ((found := about.match(key)) and found[2] in names)
        }


@dataclass
class Chain:
    """Files by path, and jobs, those of the roots first; `faults` are sentences about what does not fit together."""

    roots: list[str]
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def makers(self, job: Job) -> list[Job]:
        """The jobs that made what a job read, each once."""
        numbers = dict.fromkeys(self.artifacts[name].job for name in job.reads)
        return [self.jobs[number - 1] for number in numbers if number is not None]

    def depths(self) -> dict[int, int]:
        """Of each job by its number: how many jobs, one after the other, came before it.

        Raises:
            DataError: the records say that a job read what was made from its own outputs.
        """
        graph = {job.number: [maker.number for maker in self.makers(job)] for job in self.jobs}
        depths: dict[int, int] = {}
        try:
            for number in TopologicalSorter(graph).static_order():
                depths[number] = max((depths[maker] + 1 for maker in graph[number]), default=0)
        except CycleError as error:
            steps = " <- ".join(self.jobs[number - 1].record.step for number in error.args[1])
            raise DataError(f"{self.roots[0]}: its records go in a circle ({steps}); run the rules again") from error
        return depths


class Archive:
    """The records and files below a project's folder; each is read, and hashed if it is to be, at most once."""

    def __init__(self, folder: Path = Path(), *, hashing: bool = True) -> None:
        self.folder, self.hashing = folder, hashing
        self._records: dict[str, Record | None] = {}
        self._states: dict[tuple[str, str], str] = {}

    def record(self, name: str) -> Record | None:
        """The record of an artifact, None for a source.

        Raises:
            DataError: it is damaged, or is another artifact's.
        """
        if name not in self._records:
            record = read_record(self.folder / name)
            if record and self._place(record.artifact) != self._place(name):
                raise DataError(f"{name}: its record speaks of {record.artifact}; run the rule that makes it")
            self._records[name] = record
        return self._records[name]

    def is_made(self, name: str) -> bool:
        """Whether a file lies where only jobs write, so that it must have a record."""
        return os.path.relpath(self._place(name), self.folder.resolve()).split(os.sep)[0] in MADE_IN

    def state(self, name: str, digest: str) -> str:
        """Whether a file still has the bytes with this hash."""
        if (name, digest) not in self._states:
            self._states[name, digest] = self._state(self.folder / name, digest)
        return self._states[name, digest]

    def _state(self, path: Path, digest: str) -> str:
        if not self.hashing:
            return UNREAD
        if not path.exists():
            return MISSING
        if path.is_file() and path.stat().st_size > HASHED_BYTES:
            return UNREAD
        return SAME if sha256(path) == digest else CHANGED

    def _place(self, name: str) -> Path:
        return (self.folder / name).resolve()


def archive_of(file: Path) -> tuple[Archive, str]:
    """The project that an artifact lies in, read off its record, and its name there.

    Raises:
        DataError: no such file, no record, or another artifact's.
    """
    record = read_record(file)
    if not record:
        fault = "has no record beside it" if file.exists() else "no such file"
        raise DataError(f"{file}: {fault}; name a table or an artifact that a rule made, or run that rule")
    if Path(record.artifact).is_absolute():
        return Archive(), record.artifact
    place, parts = file.resolve(), Path(record.artifact).parts
    if place.parts[-len(parts) :] != parts:
        raise DataError(f"{file}: its record speaks of {record.artifact}; run the rule that makes it")
    return Archive(Path(os.path.relpath(Path(*place.parts[: -len(parts)])))), record.artifact


def chain_of(roots: Sequence[str], archive: Archive, only: Collection[str] | None = None) -> Chain:
    """The chain behind some artifacts; with `only`, of their inputs just these, as for one number of a table.

    Raises:
        DataError: a record of the chain is damaged.
    """
    chain = Chain(list(roots))
    jobs: dict[tuple[str, str], Job] = {}
    todo: list[tuple[str, str | None, Job | None]] = [(root, None, None) for root in roots]
    for name, read_as, reader in todo:
        if read_as and name in chain.artifacts:
            if chain.artifacts[name].sha256 != read_as:
                _differs(chain, name, reader)
            continue
        record = archive.record(name)
        if record is None:
            if archive.is_made(name) or read_as is None:
                chain.faults.append(f"{name}: no record, so that its past is unknown; run the rule that makes it")
            _add(chain, archive, name, read_as or "", None)
            continue
        job = jobs.setdefault(record.job, Job(len(jobs) + 1, record))
        job.made.append(name)
        _add(chain, archive, name, record.sha256, job.number)
        if read_as not in (None, record.sha256):
            _differs(chain, name, reader)
        for source, digest in record.inputs.items():
            if (source in only) if only is not None and name in roots else _belongs(name, source):
                if source not in job.reads:
                    job.reads.append(source)
                    todo.append((source, digest, job))
            else:
                job.others[source] = digest
    for job in jobs.values():
        job.others = {name: digest for name, digest in job.others.items() if name not in job.reads}
    chain.jobs = list(jobs.values())
    return chain


def _add(chain: Chain, archive: Archive, name: str, digest: str, job: int | None) -> None:
    state = archive.state(name, digest)
    chain.artifacts[name] = Artifact(name, digest, state, job)
    if state in (CHANGED, MISSING):
        told = "is not on this disk" if state == MISSING else "was changed after it was recorded"
        chain.faults.append(f"{name}: {told}")


def _differs(chain: Chain, name: str, reader: Job | None) -> None:
    who = f"[{reader.number}] {reader.record.step}" if reader else "its reader"
    chain.faults.append(f"{name}: {who} read other bytes than those recorded; run `snakemake --cores all`")


def _belongs(output: str, source: str) -> bool:
    """Whether a job read a file for this output, and not only for another one of another seed, row or test set.

    Runs, predictions, answers and their metrics carry the seed in their names; predictions, answers and metrics also
    what was trained, decoded and tested on. A metric file needs only predictions or answers of its own names, in any
    order; predictions need only pictures of their own test set.
    """
    ours, theirs = _lane(output), _lane(source)
    if pictures := PICTURES.search(source):
        return not ours or pictures["dataset"] in ours[0][1:]
    if not ours or not theirs:
        return True
    return ours[1] == theirs[1] and ("/metrics/" not in output or sorted(ours[0]) == sorted(theirs[0]))


@cache
def _lane(path: str) -> tuple[list[str], str] | None:
    """(names, that of the training data first; seed) in an artifact's path."""
    found = LANE.search(path)
    return (found["names"].split("/"), found["seed"]) if found else None


def shared(values: Iterable[Any]) -> Any:
    """The most frequent of some values, which are compared by what they print."""
    listed = list(values)
    texts = [repr(value) for value in listed]
    return listed[texts.index(max(texts, key=texts.count))]
