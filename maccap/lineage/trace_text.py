"""A trace as text for a terminal: a tree of jobs, each job and each file once."""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from ..tables.table import BOUND, DIFFERENCE, MEAN
from .cells import Number
from .chain import ABSENT, CHANGED, MISSING, Chain, ChainJob

WIDTH = 100
DIGITS, LONGEST = 12, 80  # of a sha256, and characters of a setting; --json has all
KINDS = {
    MEAN: "mean", DIFFERENCE: "mean of paired differences (first half minus second)",
    BOUND: "end of the 95 % bootstrap interval",
}  # fmt: skip
REMARKS = {
    ABSENT: "absent, as git has only their records",
    CHANGED: "changed since",
    MISSING: "gone since",
}  # no faults


def describe(chain: Chain, numbers: list[Number], value: Any = None) -> Iterator[str]:
    """Lines of at most 100 columns where names permit."""
    for found in numbers:
        yield heading(found)
        yield from textwrap.wrap(origin_text(found), WIDTH, initial_indent="  ", subsequent_indent="    ")
        for source, one in zip(found.cell.sources, found.values, strict=True):
            yield f"  {one:10.4f}  {source.file}"
            yield from textwrap.wrap(_listed(source.row), WIDTH, initial_indent=" " * 14, subsequent_indent=" " * 14)
        yield ""
    if value is not None:
        yield from [textwrap.shorten(json.dumps(value, ensure_ascii=False), WIDTH), ""]
    common = common_circumstances(chain)
    yield f"{len(chain.jobs)} jobs, {len(chain.files)} files. Of every job, unless it says otherwise:"
    yield from (line for key, text in common.items() for line in _labelled(key, text))
    yield ""
    yield from _Tree(chain, common).lines(chain.jobs[0], "", "")
    yield ""
    if chain.faults:
        yield from [f"{len(chain.faults)} things do not fit:", *(f"  {fault}" for fault in chain.faults)]
    else:
        states = Counter(file.state for file in chain.files.values())
        yield from (f"Files {REMARKS[state]}: {count}." for state, count in states.items() if state in REMARKS)
        other = "other " if states[CHANGED] else ""
        yield f"Every {other}file hashed here has the bytes that were recorded. Whole hashes: --json."
        if states[ABSENT]:
            yield "The command behind `again` needs the absent files that its job read; `snakemake` makes them."


def heading(found: Number) -> str:
    return f"{', '.join(filter(None, found.row.labels))} · {found.column}: {found.printed}"


def sources_text(found: Number) -> tuple[str, str]:
    """What all the rows share that a number is made of, and each value with what else names its row."""
    sources = found.cell.sources
    several = len({source.file for source in sources}) > 1
    rows = [source.row | ({"file": source.file} if several else {}) for source in sources]
    shared = {key: value for key, value in rows[0].items() if all(row.get(key) == value for row in rows)}
    own = [_listed({key: value for key, value in row.items() if key not in shared}) for row in rows]
    each = [f"{value:.4f} ({text})" if text else f"{value:.4f}" for value, text in zip(found.values, own, strict=True)]
    return _listed(shared), ", ".join(each)


def _listed(row: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in row.items() if value is not None)


def origin_text(found: Number) -> str:
    """How a number follows from its metric files, and whether it still does."""
    if found.again is None:
        verdict = "not computed again here; `maccap verify` does"
    else:
        verdict = f"computed again {found.again.text(4)}, {'the same' if found.agrees else 'NOT THE SAME'}"
    spread = " ± standard deviation" if found.cell.sd is not None else ""
    over = f", n = {found.cell.n}" if found.cell.n > 1 else ""
    columns = ", ".join(dict.fromkeys(source.column for source in found.cell.sources))
    kind = "value" if found.cell.kind == MEAN and len(found.cell.sources) == 1 else KINDS[found.cell.kind]
    return f"{kind}{spread} of {columns}{over}; {verdict}"


def common_circumstances(chain: Chain) -> dict[str, str]:
    """Code, versions and machine of most jobs."""
    every = [circumstances(job) for job in chain.jobs]
    listed = {key: [one[key] for one in every] for key in every[0]}
    return {key: max(texts, key=texts.count) for key, texts in listed.items()}


def circumstances(job: ChainJob) -> dict[str, str]:
    """What jobs usually have in common."""
    code, record = job.record.code, job.record
    state = {True: " with uncommitted changes", False: ", clean", None: ""}[code.dirty]
    return {
        "code": f"maccap {code.package}, commit {code.commit or 'unknown'}{state}",
        "python": record.python,
        "packages": ", ".join(f"{name} {version}" for name, version in record.packages.items()),
        "host": ", ".join(f"{key} {value}" for key, value in record.host.items()),
    }


def settings_text(settings: dict[str, Any]) -> str:
    """`seed 1; training: epochs 1, batch_size 16` of dotted keys."""
    sections: dict[str, list[str]] = {}
    for key, value in settings.items():
        section, _, name = key.rpartition(".")
        text = value if value and isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        sections.setdefault(section, []).append(f"{name} {text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}")
    return "; ".join((f"{section}: " if section else "") + ", ".join(pairs) for section, pairs in sections.items())


def title(job: ChainJob) -> str:
    """Number, step, seeds, when it started, and how long it took."""
    start, seconds = job.record.started, (job.record.ended - job.record.started).total_seconds()
    parts = f"[{job.number}] {job.record.step}", seeds_text(job), f"{start:%Y-%m-%d %H:%M:%S %Z}, {seconds:.1f} s"
    return " · ".join(filter(None, parts))


def seeds_text(job: ChainJob) -> str:
    word = "seeds" if len(job.seeds) > 1 else "seed"
    return f"{word} {', '.join(map(str, job.seeds))}" if job.seeds else ""


def folders(paths: Iterable[str]) -> dict[str, list[str]]:
    """{folder: paths}, in order."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(str(PurePath(path).parent), []).append(path)
    return found


def _labelled(label: str, text: str, width: int = WIDTH) -> list[str]:
    wrapped = textwrap.wrap(text, width - 11, break_on_hyphens=False)
    return [f"  {label if not i else '':9}{line}" for i, line in enumerate(wrapped)]


class _Tree:
    """Remembers what was printed."""

    def __init__(self, chain: Chain, common: dict[str, str]) -> None:
        self.chain, self.common, self.depths = chain, common, chain.depths()
        self.jobs: set[int] = set()
        self.first: dict[str, int] = {}  # a source or the text of some settings -> the job that it was printed with

    def lines(self, job: ChainJob, first: str, rest: str) -> Iterator[str]:
        """A job and all before it; `first` starts its first line, `rest` every other."""
        if job.number in self.jobs:
            yield f"{first}[{job.number}] {job.record.step}, above"
            return
        self.jobs.add(job.number)
        yield first + title(job)
        makers = sorted(self.chain.makers(job), key=lambda maker: -self.depths[maker.number])
        bar = rest + ("│" if makers else " ")
        yield from (bar + line for line in (*self._files("made", job.made), *self._sources(job)))
        yield from (bar + line for key, text in self._facts(job) for line in _labelled(key, text, WIDTH - len(bar)))
        for maker in makers:
            last = maker is makers[-1]
            yield from self.lines(maker, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    def _sources(self, job: ChainJob) -> Iterator[str]:
        """What it read that no job made."""
        sources = [name for name in job.reads if self.chain.files[name].job is None]
        yield from self._files(
            "source", [name for name in sources if self.first.setdefault(name, job.number) == job.number]
        )
        for folder, paths in folders(name for name in sources if self.first[name] != job.number).items():
            yield f"  source   {folder}/ ({len(paths)}, with [{self.first[paths[0]]}] above)"

    def _files(self, label: str, paths: list[str]) -> Iterator[str]:
        for folder, names in folders(paths).items():
            yield f"  {label:9}{folder}/"
            width = max(len(PurePath(path).name) for path in names)
            for file in (self.chain.files[path] for path in names):
                yield f"  {'':11}{PurePath(file.path).name:{width}}  {file.sha256[:DIGITS]}  {file.state}"

    def _facts(self, job: ChainJob) -> Iterator[tuple[str, str]]:
        """What is to be said of a job: its settings, what it does not share with the others, what else it read."""
        if text := settings_text(job.settings):
            first = self.first.setdefault(text, job.number)
            yield "with", text if first == job.number else f"what [{first}] above has"
        yield from ((key, text) for key, text in circumstances(job).items() if text != self.common[key])
        if job.left_out:
            yield "besides", f"read {len(job.left_out)} files for other rows"
        yield "again", job.record.command
