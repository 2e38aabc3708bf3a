"""What a module says of itself, read without importing it."""

from __future__ import annotations

import re
from pathlib import Path

NAME_OF_COMMAND = re.compile(r"^`maccap [^`]*`: ")


def first_line(module: Path) -> str:
    """The first line of a module's docstring, without the name of its command and without a full stop."""
    line = module.read_text(encoding="utf-8").split('"""', 2)[1].partition("\n")[0]
    return NAME_OF_COMMAND.sub("", line).rstrip(".")
