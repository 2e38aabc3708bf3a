"""What goes into a crate: the results of a profile, what is needed to recompute them, and the source that made them.

Everything else of their past is described by hash and size, but left out.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ..core.artifacts import RECORD_SUFFIX, provenance_path, sha256
from ..core.errors import DataError, EnvironmentProblem
from ..core.records import Record, read_record
from ..fetch.registry import DOWNLOADS

LIST, METADATA = "crate.sha256", "ro-crate-metadata.json"
LARGEST = 16 * 2**20  # bytes of an artifact that is put into the crate
READABLE = (".json", ".jsonl")  # tables of captions, questions, predictions, answers, runs and logs
SOURCES = (
    "Snakefile", "maccap", "workflow", "config", "docs", "README.md", "LICENSE", "CITATION.cff", "pyproject.toml",
    "requirements.lock", "environment.yml",
)  # fmt: skip
WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class PayloadFile:
    """One file of the past; `size` is in bytes, None when the file is gone; `content` is None when it is left out."""

    path: str
    sha256: str
    size: int | None
    content: bytes | Path | None


@dataclass(frozen=True)
class Payload:
    """Everything that a crate speaks of; paths are relative to the project's folder.

    Attributes:
        records: of every artifact in the past of the results, by its path.
        files: results, artifacts, records and sources, by path.
        commit: of the sources.
    """

    profile: str
    records: dict[str, Record]
    files: dict[str, PayloadFile]
    commit: str

    @property
    def jobs(self) -> list[list[Record]]:
        """The records of each job's outputs, jobs in the order in which they started."""
        grouped: dict[tuple[str, str], list[Record]] = {}
        for record in sorted(self.records.values(), key=lambda record: (record.started, record.command)):
            grouped.setdefault(record.job, []).append(record)
        return list(grouped.values())

    @property
    def results(self) -> list[str]:
        return [path for path in self.records if path.startswith(f"results/{self.profile}/")]

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
        DataError: there are no results, a record is damaged or speaks of another file, a job read something else than
            what is there, or the results were made outside version control.
        EnvironmentProblem: git does not have the recorded commit.
    """
    records = _records(profile)
    latest = max(records.values(), key=lambda record: record.ended)
    commit = latest.code["commit"]
    if commit is None:
        raise DataError(f"{latest.artifact}: its record names no commit; make the results in a git checkout")
    files = _sources(commit)
    kept = artifacts_to_carry(records, profile)
    for path, digest in _hashes(records).items():
        if path in files and files[path].sha256 != digest:
            raise DataError(f"{path}: differs between commit {commit} and the jobs that read it; commit and run again")
        if path not in files:
            files[path] = _artifact(path, digest, path in kept)
    for path in records:
        files[str(provenance_path(path))] = _present(str(provenance_path(path)))
    return Payload(profile, records, dict(sorted(files.items())), commit)


def _records(profile: str) -> dict[str, Record]:
    """The records of the results, of everything behind them, and of what the same jobs made besides."""
    found = {}
    for folder in (DOWNLOADS, f"artifacts/{profile}", f"results/{profile}"):
        for path in sorted(Path(folder).rglob(f"*{RECORD_SUFFIX}")):
            name = str(path).removesuffix(RECORD_SUFFIX)
            record = read_record(name)
            if record is None or record.artifact != name:
                raise DataError(f"{path}: is the record of another file; run the rule that makes {name}")
            found[name] = record
    todo = [name for name in found if name.startswith(f"results/{profile}/")]
    if not todo:
        raise DataError(f"results/{profile}: no results; run `snakemake --cores all` first")
    reached = set(todo)
    for name in todo:
        new = [path for path in found[name].inputs if path in found and path not in reached]
        reached.update(new)
        todo += new
    jobs = {found[name].job for name in reached}
    return {name: record for name, record in sorted(found.items()) if record.job in jobs}


def artifacts_to_carry(records: dict[str, Record], profile: str) -> set[str]:
    """The artifacts worth carrying: results, what the jobs that made them read, and everything that people can read."""
    results = {path for path in records if path.startswith(f"results/{profile}/")}
    read = {path for result in results for path in records[result].inputs}
    readable = {path for path in records if path.endswith(READABLE)}
    return {path for path in results | read | readable if not path.startswith(f"{DOWNLOADS}/")}


def _hashes(records: dict[str, Record]) -> dict[str, str]:
    """The one hash of every file that a record speaks of."""
    hashes = {path: record.sha256 for path, record in records.items()}
    for record in records.values():
        for path, digest in record.inputs.items():
            if hashes.setdefault(path, digest) != digest:
                raise DataError(f"{path}: changed after {record.artifact} was made; run `snakemake --cores all`")
    return hashes


def _sources(commit: str) -> dict[str, PayloadFile]:
    """The project's files at a commit; frozen weights are left out."""
    git = ["git", "archive", "--format=tar", commit]
    try:
        run = subprocess.run(git, capture_output=True, check=False)
    except OSError as error:
        raise EnvironmentProblem(
            f"git cannot be run ({error}); install it: the crate holds the recorded commit"
        ) from error
    if run.returncode:
        said = run.stderr.decode(errors="replace").strip()
        raise EnvironmentProblem(f"commit {commit}, which made the results, is not in this checkout ({said}); fetch it")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(run.stdout)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content and member.name.split("/")[0] in SOURCES:
                data = content.read()
                carried = None if member.name.endswith(WEIGHTS) else data
                files[member.name] = PayloadFile(member.name, hashlib.sha256(data).hexdigest(), len(data), carried)
    return files


def _artifact(path: str, digest: str, keep: bool) -> PayloadFile:
    """An artifact or other input; it is re-hashed only when it is put into the crate."""
    file = Path(path)
    size = file.stat().st_size if file.is_file() else None
    if not keep or size is None or size > LARGEST:
        return PayloadFile(path, digest, size, None)
    if sha256(file) != digest:
        raise DataError(f"{path}: changed since its job wrote it; delete it and run `snakemake --cores all`")
    return PayloadFile(path, digest, size, file)


def _present(path: str) -> PayloadFile:
    return PayloadFile(path, sha256(path), Path(path).stat().st_size, Path(path))


def listing(folder: Path) -> str:
    """The list of a crate's files, but for itself, in their order, as `sha256sum --check` reads it."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return "".join(f"{sha256(path)}  {name}\n" for name, path in sorted(files.items()) if name != LIST)
