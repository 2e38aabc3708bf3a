"""What goes into a crate: the results of a profile, what is needed to compute them again, and the source code.

Everything else behind them is described by hash and size, but left out.
"""

import hashlib
import io
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..core.artifacts import files_below, sha256, stays_inside
from ..core.errors import DataError, EnvironmentProblem
from ..core.project import making
from ..core.records import MADE_IN, Record, Records
from ..fetch.registry import DOWNLOADS

LIST, METADATA = "crate.sha256", "ro-crate-metadata.json"
LARGEST = 16 * 2**20  # bytes of an artifact that is put into the crate
READABLE = (".json", ".jsonl", ".jsonl.gz")  # tables of captions, questions, predictions, answers, runs and logs
SOURCES = (
    "Snakefile", "maccap", "workflow", "config", "docs", "README.md", "LICENSE", "CITATION.cff", "pyproject.toml",
    "requirements.lock", "environment.yml",
)  # fmt: skip
WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class CrateFile:
    """One file; `size` is in bytes, None when the file is gone; `content` is None when it is left out."""

    path: str
    sha256: str
    size: int | None
    content: bytes | Path | None


@dataclass(frozen=True)
class Payload:
    """Everything that a crate speaks of; paths are relative to the project's folder.

    Attributes:
        jobs: the records of all jobs behind the results, in the order in which they started.
        files: results, artifacts, records and sources, by path.
        commit: of the sources.
    """

    profile: str
    jobs: list[Record]
    files: dict[str, CrateFile]
    commit: str

    @cached_property
    def outputs(self) -> dict[str, Record]:
        """The record of the job that made a file, by the file's path."""
        return {path: record for record in self.jobs for path in record.outputs}

    @property
    def results(self) -> list[str]:
        return [path for path in sorted(self.outputs) if path.startswith(f"results/{self.profile}/")]

    def source(self, path: str) -> bytes:
        """A source file as it was at the commit.

        Raises:
            DataError: the commit does not have it.
        """
        file = self.files.get(path)
        if file is None or not isinstance(file.content, bytes):
            raise DataError(f"{path}: not in commit {self.commit}, which made the results; run all rules again")
        return file.content


def collect(profile: str) -> Payload:
    """Gather the payload of a profile in the current folder, and check it.

    Raises:
        DataError: there are no results, a record is damaged or lies in another's place, a job read something else than
            what is there, or the results were made outside version control.
        EnvironmentProblem: git does not have the recorded commit.
    """
    jobs = _jobs(profile)
    latest = max(jobs, key=lambda record: record.ended)
    commit = latest.code.commit
    if commit is None:
        raise DataError(f"{latest.path}: names no commit; make the results in a git checkout")
    files = _sources(commit)
    kept = files_to_carry(jobs, profile)
    for path, digest in _hashes(jobs, profile).items():
        if path in files and files[path].sha256 != digest:
            raise DataError(f"{path}: differs between commit {commit} and the jobs that read it; commit and run again")
        if path not in files:
            files[path] = _file(path, digest, path in kept)
    for record in jobs:
        files[record.path] = _file(record.path, sha256(record.path), keep=True)
    return Payload(profile, jobs, dict(sorted(files.items())), commit)


def _jobs(profile: str) -> list[Record]:
    """The jobs that made the results, and all behind them."""
    records = Records()
    results = [path for path in records.by_output if path.startswith(f"results/{profile}/")]
    for path, fault in records.damaged.items():
        if path.startswith((f"artifacts/{profile}/", f"results/{profile}/", f"{DOWNLOADS}/")):
            raise DataError(fault)
    if f"results/{profile}/files.sha256" not in results:
        raise DataError(f"results/{profile}: the results are not finished; run `{making(profile)}` first")
    for path, record in records.by_path.items():
        if path != record.path and record.path.startswith((f"artifacts/{profile}/", f"results/{profile}/")):
            raise DataError(f"{path}: is the record of another file; run the rule that makes {path}")
    return sorted(records.behind(results), key=lambda record: (record.started, record.path))


def files_to_carry(jobs: Iterable[Record], profile: str) -> set[str]:
    """The files worth carrying: results, what the jobs that made them read, and everything that people can read.

    What lies outside the project, as a user's own data may, has no place in a crate.
    """
    made = {path: record for record in jobs for path in record.outputs}
    results = {path for path in made if path.startswith(f"results/{profile}/")}
    read = {path for result in results for path in made[result].sources}
    readable = {path for path in made if path.endswith(READABLE)}
    return {path for path in results | read | readable if stays_inside(path) and not path.startswith(f"{DOWNLOADS}/")}


def _hashes(jobs: list[Record], profile: str) -> dict[str, str]:
    """The one hash of every file that a record speaks of."""
    hashes = {path: made.sha256 for record in jobs for path, made in record.outputs.items()}
    for record in jobs:
        for path, digest in record.sources.items():
            if hashes.setdefault(path, digest) != digest:
                raise DataError(f"{path}: changed after the job of {record.path} ran; run `{making(profile)}`")
    return hashes


def _sources(commit: str) -> dict[str, CrateFile]:
    """The project's files at a commit; frozen weights are left out."""
    git = ["git", "archive", "--format=tar", commit]
    run = subprocess.run(git, capture_output=True, check=False)
    if run.returncode:
        why = run.stderr.decode(errors="replace").strip()
        raise EnvironmentProblem(f"commit {commit}, which made the results, is not in this checkout ({why}); fetch it")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(run.stdout)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content and f"{member.name}/".startswith(tuple(f"{name}/" for name in SOURCES)):
                data = content.read()
                carried = None if member.name.endswith(WEIGHTS) else data
                files[member.name] = CrateFile(member.name, hashlib.sha256(data).hexdigest(), len(data), carried)
    return files


def _file(path: str, digest: str, keep: bool) -> CrateFile:
    """A file of the project; it is hashed again only when it is put into the crate."""
    file = Path(path)
    size = file.stat().st_size if file.is_file() else None
    if keep and size is None:
        raise DataError(f"{path}: is not here; make the crate in the checkout where all jobs ran")
    if not keep or size is None or size > LARGEST:
        return CrateFile(path, digest, size, None)
    if sha256(file) != digest:
        made = path.startswith(tuple(f"{folder}/" for folder in MADE_IN))
        remedy = "its job wrote it; delete it and run the rule that makes it" if made else "a job read it; restore it"
        raise DataError(f"{path}: changed since {remedy}")
    return CrateFile(path, digest, size, file)


def listing(folder: Path) -> str:
    """The list of a crate's files, but for itself, in their order, as `sha256sum --check` reads it."""
    files = sorted(files_below(folder).items())
    return "".join(f"{sha256(path)}  {name}\n" for name, path in files if name != LIST)
