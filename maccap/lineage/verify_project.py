"""What `maccap verify` looks at, a finished profile, and what a check says of it."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from urllib.parse import unquote

from ..core.allocation import cores
from ..core.artifacts import files_below, sha256
from ..core.project import making
from ..core.records import RECORD_SUFFIX, OutputFile, Record, Records
from ..fetch.registry import DOWNLOADS
from .crate_files import METADATA
from .published import absent, removed


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

    def mention(self, what: str, files: Iterable[str]) -> None:
        """Note files, if there are any: the only one of a folder by its name, else their number."""
        folders: dict[str, list[str]] = {}
        for name in sorted(files):
            folders.setdefault("/".join(PurePath(name).parent.parts[:3]), []).append(name)
        if folders:
            found = (names[0] if len(names) == 1 else f"{len(names)} in {folder}" for folder, names in folders.items())
            self.notes.append(f"{what}: {', '.join(found)}")


class Project:
    """The files of one profile below `root`, and the records of their jobs and of all behind them.

    Args:
        checkout: a checkout with repository, configuration and Snakemake's records, rather than an unpacked crate.

    Attributes:
        jobs: every record that can be read, by the path where it lies.
        damaged: what is wrong with those that cannot.
        files: what lies in the profile's folders, without the records.
    """

    def __init__(self, root: Path, profile: str, checkout: bool = True) -> None:
        self.root, self.profile, self.checkout = root.resolve(), profile, checkout
        self.results = f"results/{profile}"
        self.records = Records(self.root)
        if not checkout:
            self.records.tracked = frozenset()  # a repository that a crate was unpacked in says nothing of it
        folders = (f"artifacts/{profile}/", f"{self.results}/")
        every = self.records.by_path
        own = [out for path, record in every.items() if path.startswith(folders) for out in record.outputs]
        behind = {record.path for record in self.records.behind(own)}
        self.jobs: dict[str, Record] = {
            path: record for path, record in every.items() if path.startswith(folders) or record.path in behind
        }
        self.damaged = {
            path: fault for path, fault in self.records.damaged.items() if path.startswith((*folders, f"{DOWNLOADS}/"))
        }
        names = [folder + name for folder in folders for name in files_below(self.root / folder)]
        self.files = [name for name in names if not name.endswith(RECORD_SUFFIX)]

    @cached_property
    def command(self) -> str:
        """The call of Snakemake that makes the profile."""
        return making(self.profile, self.root) if self.checkout else "snakemake --cores all"

    @cached_property
    def outputs(self) -> dict[str, OutputFile]:
        """What the jobs made, by path."""
        return {path: made for record in self.jobs.values() for path, made in record.outputs.items()}

    @cached_property
    def digests(self) -> dict[str, str]:
        """sha256 of every file, hashed in threads: what jobs made and read, and their records."""
        read = {path for record in self.jobs.values() for path in record.sources}
        there = [name for name in sorted({*self.files, *self.jobs, *self.outputs, *read}) if self.path(name).exists()]
        with ThreadPoolExecutor(cores()) as pool:
            return dict(zip(there, pool.map(sha256, map(self.path, there)), strict=True))

    def path(self, name: Path | str) -> Path:
        return self.root / name

    def sha256(self, name: str) -> str | None:
        """sha256 of any file below the root, or of one that is absent; None where it is missing."""
        if name not in self.digests and self.path(name).is_file():
            self.digests[name] = sha256(self.path(name))
        return self.digests.get(name) or self.absent.get(name)

    def from_git(self, name: str) -> str:
        """How to get a missing file back from git; empty where git never had it, and for a crate."""
        if name in self.records.tracked:
            return f"; git has it: `git checkout -- {name}`"
        return f"; a commit removed it: `git log -- {name}`" if name in removed(self.records) else ""

    def text(self, name: Path | str) -> str:
        """A file's text; bytes that are no UTF-8 become marks that no right text has."""
        return self.path(name).read_bytes().decode("utf-8", errors="replace")

    @cached_property
    def described(self) -> dict[str, tuple[str, str | None]] | None:
        """{identifier: (sha256, size in bytes)} of the files in a crate's metadata; None where these cannot be read.

        The identifier is the path; that of a file that is left out starts with #.
        """
        try:
            files = [entity for entity in json.loads(self.text(METADATA))["@graph"] if "sha256" in entity]
            return {unquote(entity["@id"]): (entity["sha256"], entity.get("contentSize")) for entity in files}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @cached_property
    def absent(self) -> dict[str, str]:
        """{path: sha256} of what is described but not here: left out of a crate, or of git, which has the records."""
        if self.checkout:
            return {name: digest for name, digest in absent(self.records).items() if name in self.outputs}
        return {name[1:]: digest for name, (digest, _) in (self.described or {}).items() if name.startswith("#")}
