"""Compare tables with tables kept from before: `python tests/same_tables.py KEPT [results/mini/tables]`.

A restructuring must not change a number. Every tidy CSV file of the folder KEPT is compared with the file of its name,
line by line; the exit code is 1 if a line differs, is new or is gone.
"""

import sys
from pathlib import Path


def differences(kept: Path, made: Path) -> list[str]:
    """Lines that only one of two tables has, each behind the table's name and `-` (kept) or `+` (made)."""
    if not made.is_file():
        return [f"{kept.name}: was not made"]
    old, new = (path.read_text(encoding="utf-8").splitlines() for path in (kept, made))
    return [
        f"{kept.name}: {sign} {line}"
        for sign, lines, others in (("-", old, set(new)), ("+", new, set(old)))
        for line in lines
        if line not in others
    ]


def main(kept: str, made: str = "results/mini/tables") -> int:
    tables = sorted(Path(kept).glob("*.csv"))
    found = [line for table in tables for line in differences(table, Path(made) / table.name)]
    print("\n".join([*found, f"{len(tables)} tables compared, {len(found)} lines differ"]))
    return int(bool(found) or not tables)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
