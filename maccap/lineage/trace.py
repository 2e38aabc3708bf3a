"""`maccap trace`: from a number, or any file, back to data, weights and seeds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.errors import ConfigError
from ..tables.table import Cell, read_table
from .cells import Number, find, number, resolve, table_file
from .chain import Archive, Chain, Job, archive_of, chain_of
from .text import describe


def add_parser(commands: Any) -> None:
    """Add `trace` to the command line's subparsers."""
    trace = commands.add_parser("trace", help="show where a number, or any file, comes from")
    trace.add_argument("file", type=Path, metavar="FILE", help="a table in any of its forms, or any artifact")
    trace.add_argument("place", nargs="*", metavar="LABEL", help="row label or labels, then the column")
    trace.add_argument("--pointer", metavar="POINTER", help="a value by its JSON pointer, such as /corpus/CIDEr")
    trace.add_argument("--all", action="store_true", help="every number of the table")
    trace.add_argument("--json", action="store_true", help="everything that is known, as JSON")
    trace.add_argument("--graph", type=Path, metavar="FILE", help="draw the chain as well, as .svg or .png")


def run(parsed: argparse.Namespace) -> int:
    """Print a trace; 1 when something in it does not fit together, else 0.

    Raises:
        ConfigError: the arguments name no place, or more than one.
        DataError: a file, a record, a row or a column is missing, damaged or ambiguous.
    """
    if bool(parsed.place) + (parsed.pointer is not None) + parsed.all > 1 or len(parsed.place) == 1:
        raise ConfigError("give row label(s) and a column, or --pointer, or --all, or the file alone")
    if parsed.graph and parsed.graph.suffix not in (".svg", ".png"):
        raise ConfigError(f"{parsed.graph}: a graph is written as .svg or .png; rename it")
    archive, name = archive_of(table_file(parsed.file))
    numbers, value = _chosen(parsed, archive, name)
    only = {file for found in numbers for file in found.cell.files} if numbers and not parsed.all else None
    chain = chain_of([name], archive, only)
    chain.faults[:0] = [
        f"{name}: {', '.join(filter(None, found.row.labels))}, {found.column} is {found.printed}, "
        f"but its metric files give {found.again.text(4)}"
        for found in numbers
        if found.again and not found.agrees
    ]
    if parsed.graph:
        from .drawn_chain import draw

        draw(chain, parsed.graph, _title(numbers[0]) if len(numbers) == 1 else None)
    whole = json.dumps(as_json(chain, numbers, value), indent=1, ensure_ascii=False) if parsed.json else None
    print(whole or "\n".join(describe(chain, numbers, value)))
    return 1 if chain.faults else 0


def _chosen(parsed: argparse.Namespace, archive: Archive, name: str) -> tuple[list[Number], Any]:
    """The numbers that the arguments mean; or the value that the pointer finds in a file that is no table."""
    file = archive.folder / name
    is_table = file.parent.name == "tables" and file.suffix == ".json"
    if parsed.place or parsed.all or (parsed.pointer and is_table):
        table = read_table(file)
        if parsed.all:
            return list(numbers_of(name, archive)), None
        if parsed.place:
            *labels, column = parsed.place
            row, column, cell = find(str(file), table, labels, column)
        else:
            parts = parsed.pointer.split("/")
            resolve(read_json(file), parsed.pointer, str(file))
            if len(parts) < 5 or (parts[1], parts[3]) != ("rows", "cells"):
                raise ConfigError(f"{parsed.pointer}: not a number of a table; /rows/0/cells/0 is the first")
            row, column = table.rows[int(parts[2])], table.columns[int(parts[4])]
            found = row.cells[int(parts[4])]
            if not isinstance(found, Cell):
                raise ConfigError(f"{parsed.pointer}: {found or 'empty'}, not a number")
            cell = found
        return [number(name, table, row, column, cell, lambda path: read_json(archive.folder / path))], None
    return [], None if parsed.pointer is None else resolve(read_json(file), parsed.pointer, str(file))


def numbers_of(name: str, archive: Archive) -> Iterator[Number]:
    """Every number of a table.

    Raises:
        DataError: the table, or a metric file behind it, is missing or damaged.
    """
    read = cache(lambda path: read_json(archive.folder / path))
    table = read_table(archive.folder / name)
    for row, column, cell in table.numbers():
        yield number(name, table, row, column, cell, read)


def _title(found: Number) -> str:
    return f"{', '.join(filter(None, found.row.labels))}, {found.column}: {found.printed}"


def as_json(chain: Chain, numbers: list[Number], value: Any = None) -> dict[str, Any]:
    """The whole trace as plain values: what the text shows, in full."""
    return {
        "file": chain.roots[0],
        **({} if value is None else {"value": value}),
        "numbers": [_number(found) for found in numbers],
        "artifacts": [asdict(artifact) for artifact in chain.artifacts.values()],
        "jobs": [_job(job) for job in chain.jobs],
        "faults": chain.faults,
    }


def _number(found: Number) -> dict[str, Any]:
    labels = {"labels": found.row.labels, "column": found.column, "printed": found.printed}
    sources = [{"file": file, "value": value} for file, value in zip(found.cell.files, found.values, strict=True)]
    cell = {key: value for key, value in asdict(found.cell).items() if key != "files"}
    again = None if found.again is None else {"value": found.again.value, "sd": found.again.sd}
    return labels | cell | {"sources": sources, "recomputed": again, "agrees": found.agrees}


def _job(job: Job) -> dict[str, Any]:
    record = {key: value for key, value in asdict(job.record).items() if key not in ("artifact", "sha256", "inputs")}
    own = {"number": job.number, "step": job.record.step, "seeds": job.seeds, "made": job.made, "reads": job.reads}
    return own | {"read_for_other_outputs": job.others, **record}
