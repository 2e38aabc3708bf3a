"""Tables and claims of finished results in Markdown pages, between marks.

`<!-- maccap table FILE: COLUMN, COLUMN -->` stands before a table's rows with these columns (all, without a colon),
`<!-- maccap notes FILE: BEGINNING -->` before its notes that begin so; `<!-- maccap end -->` ends both.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from pathlib import Path

from ..core.errors import DataError
from ..tables.table import frame, read_table

MARK = re.compile(r"<!--\s*maccap\b.*?-->", re.DOTALL)
BEGIN = re.compile(r"<!-- maccap (?P<kind>table|notes) (?P<file>[^\s:]+)(: (?P<shown>[^\n]+?))? -->")
END = "<!-- maccap end -->"


def filled(text: str, root: Path) -> str:
    """A page with what stands in the results between its marks.

    Args:
        root: the folder that files are named from.

    Raises:
        DataError: a mark is unknown or has no partner; a table is missing, or has no such column or note.
    """
    marks = list(MARK.finditer(text))
    page, end = "", 0
    for begin, close in zip_longest(marks[::2], marks[1::2]):
        found = BEGIN.fullmatch(begin[0])
        if not found or not close or close[0] != END:
            wrong = close[0] if found and close else begin[0]
            raise DataError(
                f"the mark {wrong}: unknown or without its partner; a part begins with table or notes and has {END}"
            )
        page += (
            f"{text[end : begin.end()]}\n\n{_part(found['kind'], root / found['file'], found['shown'] or '')}\n\n{END}"
        )
        end = close.end()
    return page + text[end:]


def _part(kind: str, file: Path, shown: str) -> str:
    table = read_table(file)
    if kind == "notes":
        notes = [f"- {note}" for note in table.notes if note.startswith(shown)]
        if not notes:
            raise DataError(f"{file}: no note begins with {shown!r}; correct the mark in the page")
        return "\n".join(notes)
    rows = frame(table)
    columns = [name.strip() for name in shown.split(",")] if shown else table.columns
    if unknown := [name for name in columns if name not in table.columns]:
        raise DataError(f"{file}: no column {unknown[0]!r}; it has {', '.join(table.columns)}")
    shown_rows = rows[[*table.headers, *columns]].replace(r"\*$", r"\\*", regex=True)
    aligned = ["left"] * len(table.headers) + ["right"] * len(columns)
    return str(shown_rows.to_markdown(index=False, disable_numparse=True, tablefmt="github", colalign=aligned))
