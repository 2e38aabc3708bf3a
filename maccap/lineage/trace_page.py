"""`trace.html`: where every number of every table comes from, on one page, each job and each file once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..core.records import Records
from ..report.template import render
from ..tables.anchors import artifact_anchor, cell_anchor
from ..tables.table import read_table
from .cells import MetricFiles, Number
from .chain import ChainJob, chain_of
from .trace_text import circumstances, common_circumstances, heading, origin_text, settings_text, sources_text, title


def trace_page(tables: list[str], profile: str, report: str = "report.html") -> str:
    """The page for some tables' JSON forms, from their records and all records behind them; it links to the report.

    Raises:
        DataError: a table, a metric file or a record is missing or damaged.
    """
    records, files = Records(), MetricFiles(Path())
    chain = chain_of(tables, records, hashing=False)
    common = common_circumstances(chain)
    shown = []
    for path in tables:
        table = read_table(path)
        shown.append((Path(path).stem, table.title, list(_cells(files.numbers(path, table), records))))
    readers: dict[str, list[ChainJob]] = {}
    jobs = []
    for job in chain.jobs:
        own = {key: text for key, text in circumstances(job).items() if text != common[key]}
        jobs.append((job, title(job), {"settings": settings_text(job.settings), **own, "again": job.record.command}))
        for name in job.reads:
            readers.setdefault(name, []).append(job)
    return render(
        "trace.html.j2",
        cfg={"profile": profile},
        report=report,
        chain=chain,
        common=common,
        tables=shown,
        jobs=jobs,
        readers=readers,
        anchor=artifact_anchor,
        numbers={job.record.path: job.number for job in chain.jobs},
    )


def _cells(numbers: Iterator[Number], records: Records) -> Iterator[dict[str, Any]]:
    """What is shown of each number; numbers of the same rows share their jobs, the last of which come first."""
    behind: dict[str, list[ChainJob]] = {}
    for found in numbers:
        sources = found.cell.sources
        rows = repr([(source.file, source.row) for source in sources])
        if rows not in behind:
            chain = chain_of([found.table], records, [found], hashing=False)
            depths = chain.depths()
            behind[rows] = sorted(chain.jobs, key=lambda job: -depths[job.number])
        shared, each = sources_text(found)
        yield {
            "anchor": cell_anchor(Path(found.table).stem, found.row.labels, found.column),
            "heading": heading(found),
            "agrees": found.agrees,
            "origin": origin_text(found),
            "files": dict.fromkeys(source.file for source in sources),
            "shared": shared,
            "each": each,
            "jobs": behind[rows],
        }
