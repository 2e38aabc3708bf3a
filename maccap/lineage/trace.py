"""`maccap trace`: from a number, or any file, back to data, weights and seeds."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from ..core.artifacts import read_json, write_text
from ..core.errors import ConfigError
from ..core.records import Records
from ..tables.table import Cell, read_table
from .cells import MetricFiles, Number, find, resolve
from .chain import CHANGED, MISSING, Chain, ChainJob, chain_of, project_of
from .trace_text import describe, folders, heading, seeds_text


def run(parsed: argparse.Namespace) -> int:
    """Print a trace; 1 when something in it does not fit together, else 0.

    Raises:
        ConfigError: the arguments name no place, or more than one.
        DataError: a file, a record, a row or a column is missing, damaged or ambiguous.
    """
    if bool(parsed.place) + (parsed.pointer is not None) + parsed.all > 1 or len(parsed.place) == 1:
        raise ConfigError("give row label(s) and a column, or --pointer, or --all, or the file alone")
    if parsed.graph and parsed.graph.suffix != ".mmd":
        raise ConfigError(f"{parsed.graph}: a graph is written as Mermaid text; name it .mmd")
    records, file = project_of(parsed.file)
    table = _table_form(records, file)
    numbers, value = _chosen(parsed, records, table or file)
    roots = list(dict.fromkeys([table, file])) if table else [file]
    chain = chain_of(roots, records, [] if parsed.all else numbers)
    chain.faults[:0] = [
        f"{table}: {heading(found)}, but its metric files give {found.again.text(4)}"
        for found in numbers
        if found.again and not found.agrees
    ]
    if parsed.graph:
        write_text(parsed.graph, mermaid(chain))
    whole = json.dumps(as_json(chain, numbers, value), indent=1, ensure_ascii=False) if parsed.json else None
    print(whole or "\n".join(describe(chain, numbers, value)))
    return 1 if chain.faults else 0


def _table_form(records: Records, file: str) -> str | None:
    """The JSON form of the table that a file is a form of."""
    made = records.by_output[file].outputs
    stems = [path.removesuffix(".metrics.json") for path in made if path.endswith(".metrics.json")]
    return next((f"{stem}.json" for stem in stems if file.startswith(f"{stem}.")), None)


def _chosen(parsed: argparse.Namespace, records: Records, file: str) -> tuple[list[Number], Any]:
    """The numbers that the arguments mean; or the value that the pointer finds in a file that is no table."""
    path, files = records.root / file, MetricFiles(records.root)
    if not (parsed.place or parsed.all or (parsed.pointer and _table_form(records, file))):
        return [], None if parsed.pointer is None else resolve(read_json(path), parsed.pointer, str(path))
    table = read_table(path)
    if parsed.all:
        return list(files.numbers(file, table)), None
    if parsed.place:
        *labels, column = parsed.place
        return [files.number(file, table, *find(str(path), table, labels, column))], None
    resolve(read_json(path), parsed.pointer, str(path))
    match parsed.pointer.split("/"):
        case ["", "rows", row, "cells", column, *_]:
            found = table.rows[int(row)].cells[int(column)]
            if not isinstance(found, Cell):
                raise ConfigError(f"{parsed.pointer}: {found or 'empty'}, not a number")
            return [files.number(file, table, table.rows[int(row)], table.columns[int(column)], found)], None
    raise ConfigError(f"{parsed.pointer}: not a number of a table; /rows/0/cells/0 is the first")


def as_json(chain: Chain, numbers: list[Number], value: Any = None) -> dict[str, Any]:
    """The whole trace as plain values: what the text shows, in full."""
    return {
        "file": chain.roots[0],
        **({} if value is None else {"value": value}),
        "numbers": [_number(found) for found in numbers],
        "files": [asdict(file) for file in chain.files.values()],
        "jobs": [_job(job) for job in chain.jobs],
        "faults": chain.faults,
    }


def _number(found: Number) -> dict[str, Any]:
    own = asdict(found.cell)
    for source, value in zip(own["sources"], found.values, strict=True):
        source["value"] = value
    again = None if found.again is None else {"value": found.again.value, "sd": found.again.sd}
    labels = {"labels": found.row.labels, "column": found.column, "printed": found.printed}
    return labels | own | {"recomputed": again, "agrees": found.agrees}


def _job(job: ChainJob) -> dict[str, Any]:
    own = {"number": job.number, "step": job.record.step, "record": job.record.path, "seeds": job.seeds}
    chain = {"made": job.made, "reads": job.reads, "read_for_other_rows": job.left_out, "settings": job.settings}
    return own | chain | job.record.model_dump(mode="json", exclude={"outputs", "inputs", "step", "settings"})


def mermaid(chain: Chain) -> str:
    """The chain as a Mermaid flow chart: data and weights on the left, the traced file on the right."""
    lines = ["flowchart LR"]
    sources: dict[str, str] = {}
    for job in chain.jobs:
        about = [f"[{job.number}] {job.record.step}", *([seeds_text(job)] if job.seeds else [])]
        about += [f"{folder}: {len(paths)}" for folder, paths in folders(job.made).items()]
        lines.append(f'job{job.number}["{"<br>".join(about)}"]')
        if any(chain.files[path].state in (CHANGED, MISSING) for path in job.made):
            lines.append(f"style job{job.number} stroke:#b3261e,stroke-width:3px")
        lines += [f"job{maker.number} --> job{job.number}" for maker in chain.makers(job)]
        for folder, paths in folders(path for path in job.reads if chain.files[path].job is None).items():
            if folder not in sources:
                sources[folder] = f"source{len(sources) + 1}"
                lines.append(f'{sources[folder]}[("{folder}: {len(paths)}")]')
            lines.append(f"{sources[folder]} --> job{job.number}")
    return "\n    ".join(lines) + "\n"
