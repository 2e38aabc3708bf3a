"""A trace as text for a terminal: a tree of jobs, each job and each file once."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import PurePath
from typing import Any

from .cells import Number
from .chain import Chain, Job, shared

WIDTH = 100
DIGITS = 12  # of a sha256; --json has all 64
KINDS = {
    "mean": "mean", "difference": "mean of paired differences (first half minus second)",
    "bound": "end of the 95 % bootstrap interval",
}  # fmt: skip


def describe(chain: Chain, numbers: list[Number], value: Any = None) -> Iterator[str]:
    """Lines of at most 100 columns where names permit."""
    for found in numbers:
        yield from _number(found)
        yield ""
    if value is not None:
        yield from [textwrap.shorten(json.dumps(value, ensure_ascii=False), WIDTH), ""]
    common = common_settings(chain)
    jobs = f"{len(chain.jobs)} jobs, {len(chain.artifacts)} files. Of every job, unless it says otherwise:"
    yield from [jobs, *(line for key, text in common.items() for line in _labelled(key, text))]
    yield ""
    yield from _Tree(chain, common).lines(chain.jobs[0], "", "")
    yield ""
    if chain.faults:
        yield f"{len(chain.faults)} things do not fit:"
        yield from (f"  {fault}" for fault in chain.faults)
    else:
        yield "Every file hashed here has the bytes that were recorded. Whole hashes and commands: --json."


def _number(found: Number) -> Iterator[str]:
    """What is printed, what it was computed from, and whether that still gives it."""
    yield f"{', '.join(filter(None, found.row.labels))} · {found.column}: {found.printed}"
    yield from textwrap.wrap(origin_text(found), WIDTH, initial_indent="  ", subsequent_indent="    ")
    yield from (f"  {value:10.4f}  {file}" for file, value in zip(found.cell.files, found.values, strict=True))


def origin_text(found: Number) -> str:
    """How a number follows from its metric files, and whether it still does."""
    if found.again is None:
        verdict = "not computed again here; `maccap verify` does"
    else:
        verdict = f"computed again {found.again.text(4)}, {'the same' if found.agrees else 'NOT THE SAME'}"
    spread = " ± standard deviation" if found.cell.sd is not None else ""
    over = f", n = {found.cell.n}" if found.cell.n > 1 else ""
    return f"{KINDS[found.cell.kind]}{spread} of {found.cell.pointer}{over}; {verdict}"


def common_settings(chain: Chain) -> dict[str, str]:
    """Code, versions and machine of most jobs."""
    return {key: shared(setting(job)[key] for job in chain.jobs) for key in KEYS}


KEYS = ("code", "python", "packages", "host")


def setting(job: Job) -> dict[str, str]:
    """What jobs usually have in common."""
    code, record = job.record.code, job.record
    state = {"True": " with uncommitted changes", "False": ", clean"}.get(str(code.get("dirty")), "")
    return {
        "code": f"maccap {code.get('package')}, commit {code.get('commit') or 'unknown'}{state}",
        "python": record.python,
        "packages": ", ".join(f"{name} {version}" for name, version in record.packages.items()),
        "host": ", ".join(f"{key} {value}" for key, value in record.host.items()),
    }


def parameters_text(parameters: dict[str, Any]) -> str:
    """`seed 1; training: epochs 1, batch_size 16` of dotted keys."""
    sections: dict[str, list[str]] = {}
    for key, value in parameters.items():
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(
            f"{name} {value if value and isinstance(value, str) else json.dumps(value)}"
        )
    return "; ".join((f"{section}: " if section else "") + ", ".join(pairs) for section, pairs in sections.items())


def time_text(job: Job) -> str:
    """When a job started, in its own zone, and how long it took."""
    start, end = datetime.fromisoformat(job.record.started), datetime.fromisoformat(job.record.ended)
    return f"{start:%Y-%m-%d %H:%M:%S %Z}, {(end - start).total_seconds():.1f} s"


def seeds_text(job: Job) -> str:
    return f"seed{'s'[: len(job.seeds) > 1]} {', '.join(map(str, job.seeds))}" if job.seeds else ""


def folders(paths: Iterable[str]) -> dict[str, list[str]]:
    """{folder: file names}, in order."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(str(PurePath(path).parent), []).append(PurePath(path).name)
    return found


def _labelled(label: str, text: str, width: int = WIDTH) -> list[str]:
    wrapped = textwrap.wrap(text, width - 11, break_on_hyphens=False)
    return [f"  {label if not i else '':9}{line}" for i, line in enumerate(wrapped)]


class _Tree:
    """Remembers what was printed."""

    def __init__(self, chain: Chain, common: dict[str, str]) -> None:
        self.chain, self.common, self.depths = chain, common, chain.depths()
        self.jobs: set[int] = set()
        self.sources: dict[str, int] = {}  # source -> the job that it was printed with
        self.settings: dict[str, int] = {}  # parameters -> the job that they were printed with

    def lines(self, job: Job, first: str, rest: str) -> Iterator[str]:
        """A job and all above it; `first` starts its first line, `rest` every other."""
        if job.number in self.jobs:
            yield f"{first}[{job.number}] {job.record.step}, above"
            return
        self.jobs.add(job.number)
        yield first + " · ".join(filter(None, (f"[{job.number}] {job.record.step}", seeds_text(job), time_text(job))))
        above = self._above(job)
        bar = rest + ("│" if above else " ")
        width = WIDTH - len(bar)
        files = [line for folder, names in folders(job.made).items() for line in self._files("made", folder, names)]
        files += self._sources(job)
        settings = [line for key, text in self._told(job) for line in _labelled(key, text, width)]
        command = [f"  {'command':9}{textwrap.shorten(job.record.command, width - 11, placeholder=' …')}"]
        yield from (bar + line for line in (*files, *settings, *command))
        for maker in above:
            last = maker is above[-1]
            yield from self.lines(maker, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    def _above(self, job: Job) -> list[Job]:
        """The makers of what a job read, those with the longest past first."""
        return sorted(self.chain.makers(job), key=lambda maker: -self.depths[maker.number])

    def _sources(self, job: Job) -> Iterator[str]:
        """What it read that no job made."""
        sources = [name for name in job.reads if self.chain.artifacts[name].job is None]
        for folder, names in folders(name for name in sources if name not in self.sources).items():
            yield from self._files("source", folder, names)
        old = [name for name in sources if name in self.sources]
        for folder, names in folders(old).items():
            with_job = self.sources[f"{folder}/{names[0]}" if folder != "." else names[0]]
            yield f"  source   {folder}/ ({len(names)}, with [{with_job}] above)"
        self.sources |= {name: job.number for name in sources if name not in self.sources}

    def _files(self, label: str, folder: str, names: list[str]) -> Iterator[str]:
        yield f"  {label:9}{folder}/"
        longest = max(map(len, names))
        for name in names:
            artifact = self.chain.artifacts[f"{folder}/{name}" if folder != "." else name]
            yield f"  {'':11}{name:{longest}}  {artifact.sha256[:DIGITS]}  {artifact.state}"

    def _told(self, job: Job) -> Iterator[tuple[str, str]]:
        """What is to be said of a job: its parameters, what it shares with no other, and what else it read."""
        if text := parameters_text(job.parameters()):
            first = self.settings.setdefault(text, job.number)
            yield "with", text if first == job.number else f"what [{first}] above has"
        yield from ((key, text) for key, text in setting(job).items() if text != self.common[key])
        if job.others:
            yield "besides", f"read {len(job.others)} files for other rows or outputs"
