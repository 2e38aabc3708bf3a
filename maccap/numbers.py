"""Every number of the tables as a LaTeX macro, so that nobody retypes one.

The name is that of the row and the column: a table's row labels from the last to the first, then the column, so that
MacCap's CIDEr on COCO is `\\MacCapCocoCider`. Tables whose rows do not name a data set and a method put their own name
first: `\\AblationOneNoisyCopyCider`. In a name, words run together with a capital each; of several capitals in a row
only the first is kept (COCO: Coco, CIDEr: Cider); digits and signs are spelled out (BLEU-4: BleuFour, →: To). The
macro holds the number as the table prints it; behind a spread there is a second one, with `Sd` at its end.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from .errors import DataError
from .latex import escape
from .tables import Cell

UNNAMED = ("in_domain", "cross_domain")  # their rows say all
DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
SIGNS = {
    "→": "to", "Δ": "delta", "≠": "not", "±": "plus minus", "%": "percent", "@": "at", "²": "squared", "+": "plus",
    "≤": "at most", "≥": "at least", "<": "below", ">": "above",
}  # fmt: skip
NUMBER = re.compile(r"[-−]?\d+(\.\d+)?")
HEADER = """\
% Numbers of the tables as macros; write \\MacCapCocoCider{} where a space follows.
% Name: the row's labels from the last to the first, then the column; digits are spelled out; ...Sd is the spread.
% Tables other than in_domain and cross_domain put their name first: \\AblationOneNoisyCopyCider.
"""


def macro_name(*parts: str) -> str:
    """The letters of a macro's name, without the backslash: `MacCapCocoCider` of ("MacCap", "COCO", "CIDEr")."""
    words = []
    for part in parts:
        for sign, word in SIGNS.items():
            part = part.replace(sign, f" {word} ")
        plain = unicodedata.normalize("NFKD", part).encode("ascii", "ignore").decode()
        words += re.findall(r"[A-Za-z]+|[0-9]", plain)
    return "".join(DIGITS[int(word)] if word.isdigit() else _capitalised(word) for word in words)


def _capitalised(word: str) -> str:
    word = word[0].upper() + word[1:]
    return re.sub(r"[A-Z]{2,}", lambda run: run[0].capitalize(), word)


def macros(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """{name without backslash: number as printed} of every number in the tables' JSON, by table name.

    Raises:
        DataError: two numbers would have one name.
    """
    found: dict[str, tuple[str, str]] = {}
    for table, content in tables.items():
        for row in content["rows"]:
            for column, cell in zip(content["columns"], row["cells"], strict=True):
                own = () if table in UNNAMED else (table,)
                name = macro_name(*own, *reversed(row["labels"]), column)
                place = f"{table}: {', '.join(row['labels'])}, {column}"
                for ending, text in _printed(cell, content["digits"]).items():
                    if name + ending in found:
                        raise DataError(
                            f"macro \\{name}{ending} would stand for “{found[name + ending][1]}” and for “{place}”; "
                            "give the rows labels that differ in letters or digits"
                        )
                    found[name + ending] = (text, place)
    return {name: text for name, (text, _) in found.items()}


def _printed(cell: Mapping[str, Any] | str | None, digits: int) -> dict[str, str]:
    """{ending of the name: text}; nothing for what is no number."""
    if isinstance(cell, str):
        return {"": cell} if NUMBER.fullmatch(cell) else {}
    if cell is None:
        return {}
    mean, _, spread = Cell(**cell).text(digits).partition(" ± ")
    return {"": mean, "Sd": spread} if spread else {"": mean}


def to_macros(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """The LaTeX file of all macros."""
    lines = [f"\\newcommand{{\\{name}}}{{{_signed(text)}}}\n" for name, text in macros(tables).items()]
    return HEADER + "".join(lines)


def _signed(text: str) -> str:
    """A number with a true minus sign, in text and in mathematics."""
    return rf"\ensuremath{{{text}}}" if text.startswith("-") else escape(text)
