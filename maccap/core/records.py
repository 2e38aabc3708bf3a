"""Records: one JSON file per job that says what it made, from what, with which settings, where and when.

The record of a job lies beside its first output, as `<first output>.prov.json`. Paths in it are relative to the
project's folder.
"""

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, ValidationError

from .. import __version__
from .allocation import cores, slurm_job
from .artifacts import files_below, sha256, write_text
from .errors import DataError, EnvironmentProblem, first_fault, flat
from .job import Job
from .strict import Strict

RECORD_SUFFIX = ".prov.json"
# Settings that say which data a job is about.
ABOUT = ("trained", "run", "run_seed", "experiment", "tested", "vqa_method")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # which Snakemake sets for each job
MADE_IN = ("artifacts", "results")  # the folders that jobs write into
RECORDED_PACKAGES = (  # which decide numbers
    "torch", "torchvision", "open_clip_torch", "transformers", "accelerate", "numpy", "pycocoevalcap", "snakemake",
    "dvc",
)  # fmt: skip

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OutputFile(Strict):
    """What a job left of one output; `size` is in bytes."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class Code(Strict):
    """The package's version and, in a git checkout, the commit and whether the code differed from it."""

    package: str
    commit: str | None
    dirty: bool | None


class Record(Strict):
    """What one job did.

    Attributes:
        step: the module of `maccap.steps` that ran.
        outputs: in the order of the rule; the record lies beside the first one.
        inputs: {name of the input: {path: sha256}}.
        settings: dotted config keys, and what the job is about (see `about`).
        command: does the same job again, from this record.
        host: the kind of machine, without its name; under Slurm with number and partition of the job.
        seal: sha256 of the record without it.
    """

    step: str
    outputs: Annotated[dict[str, OutputFile], Field(min_length=1)]
    inputs: dict[str, dict[str, Sha256]]
    settings: dict[str, Any]
    command: str
    code: Code
    python: str
    packages: dict[str, str]
    host: dict[str, Any]
    started: AwareDatetime
    ended: AwareDatetime
    seal: str = ""

    @property
    def path(self) -> str:
        """Where the record lies."""
        return f"{next(iter(self.outputs))}{RECORD_SUFFIX}"

    @property
    def sources(self) -> dict[str, str]:
        """{path: sha256} of everything that the job read."""
        return {path: digest for files in self.inputs.values() for path, digest in files.items()}

    @property
    def about(self) -> dict[str, set[Any]]:
        """Which data the job is about, by the settings named in ABOUT, each one value or a list; most jobs have few."""
        found = {key: self.settings[key] for key in ABOUT if key in self.settings}
        return {key: set(value) if isinstance(value, list) else {value} for key, value in found.items()}

    @property
    def seeds(self) -> list[int]:
        """The seeds of all runs that the job is about; none where that is one run, or nothing is drawn."""
        return self.job.seeds if {"seed", "repeats"} <= self.settings.keys() else []

    @property
    def job(self) -> Job:
        """The job, to be run again."""
        inputs = {name: [Path(path) for path in files] for name, files in self.inputs.items()}
        return Job(inputs, [Path(path) for path in self.outputs], self.settings)

    def text(self) -> str:
        """The record's file, byte for byte, with its seal."""
        seal = hashlib.sha256(self.model_dump_json(exclude={"seal"}).encode()).hexdigest()
        return self.model_copy(update={"seal": seal}).model_dump_json(indent=1) + "\n"


def record_path(first_output: Path | str) -> Path:
    return Path(f"{first_output}{RECORD_SUFFIX}")


def write_record(step: str, job: Job, started: datetime, command: str | None = None) -> Path:
    """Write the record of a job that has just ended, beside its first output; returns the record's path.

    Args:
        command: what does it again, if `maccap step` does not.
    """
    path = record_path(job.outputs[0])
    record = Record(
        step=step,
        outputs={str(out): OutputFile(sha256=sha256(out), size=size_of(out)) for out in job.outputs},
        inputs=_hashes_of(job.inputs),
        settings=job.settings,
        command=command or f"maccap step --again {path}",
        code=code_version(),
        python=platform.python_version(),
        packages={name: version for name in RECORDED_PACKAGES if (version := version_of(name))},
        host=_host_class(),
        started=started,
        ended=now(),
    )
    write_text(path, record.text())
    return path


def record_of(job: Job) -> bytes:
    """The text of the record that is there of a job; empty without one."""
    path = record_path(job.outputs[0])
    return path.read_bytes() if path.is_file() else b""


def made_since(before: bytes, step: str, job: Job) -> bool:
    """Whether another process has done the same job, with the same code, since `record_of` gave something else."""
    if record_of(job) == before:
        return False
    try:
        found = read_record(record_path(job.outputs[0]))
    except DataError:
        return False
    settings = json.loads(json.dumps(job.settings))
    same = (found.step, found.settings, found.code) == (step, settings, code_version())
    return (
        same
        and found.inputs == _hashes_of(job.inputs)
        and all(Path(out).exists() and sha256(out) == made.sha256 for out, made in found.outputs.items())
    )


def _hashes_of(inputs: dict[str, list[Path]]) -> dict[str, dict[str, str]]:
    """sha256 of each file; one that several names share is read once."""
    hashes = {source: sha256(source) for source in {source for paths in inputs.values() for source in paths}}
    return {name: {str(source): hashes[source] for source in paths} for name, paths in inputs.items() if paths}


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = files_below(path).values() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def read_record(path: Path | str) -> Record:
    """A record by its own path.

    Raises:
        DataError: it is missing, damaged, or not a record of this version.
    """
    try:
        return Record.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); run the job again that makes it") from error
    except ValidationError as error:
        raise DataError(f"{path}: not a record ({first_fault(error)}); run the job again that makes it") from error


class Records:
    """The records below a project's folder, found by the files that the jobs made. Each record is read once.

    Attributes:
        root: the project's folder.
        damaged: {path of a record: what is wrong with it}.
    """

    def __init__(self, root: Path | str = ".") -> None:
        self.root = Path(root)
        self.damaged: dict[str, str] = {}

    @cached_property
    def by_path(self) -> dict[str, Record]:
        """Every record that can be read, by its path relative to the root, sorted.

        Raises:
            DataError: a folder cannot be read.
        """
        found = {}
        names = [f"{folder}/{name}" for folder in MADE_IN for name in files_below(self.root / folder)]
        for path in sorted(name for name in names if name.endswith(RECORD_SUFFIX)):
            try:
                found[path] = read_record(self.root / path)
            except DataError as error:
                self.damaged[path] = str(error).replace(f"{self.root}/", "")
        return found

    @cached_property
    def by_output(self) -> dict[str, Record]:
        """The record of the job that made a file, by the file's path: the one in its place, before a copy elsewhere."""
        ordered = sorted(self.by_path.items(), key=lambda found: found[0] == found[1].path)
        return {output: record for _, record in ordered for output in record.outputs}

    @cached_property
    def tracked(self) -> frozenset[str]:
        """Every path that git tracks below the root; none where there is no repository.

        Raises:
            EnvironmentProblem: git refuses a folder of another user.
        """
        return frozenset(git(self.root, "ls-files", "-z").split("\0"))

    @cached_property
    def absent(self) -> dict[str, str]:
        """{path: sha256} of outputs that are rightly not here: git tracks the record of their job, but not them."""
        return {
            name: made.sha256
            for path in self.tracked.intersection(self.by_path)
            for name, made in self.by_path[path].outputs.items()
            if name not in self.tracked and not (self.root / name).exists()
        }

    def may_differ(self, source: str, reader: str) -> bool:
        """Whether a source may have changed, or gone, since something that names it was committed, the `reader`.

        What git tracks may not be missing.
        """
        missing = source in self.tracked and not (self.root / source).exists()
        return reader in self.tracked and source not in self.by_output and not missing

    def of(self, path: Path | str) -> Record | None:
        """The record of the job that made a file; None for a source."""
        return self.by_output.get(str(path))

    def behind(self, paths: Iterable[Path | str]) -> list[Record]:
        """The records of the jobs that made some files and everything behind them, each once, the last jobs first."""
        todo = [record for path in paths if (record := self.of(path))]
        found = {}
        for record in todo:
            if record.path not in found:
                found[record.path] = record
                todo += [maker for source in record.sources if (maker := self.of(source))]
        return list(found.values())


@cache
def code_version() -> Code:
    """The version of this package's code."""
    here = Path(__file__)
    try:
        commit = git(here.parent, "rev-parse", "HEAD").strip() if git(here.parent, "ls-files", here.name) else ""
    except EnvironmentProblem as error:  # at the end of a job, whose outputs should not be lost
        print(f"no commit is recorded: {error}", file=sys.stderr)
        commit = ""
    if not commit:
        return Code(package=__version__, commit=None, dirty=None)
    project, code = here.parents[2], ("maccap", "workflow", "Snakefile")
    changed = git(project, "diff", "--name-only", "HEAD", "--", *code, "config")
    new = git(project, "ls-files", "--others", "--exclude-standard", "--", *code)  # a record has its settings itself
    return Code(package=__version__, commit=commit, dirty=bool(changed or new))


def git(folder: Path, *arguments: str, given: str = "") -> str:
    """What git prints of a folder, with a text as its input; nothing where there is no git, or no repository.

    Raises:
        EnvironmentProblem: git refuses a folder that belongs to another user.
    """
    plain = os.environ | {"LC_ALL": "C"}
    try:
        run = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, input=os.fsencode(given), env=plain)
    except OSError:
        return ""
    if b"dubious ownership" in run.stderr:
        raise EnvironmentProblem(f"{Path(folder).resolve()}: git says: {flat(os.fsdecode(run.stderr))}")
    return os.fsdecode(run.stdout)


def version_of(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _host_class() -> dict[str, Any]:
    """What kind of machine this is, what the job was given of it, and which job of Slurm's that was."""
    host = {"machine": platform.machine(), "system": platform.system(), "cores": cores()}
    host |= {f"slurm_{name}": value for name, value in slurm_job().items()}
    if threads := os.environ.get(THREADS[0]):
        host["threads"] = threads
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        host["gpu"] = torch.cuda.get_device_name(0)
    return host


def now() -> datetime:
    """The time in UTC, in whole milliseconds."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
