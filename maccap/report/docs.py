"""Tables and claims of finished results in Markdown pages, between marks.

`<!-- maccap table FILE: COLUMN, COLUMN -->` stands before a table's rows with these columns (all, without a colon),
`<!-- maccap notes FILE: BEGINNING -->` before its notes that begin so; `<!-- maccap end -->` ends both.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..core.errors import DataError
from ..tables.table import frame, read_table

PART = re.compile(r"(<!-- maccap (table|notes) ([^\s:]+)(?:: ([^\n]*?))? -->\n).*?(<!-- maccap end -->)", re.DOTALL)


def filled(text: str, root: Path) -> str:
    """A page with what stands in the results between its marks.

    Args:
        root: the folder that files are named from.

    Raises:
        DataError: a table is missing, or has no such column or note.
    """
    return PART.sub(lambda found: f"{found[1]}\n{_part(found[2], root / found[3], found[4] or '')}\n\n{found[5]}", text)


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
