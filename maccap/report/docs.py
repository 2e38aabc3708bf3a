"""Tables and claims of finished results in Markdown pages, between marks.

`<!-- maccap table FILE: COLUMN, COLUMN; rows: ROW; ROW -->` stands before these rows of a table with these columns.
Either may be left out, and then it has all. A row is named by its labels, as in "Daylight MacCap"; a label
that all rows share is not shown.
`<!-- maccap notes FILE: BEGINNING -->` stands before its notes that begin so. A mark may have several lines;
`<!-- maccap end -->` ends both.
"""

import re
from itertools import zip_longest
from pathlib import Path

from ..core.errors import DataError, flat
from ..tables.table import frame, read_table

MARK = re.compile(r"<!--\s*maccap\b.*?-->", re.DOTALL)
BEGIN = re.compile(
    r"<!-- maccap (table (?P<table>[^\s:;]+)(: (?P<columns>.+?))?(; rows: (?P<rows>.+?))?"
    r"|notes (?P<notes>[^\s:;]+)(: (?P<beginning>.+?))?) -->"
)
END = "<!-- maccap end -->"


def filled(text: str, root: Path) -> str:
    """A page with what stands in the results between its marks.

    Args:
        root: the folder that files are named from.

    Raises:
        DataError: a mark is unknown or has no partner; a table is missing, or has no such column, row or note.
    """
    marks = list(MARK.finditer(text))
    page, end = "", 0
    for begin, close in zip_longest(marks[::2], marks[1::2]):
        found = BEGIN.fullmatch(" ".join(begin[0].split()))
        if not found or not close or close[0] != END:
            wrong = close[0] if found and close else begin[0]
            raise DataError(
                f"the mark {flat(wrong)}: unknown or without its partner; a part begins with table or notes "
                f"and has {END}"
            )
        if found["notes"]:
            part = _notes(root / found["notes"], found["beginning"] or "")
        else:
            part = _table(root / found["table"], _names(found["columns"], ","), _names(found["rows"], ";"))
        page += f"{text[end : begin.end()]}\n\n{part}\n\n{END}"
        end = close.end()
    return page + text[end:]


def _names(listed: str | None, separator: str) -> list[str]:
    return [name.strip() for name in listed.split(separator)] if listed else []


def _notes(file: Path, beginning: str) -> str:
    notes = [f"- {note}" for note in read_table(file).notes if note.startswith(beginning)]
    if not notes:
        raise DataError(f"{file}: no note begins with {beginning!r}; correct the mark in the page")
    return "\n".join(notes)


def _table(file: Path, columns: list[str], rows: list[str]) -> str:
    table = read_table(file)
    columns = columns or table.columns
    places = {" ".join(row.labels): place for place, row in enumerate(table.rows)}
    for kind, asked, known in (("column", columns, table.columns), ("row", rows, list(places))):
        if unknown := [name for name in asked if name not in known]:
            raise DataError(f"{file}: no {kind} {unknown[0]!r}; it has {', '.join(map(repr, known))}")
    shown = frame(table).replace(r"\*$", r"\\*", regex=True)
    if rows:
        shown = shown.iloc[[places[name] for name in rows]]
    telling = [header for header in table.headers if shown[header].nunique() > 1] or table.headers
    aligned = ["left"] * len(telling) + ["right"] * len(columns)
    return str(
        shown[[*telling, *columns]].to_markdown(index=False, disable_numparse=True, tablefmt="github", colalign=aligned)
    )
