"""What `maccap verify` looks at, a finished profile, and what a check says of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from ..core.artifacts import RECORD_SUFFIX, provenance_path, sha256
from ..core.errors import DataError
from ..core.job import Job
from ..core.records import Record, read_record
from ..steps.arguments import parse_command
from .crate_payload import METADATA

DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Finding:
    """Something wrong with a file; paths are relative to the project's folder."""

    file: str
    check: str
    problem: str


@dataclass
class Outcome:
    """What one check looked at and found; `notes` are worth knowing and no faults."""

    check: str
    files: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fault(self, file: Path | str, problem: str) -> None:
        self.findings.append(Finding(str(file), self.check, problem))


@dataclass(frozen=True)
class Described:
    """What a crate's metadata say of a file; `size` is in bytes, None where it was gone already."""

    sha256: str
    size: int | None
    left_out: bool


class Project:
    """The files of one profile below `root`, and their records as far as these can be read.

    Args:
        checkout: a checkout with repository, configuration and Snakemake's records, rather than an unpacked crate.
    """

    def __init__(self, root: Path, profile: str, checkout: bool = True) -> None:
        self.root, self.profile, self.checkout = root.resolve(), profile, checkout
        self.results = f"results/{profile}"
        self.records: dict[str, Record] = {}
        self._md5: dict[Path, str] = {}
        self.damaged: dict[str, str] = {}  # what is wrong with the record of an artifact
        folders = [f"artifacts/{profile}", self.results]
        found = [path for folder in folders for path in sorted((self.root / folder).rglob("*")) if path.is_file()]
        names = [str(path.relative_to(self.root)) for path in found]
        self.artifacts = [name for name in names if not name.endswith(RECORD_SUFFIX)]
        todo = [*self.artifacts, *(name.removesuffix(RECORD_SUFFIX) for name in names if name.endswith(RECORD_SUFFIX))]
        for name in todo:  # grows by downloads, which profiles share
            if name not in self.records and name not in self.damaged:
                self._read(name)
                todo += self.records[name].inputs if name in self.records else []

    def _read(self, name: str) -> None:
        try:
            record = read_record(self.root / name)
            if record is not None:
                _require_types(record)
                self.records[name] = record
        except (DataError, TypeError, ValueError) as error:
            self.damaged[name] = str(error).replace(f"{self.root}/", "")

    @cached_property
    def digests(self) -> dict[str, str]:
        """sha256 of every file, hashed in threads: artifacts, their records, and what they were made from."""
        inputs = {name for record in self.records.values() for name in record.inputs}
        names = {*self.artifacts, *self.records, *inputs, *(str(provenance_path(name)) for name in self.records)}
        there = sorted(name for name in names if (self.root / name).is_file())
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(there, pool.map(sha256, (self.root / name for name in there)), strict=True))

    def sha256(self, name: str) -> str | None:
        """sha256 of any file below the root; None where it is missing."""
        if name not in self.digests and (self.root / name).is_file():
            self.digests[name] = sha256(self.root / name)
        return self.digests.get(name)

    def md5(self, path: Path) -> str:
        """DVC's hash of a file, which many stages ask for."""
        if path not in self._md5:
            with path.open("rb") as file:
                self._md5[path] = hashlib.file_digest(file, "md5").hexdigest()
        return self._md5[path]

    @cached_property
    def locks(self) -> list[Path]:
        """DVC's lock files of the profile, below the root; none where DVC has recorded nothing."""
        folders = (self.root, self.root / "pipelines" / self.profile)
        found = [at for folder in folders for at in (folder / "dvc.lock", *sorted(folder.glob("stages/*/dvc.lock")))]
        return [lock.relative_to(self.root) for lock in found if lock.is_file()]

    @cached_property
    def described(self) -> dict[str, Described] | None:
        """The files that a crate's metadata describe, in it or left out; None where these cannot be read."""
        try:
            entities = json.loads(self.text(METADATA))["@graph"]
            files = [entity for entity in entities if "sha256" in entity]
            return {
                unquote(entity["@id"]).removeprefix("#"): Described(
                    entity["sha256"],
                    int(entity["contentSize"]) if "contentSize" in entity else None,
                    entity["@id"].startswith("#"),
                )
                for entity in files
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @cached_property
    def left_out(self) -> dict[str, Described]:
        """What a crate describes but does not hold; nothing in a checkout."""
        found = {} if self.checkout else self.described or {}
        return {name: about for name, about in found.items() if about.left_out}

    def is_left_out(self, name: str, digest: str) -> bool:
        """Whether a crate describes a file with this sha256, but does not hold it."""
        return name in self.left_out and self.left_out[name].sha256 == digest

    @cached_property
    def calls(self) -> dict[str, tuple[str, Job]]:
        """{recorded command: (step, job)} of every job; a command that is none is left to the check of the records."""
        calls = {}
        for command in dict.fromkeys(record.command for record in self.records.values()):
            try:
                calls[command] = parse_command(command)
            except DataError:
                continue
        return calls

    def text(self, name: Path | str) -> str:
        """A file's text; bytes that are no UTF-8 become marks that no right text has."""
        return (self.root / name).read_text(encoding="utf-8", errors="replace")


def canonical(record: Record) -> str:
    """The text of a record as `maccap.artifacts.record` writes it."""
    return json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n"


def _require_types(record: Record) -> None:
    """Raise TypeError or ValueError unless every field is of the kind that `maccap.artifacts.record` writes."""
    for entry in fields(Record):
        value = getattr(record, entry.name)
        kind = dict if str(entry.type).startswith("dict") else str
        if not isinstance(value, kind):
            raise TypeError(f"`{entry.name}` is {value!r}")
    for digest in (record.sha256, *record.inputs.values()):
        if not DIGEST.fullmatch(str(digest)):
            raise ValueError(f"{digest!r} is no sha256")
