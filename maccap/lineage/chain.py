"""The chain behind a file or a number: the jobs that made it, down to sources and weights."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from ..core.artifacts import sha256
from ..core.errors import DataError
from ..core.records import ABOUT, MADE_IN, RECORD_SUFFIX, Record, Records, read_record
from .cells import Number
from .published import absent

HASHED_BYTES = 32 * 2**20  # larger files are left to `maccap verify`
SAME, CHANGED, MISSING, UNREAD, ABSENT = "ok", "CHANGED", "MISSING", "not hashed", "absent"
NAMED_BY = {  # sections of the config, by what a job is about
    "experiments": ("experiment",), "vqa_methods": ("vqa_method",), "runs": ("run",), "datasets": ("trained", "tested"),
}  # fmt: skip

Selection = dict[str, frozenset[Any]]  # which data a number is about, by the keys of ABOUT


@dataclass(frozen=True)
class File:
    """A file of the chain.

    Attributes:
        sha256: as the record of its job says, or, for a source, the first job that read it.
        state: of the bytes on disk: SAME, CHANGED, MISSING, UNREAD, or ABSENT, which is no fault.
        job: number of the job that made it; None for a source.
    """

    path: str
    sha256: str
    state: str
    job: int | None


@dataclass
class ChainJob:
    """One job of the chain.

    Attributes:
        made: its outputs in the chain.
        reads: what it read to make them.
        left_out: what it read for other rows of the table.
        about: the data that it handled for this chain; without a number, all that it handled.
    """

    number: int
    record: Record
    made: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    about: dict[str, set[Any]] = field(default_factory=dict)

    @property
    def seeds(self) -> list[int]:
        if seeds := self.record.seeds:
            return [seed for seed in seeds if seed in self.about.get("run_seed", seeds)]
        settings = self.record.settings
        return [settings[key] for key in ("run_seed", "seed") if settings.get(key) is not None]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that bear on the chain: without labels, and without those of other experiments or data."""
        found = {}
        for key, value in self.record.settings.items():
            section, *names = key.split(".")
            own = {name for kind in NAMED_BY.get(section, ()) for name in self.about.get(kind, ())}
            if not key.endswith(".label") and (not own or own.intersection(names[:1])):
                found[key] = value
        return found


@dataclass
class Chain:
    """Files by path, and jobs, that of the traced file first; `faults` say what does not fit together."""

    roots: list[str]
    records: Records
    hashing: bool
    files: dict[str, File] = field(default_factory=dict)
    jobs: list[ChainJob] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _by_record: dict[str, ChainJob] = field(default_factory=dict)
    _followed: set[Any] = field(default_factory=set)  # records, each with the selections of data it was followed for

    def makers(self, job: ChainJob) -> list[ChainJob]:
        """The jobs that made what a job read, each once."""
        numbers = dict.fromkeys(self.files[name].job for name in job.reads)
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

    def fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)

    def follow(self, record: Record, selection: Selection | None, only: set[str] | None) -> None:
        """Add what a job read, and all behind it; `only` are the inputs that count."""
        todo = [(record, selection, only)]
        for record, selection, only in todo:
            about = {key: frozenset(values) for key, values in record.about.items()}
            own = about if selection is None else _narrowed(selection, about)
            key = (record.path, frozenset(own.items()), frozenset(only or ()))
            if key in self._followed:
                continue
            self._followed.add(key)
            job = self.job(record)
            for kind, values in own.items():
                job.about.setdefault(kind, set()).update(values)
            for path, digest in record.sources.items():
                maker = self.records.of(path)
                theirs = maker.about if maker and selection is not None else {}
                for_others = any(kind in own and own[kind].isdisjoint(values) for kind, values in theirs.items())
                if for_others or (only is not None and path not in only):
                    job.left_out.append(path)
                    continue
                if path not in job.reads:
                    job.reads.append(path)
                self.add(path, digest, job)
                if maker:
                    todo.append((maker, None if selection is None else own, None))

    def job(self, record: Record) -> ChainJob:
        """The job of a record.

        Raises:
            DataError: the record does not lie where it says.
        """
        if self.records.by_path.get(record.path) is not record:
            raise DataError(f"{record.path}: another record names the outputs of this job; run `maccap verify`")
        if record.path not in self._by_record:
            self._by_record[record.path] = ChainJob(len(self.jobs) + 1, record)
            self.jobs.append(self._by_record[record.path])
        return self._by_record[record.path]

    def add(self, path: str, digest: str, reader: ChainJob | None) -> None:
        """Add a root, or a file that a job read as bytes with this hash."""
        if path not in self.files:
            maker = self.records.of(path)
            job = self.job(maker) if maker else None
            recorded = maker.outputs[path].sha256 if maker else digest
            state = state_of(self.records.root / path, recorded) if self.hashing else UNREAD
            if state == MISSING and path in absent(self.records):
                state = ABSENT
            self.files[path] = File(path, recorded, state, job.number if job else None)
            if job:
                job.made.append(path)
            elif path.startswith(tuple(f"{made}/" for made in MADE_IN)):
                self.fault(f"{path}: no record names it, so how it was made is unknown; run the rule that makes it")
                for damage in self.records.damaged.values():
                    self.fault(damage)
            if state in (CHANGED, MISSING) and not (reader and self.records.may_differ(path, reader.record.path)):
                self.fault(
                    f"{path}: {'is not on this disk' if state == MISSING else 'was changed after it was recorded'}"
                )
        if reader and digest != self.files[path].sha256:
            who = f"[{reader.number}] {reader.record.step}"
            self.fault(f"{path}: {who} read other bytes than those recorded; run that rule again")


def project_of(file: Path) -> tuple[Records, str]:
    """The records of the project that a file lies in, and the file's path there.

    Raises:
        DataError: no record names the file.
    """
    place, damaged = Path(os.path.abspath(file)), ""
    for folder in place.parents:
        name = str(place.relative_to(folder))
        if name.startswith(tuple(f"{made}/" for made in MADE_IN)):
            records = Records(os.path.relpath(folder))
            if records.of(name):
                return records, name
            damaged = damaged or records.damaged.get(name + RECORD_SUFFIX, "")
    for path in (path for folder in place.parents for path in sorted(folder.glob(f"*{RECORD_SUFFIX}"))):
        try:  # results that lie anywhere, as of `maccap gap`: the record's own path tells where the job ran
            record = read_record(path)
        except DataError:
            continue
        root = str(path).removesuffix(record.path)
        if root != str(path) and (names := [name for name in record.outputs if Path(root, name) == place]):
            records = Records(os.path.relpath(root or "."))
            records.by_path[record.path] = record
            return records, names[0]
    fault = "no record names it" if file.exists() else "no such file"
    raise DataError(damaged or f"{file}: {fault}; name a table or a file that a rule made, or run that rule")


def chain_of(roots: Sequence[str], records: Records, numbers: Iterable[Number] = (), *, hashing: bool = True) -> Chain:
    """The chain behind some files; with `numbers`, of what these numbers of the first file come from.

    Which of a job's inputs belong to a number is read off the data: the rows of the number's sources say what was
    trained, decoded and tested, and so do the records of the jobs.

    Raises:
        DataError: the record of a file lies where another one belongs.
    """
    chain = Chain(list(roots), records, hashing)
    for root in roots:
        chain.add(root, "", None)
    selections: list[tuple[Selection | None, set[str] | None]] = [
        (_selection(number), {source.file for source in number.cell.sources}) for number in numbers
    ]
    for record in filter(None, map(records.of, roots)):
        for selection, files in selections or [(None, None)]:
            chain.follow(record, selection, files)
    for job in chain.jobs:
        job.left_out = [name for name in dict.fromkeys(job.left_out) if name not in job.reads]
    return chain


def _selection(number: Number) -> Selection:
    rows = [source.row | {"run_seed": source.row.get("seed")} for source in number.cell.sources]
    found = {key: frozenset(row[key] for row in rows if row.get(key) is not None) for key in ABOUT}
    return {key: values for key, values in found.items() if values}


def _narrowed(selection: Selection, about: Selection) -> Selection:
    """A selection, once it has come to a job that is about some data."""
    common = {key: selection[key] & values or selection[key] for key, values in about.items() if key in selection}
    return {key: values for key, values in about.items() if len(values) == 1} | selection | common


def state_of(path: Path, digest: str) -> str:
    """Whether a file still has the bytes with this hash."""
    if not path.exists():
        return MISSING
    if path.is_file() and path.stat().st_size > HASHED_BYTES:
        return UNREAD
    return SAME if sha256(path) == digest else CHANGED
