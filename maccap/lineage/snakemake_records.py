"""Where Snakemake keeps what it remembers of each output."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

METADATA = Path(".snakemake/metadata")
LONGEST = 255  # characters of a file's name


def record_path(output: Path | str) -> Path:
    """Snakemake's own record of an output, as `snakemake.persistence.file` names it; relative to the project."""
    name = urlsafe_b64encode(str(output).encode()).decode()
    pieces = [name[begin : begin + LONGEST - 1] for begin in range(0, len(name), LONGEST - 1)]
    return METADATA.joinpath(*(f"@{piece}" for piece in pieces[:-1]), pieces[-1])


def read(root: Path, output: str) -> dict[str, Any]:
    """Snakemake's record of an output; empty where there is none or it cannot be read."""
    try:
        content = json.loads((root / record_path(output)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def checksums(root: Path, output: str) -> dict[str, str]:
    """{input: sha256} as Snakemake saw them when the job had finished, source files included."""
    found = read(root, output).get("input_checksums")
    pairs = found.items() if isinstance(found, dict) else ()
    return {path: str(value).removeprefix("sha256:") for path, value in pairs}
