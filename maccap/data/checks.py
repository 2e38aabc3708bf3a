"""What every reader checks of the ids, texts and file names that it is given: JSON can hold what no table can."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core.artifacts import stays_inside
from ..core.errors import DataError


def is_integer(number: Any) -> bool:
    """Whether it is an integer of 64 bits, and no truth value."""
    return type(number) is int and -(2**63) <= number < 2**63


def check_id(number: Any, what: str, source: Path | str) -> None:
    """Raise a DataError unless it is an integer of 64 bits, as feature stores keep them; `what` is such as image."""
    if not is_integer(number):
        raise DataError(f"{source}: {what} id {number!r} is not an integer of 64 bits; number the {what}s")


def check_unique(ids: Iterable[Any], what: str, source: Path | str) -> None:
    """Raise a DataError that names the first id that `check_id` refuses, or that occurs twice."""
    for number, count in Counter(ids).items():
        check_id(number, what, source)
        if count > 1:
            raise DataError(f"{source}: {what} id {number} occurs {count} times; ids must be unique")


def check_text(text: Any, what: str, source: Path | str) -> None:
    r"""Raise a DataError unless it is a text that UTF-8 can hold: `\ud83d` in JSON is half a character."""
    if not isinstance(text, str):
        raise DataError(f"{source}: {what} is {text!r}, not a text; write it in quotes")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{source}: {what} has half a character, {text[error.start]!r}; correct it") from error


def check_file_name(name: Any, what: str, source: Path | str) -> None:
    r"""Raise a DataError unless it is a path, with `/`, inside a folder or archive; `\` is a character like others."""
    check_text(name, f"the file name of {what}", source)
    if not name or not stays_inside(name.replace("\\", "_")):
        raise DataError(f"{source}: {what} has the file name {name!r}; give its path inside the images, without ..")
