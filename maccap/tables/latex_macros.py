"""Every number of the tables as a LaTeX macro, so that nobody retypes one.

The name is that of the row and the column: a table's row labels from the last to the first, then the column, so that
MacCap's CIDEr on COCO is `\\MacCapCocoCider`. Tables whose rows do not name a data set and a method put their own name
first: `\\AblationOneNoisyCopyCider`. In a name, words run together with a capital each; of several capitals in a row
only the first is kept (COCO: Coco, CIDEr: Cider); digits and signs are spelled out (BLEU-4: BleuFour, →: To). The
macro holds the number as the table prints it; behind a spread there is a second one, with `Sd` at its end.
"""

import re
import unicodedata
from collections.abc import Mapping

from ..core.errors import DataError
from .table import MINUS, Cell, Table

UNNAMED = ("in_domain", "cross_domain")  # their rows say all
DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
SIGNS = {
    "→": "to", "Δ": "delta", "≠": "not", "±": "plus minus", "%": "percent", "@": "at", "²": "squared", "+": "plus",
    "≤": "at most", "≥": "at least", "<": "below", ">": "above",
}  # fmt: skip
NUMBER = re.compile(r"-?\d+(\.\d+)?")
HEADER = """\
% Numbers of the tables as macros; write {} behind one where a space follows.
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
    capitalised = (DIGITS[int(word)] if word.isdigit() else word[0].upper() + word[1:] for word in words)
    return "".join(re.sub(r"[A-Z]{2,}", lambda run: run[0].capitalize(), word) for word in capitalised)


def macros(tables: Mapping[str, Table]) -> dict[str, str]:
    """{name without backslash: number as printed} of every number in the tables, which come by name.

    Raises:
        DataError: two numbers would have one name.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, table in tables.items():
        for row, column, cell in table.cells():
            own = () if name in UNNAMED else (name,)
            place = f"{name}: {', '.join(row.labels)}, {column}"
            for ending, text in _printed(cell, table.digits).items():
                macro = macro_name(*own, *reversed(row.labels), column) + ending
                if macro in found:
                    raise DataError(
                        f"macro \\{macro} would stand for “{found[macro][1]}” and for “{place}”; "
                        "give the rows labels that differ in letters or digits"
                    )
                found[macro] = (text, place)
    return {macro: text for macro, (text, _) in found.items()}


def _printed(cell: Cell | str | None, digits: int) -> dict[str, str]:
    """{ending of the name: text}; nothing for what is no number."""
    if not isinstance(cell, Cell):
        return {"": cell} if cell and NUMBER.fullmatch(cell) else {}
    mean, _, spread = cell.text(digits).partition(" ± ")
    return {"": mean, "Sd": spread} if spread else {"": mean}


def to_macros(tables: Mapping[str, Table]) -> str:
    """The LaTeX file of all macros."""
    lines = []
    for name, text in macros(tables).items():
        plain = text.replace(MINUS, "-")
        signed = rf"\ensuremath{{{plain}}}" if plain.startswith("-") else plain  # a true minus sign in text, too
        lines.append(f"\\newcommand{{\\{name}}}{{{signed}}}\n")
    return HEADER + "".join(lines)
