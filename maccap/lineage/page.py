"""`trace.html`: the past of every number of every table on one page, each job and each file once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

from ..tables.anchors import artifact_anchor, cell_anchor
from ..tables.html import page
from ..tables.table import read_table
from .cells import Number
from .chain import Archive, Chain, Job, chain_of
from .text import common_settings, origin_text, parameters_text, seeds_text, setting, time_text
from .trace import numbers_of


def trace_page(tables: list[str], profile: str) -> str:
    """The page for some tables' JSON forms, from their records and all records behind them.

    Raises:
        DataError: a table, a metric file or a record is missing or damaged.
    """
    archive = Archive(hashing=False)
    numbers = {path: list(numbers_of(path, archive)) for path in tables}
    everything = chain_of(tables, archive)
    common = common_settings(everything)
    body = [
        "<p>From every number of the tables back to data, weights and seeds, as the records beside the files say. "
        "<code>maccap trace</code> shows the same for a file on disk, and whether it is still what was recorded. "
        f"{len(everything.jobs)} jobs, {len(everything.artifacts)} files.</p>\n",
        f"<p>Of every job, unless it says otherwise:</p>\n{_facts(common.items())}",
        *(f'<p class="bad">{escape(fault)}</p>\n' for fault in everything.faults),
        '<nav><ul>\n<li><a href="#jobs">Jobs and files</a></li>\n<li><a href="#sources">Sources</a></li>\n',
        *(f'<li><a href="#{_table_anchor(path)}">{escape(read_table(path).title)}</a></li>\n' for path in tables),
        "</ul></nav>\n",
    ]
    for path, found in numbers.items():
        body.append(f'<h2 id="{_table_anchor(path)}">{escape(read_table(path).title)}</h2>\n')
        body += _cells(Path(path).stem, found, everything, archive)
    body += ['<h2 id="jobs">Jobs and files</h2>\n', *_jobs(everything, common)]
    body += ['<h2 id="sources">Sources</h2>\n', *_sources(everything)]
    return page(f"Where the numbers come from ({profile} profile)", "".join(body))


def _table_anchor(path: str) -> str:
    return f"table-{Path(path).stem}"


def _cells(table: str, numbers: list[Number], everything: Chain, archive: Archive) -> Iterator[str]:
    """A section per number; numbers of the same metric files share their jobs."""
    number_of = {job.record.job: job.number for job in everything.jobs}
    past: dict[frozenset[str], str] = {}
    for found in numbers:
        files = frozenset(found.cell.files)
        if files not in past:
            chain = chain_of([found.table], archive, files)
            depths = chain.depths()
            ordered = sorted(chain.jobs, key=lambda job: -depths[job.number])
            past[files] = ", ".join(_job_link(number_of[job.record.job], job) for job in ordered)
        anchor = escape(cell_anchor(table, found.row.labels, found.column))
        verdict = "" if found.agrees else ' class="bad"'
        values = "".join(
            f"<li>{value:.4f} {_file_link(file)}</li>\n"
            for file, value in zip(found.cell.files, found.values, strict=True)
        )
        yield (
            f'<section id="{anchor}"><h3>{escape(", ".join(filter(None, found.row.labels)))} · '
            f"{escape(found.column)}: {escape(found.printed)}</h3>\n<p{verdict}>{escape(origin_text(found))}</p>\n"
            f"<ul>\n{values}</ul>\n<p>Jobs behind it, the last first: {past[files]}</p>\n</section>\n"
        )


def _jobs(chain: Chain, common: dict[str, str]) -> Iterator[str]:
    """A section per job, with what it made and what it read."""
    readers = _readers(chain)
    for job in chain.jobs:
        told = {key: text for key, text in setting(job).items() if text != common[key]}
        facts = _facts({"parameters": parameters_text(job.parameters()), **told}.items())
        title = " · ".join(filter(None, (f"[{job.number}] {job.record.step}", seeds_text(job), time_text(job))))
        yield (
            f'<section id="job-{job.number}"><h3>{escape(title)}</h3>\n{facts}'
            f"<p>made</p>\n<ul>\n{''.join(_file(chain, name, readers) for name in job.made)}</ul>\n"
            f"<p>from</p>\n<ul>\n{''.join(f'<li>{_file_link(name)}</li>{chr(10)}' for name in job.reads)}</ul>\n"
            f"<details><summary>command</summary><pre>{escape(job.record.command)}</pre></details>\n</section>\n"
        )


def _sources(chain: Chain) -> Iterator[str]:
    """What no job made."""
    readers = _readers(chain)
    yield "<ul>\n"
    yield from (_file(chain, name, readers) for name, artifact in chain.artifacts.items() if artifact.job is None)
    yield "</ul>\n"


def _readers(chain: Chain) -> dict[str, list[Job]]:
    """Who read each file."""
    readers: dict[str, list[Job]] = {}
    for job in chain.jobs:
        for name in job.reads:
            readers.setdefault(name, []).append(job)
    return readers


def _file(chain: Chain, name: str, readers: dict[str, list[Job]]) -> str:
    users = ", ".join(_job_link(job.number, job) for job in readers.get(name, []))
    used = f"<br>read by {users}" if users else ""
    digest = f'<br><code class="faint">sha256 {chain.artifacts[name].sha256}</code>'
    return f'<li id="{artifact_anchor(name)}"><code>{escape(name)}</code>{digest}{used}</li>\n'


def _file_link(name: str) -> str:
    return f'<a href="#{artifact_anchor(name)}"><code>{escape(name)}</code></a>'


def _job_link(number: int, job: Job) -> str:
    return f'<a href="#job-{number}">{escape(job.record.step)}&nbsp;[{number}]</a>'


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    listed = "".join(f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>\n" for key, text in facts if text)
    return f"<dl>\n{listed}</dl>\n" if listed else ""
