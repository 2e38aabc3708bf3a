"""The records beside artifacts, read back, and the graph that they make."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from .artifacts import provenance_path, read_json
from .errors import DataError


@dataclass(frozen=True)
class Record:
    """What `maccap.artifacts.record` wrote beside one artifact; paths are relative to the project's folder."""

    artifact: str
    sha256: str
    command: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    code: dict[str, Any]
    python: str
    packages: dict[str, str]
    host: dict[str, Any]
    started: str
    ended: str

    @property
    def job(self) -> tuple[str, str]:
        """What the outputs of one job have in common."""
        return self.command, self.started

    @property
    def step(self) -> str:
        """The `maccap` command that ran, such as `train`."""
        return self.command.split()[1]


def read_record(artifact: Path | str) -> Record | None:
    """The record of an artifact; None where there is none, as for sources.

    Raises:
        DataError: the record is damaged or lacks something.
    """
    path = provenance_path(artifact)
    if not path.is_file():
        return None
    content = read_json(path)
    try:
        return Record(**{field.name: content[field.name] for field in fields(Record)})
    except (KeyError, TypeError) as error:
        raise DataError(f"{path}: not a whole record (missing {error}); run the rule that makes {artifact}") from error


def past_of(artifacts: Iterable[Path | str]) -> dict[str, Record | None]:
    """Everything that some artifacts were made from, themselves first, breadth first; sources have no record.

    Raises:
        DataError: a record is damaged.
    """
    found: dict[str, Record | None] = {}
    todo = [str(artifact) for artifact in artifacts]
    for name in todo:
        if name in found:
            continue
        found[name] = record = read_record(name)
        todo += record.inputs if record else []
    return found
