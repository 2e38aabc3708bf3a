"""A temporary checkout of this project with a miniature default profile, for driving the real tools in it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from maccap import __version__
from maccap.core.artifacts import sha256
from maccap.core.project import read_config
from maccap.core.records import Code
from maccap.lineage.crate_files import SOURCES
from tests.helpers import ROOT

TINY = {
    "profile": "tiny",
    "repeats": 1,
    "scenes": {"train": 24, "val": 4, "test": 8, "questions": 1},
    "datasets": {"daylight": {"label": "Daylight", "format": "scenes"}},
    "runs": {"maccap": {"method": "maccap"}},
    "experiments": {"maccap": {"label": "MacCap", "run": "maccap", "reported_as": "MacCap"}},
    "reported": {"file": "published.csv", "tolerance": 1.0},
    "tables": {
        "in_domain": {
            "title": "In-domain", "kind": "captions", "pairs": ["daylight-daylight"], "experiments": ["maccap"],
        },
        "nearness": {"title": "Nearness", "kind": "nearness"},
        "gap": None,
        "gap_repairs": None,
        "instruments": None,
    },
}  # fmt: skip
PUBLISHED = """\
method,trained_on,tested_on,metric,value,encoder,language_model,source,evidence,note
MacCap,daylight,daylight,CIDEr,49.3,,,a paper,read in it,
"""
SMALLER = {
    "training": {
        "learning_rate": 2e-3, "batch_size": 8, "copies": 1, "log_every": 2, "validate_every": 4, "checkpoint_every": 4,
    },
    "generation": {"subregions": 2, "beams": 1, "max_new_tokens": 6},
    "selection": {"draws": 1},
}  # fmt: skip


class Checkout:
    """A folder with its own git repository; its commands run its own code, whatever is installed.

    Attributes:
        variables: of the commands' environment, besides or in place of the usual ones.
        before: words that stand before each command.
        prepare: called in each command's process before it starts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}
        self.before: list[str] = []
        self.prepare: Callable[[], object] | None = None

    def __call__(self, *command: str, fails: bool = False, folder: Path | None = None) -> str:
        """Standard output and error of a command, which must succeed (or fail, when asked)."""
        run = subprocess.run(
            [*self.before, *command], cwd=folder or self.folder, env=self.environment,
            encoding="utf-8", errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=self.prepare,
        )  # fmt: skip
        assert (run.returncode != 0) == fails, f"{' '.join(command)}: exit code {run.returncode}\n{run.stdout}"
        return run.stdout

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "PYTHONPATH": str(self.folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder.parent), "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1",
            "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
            "COLUMNS": "200",
        }  # fmt: skip
        return {**os.environ, **own, **self.variables}

    def text(self, path: str) -> str:
        return (self.folder / path).read_text(encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        text = self.text(path)
        assert old in text, f"{path} has no {old!r}"
        (self.folder / path).write_text(text.replace(old, new, 1), encoding="utf-8")

    def append(self, path: str, line: str) -> None:
        (self.folder / path).write_text(self.text(path) + line, encoding="utf-8")

    def sync(self, *arguments: str, fails: bool = False) -> str:
        return self("python", "-m", "maccap", "dvc", "sync", *arguments, fails=fails)

    def record(self, fails: bool = False) -> str:
        return self("python", "-m", "maccap", "dvc", "record", fails=fails)

    def commit(self, message: str = "change") -> None:
        self("git", "add", "--all")
        self("git", "commit", "--quiet", "--message", message)

    def restore(self) -> None:
        """Back to the last commit, files and artifacts."""
        self("git", "checkout", "--quiet", "--force", ".")
        self("dvc", "checkout", "--quiet", "--force")

    def snakemake_plan(self, *arguments: str) -> set[str]:
        """Stage names of the jobs that Snakemake would run."""
        return _snakemake_jobs(self("snakemake", "--dry-run", *arguments))

    def snakemake_run(self, *arguments: str) -> set[str]:
        """Stage names of the jobs that Snakemake ran."""
        return _snakemake_jobs(self("snakemake", "--cores", "2", *arguments))

    def dvc_plan(self) -> set[str]:
        """Jobs that `dvc repro` would run if every stage changed its outputs: of those changed and all below them."""
        self.sync("--check")
        changed = json.loads(self("dvc", "status", "--json"))
        stages = self.stages()
        makers = {out: name for name, stage in stages.items() for out in stage["outs"]}
        stale = {name.split(":")[-1] for name, reasons in changed.items() if reasons} - {"dag-check"}
        while True:
            below = {
                name
                for name, stage in stages.items()
                if stale & {makers.get(path) for dep in stage["deps"] for path in (dep, str(Path(dep).parent))}
            }
            if below <= stale:
                return jobs_of(stale)
            stale |= below

    def stages(self, kind: str = "yaml") -> dict[str, Any]:
        """All stages of the default profile, as its pipeline file (or, by `lock`, its lock file) has them."""
        found = yaml.safe_load(self.text(f"dvc.{kind}"))["stages"]
        return {name: stage for name, stage in found.items() if name != "dag-check"}

    def decisions(self, stage: str) -> list[dict[str, Any]]:
        """What decides each job of a stage beside its files; `sync --check` or the stage `dag-check` wrote it."""
        [path] = [path for path in self.stages()[stage]["deps"] if path.startswith(".snakemake/dvc-")]
        return json.loads(self.text(path))

    def dvc_run(self, *arguments: str) -> set[str]:
        """Jobs that `dvc repro` ran, without its own check of the graph."""
        return ran(self("dvc", "repro", *arguments))

    def clone(self, folder: Path, *pulled: str, link: str = "copy") -> "Checkout":
        """A clone with everything (or the named stages) pulled from the remote of this checkout."""
        self("git", "clone", "--quiet", str(self.folder), str(folder))
        clone = Checkout(folder)
        clone("dvc", "config", "--local", "cache.type", link)
        clone("dvc", "pull", "--quiet", *pulled)
        return clone

    def data_hashes(self) -> dict[str, str]:
        """{file: sha256} of what the recorded stages made, but records, their lists and page, which hold times."""
        outs = [self.folder / out["path"] for stage in self.stages("lock").values() for out in stage["outs"]]
        files = [path for out in outs for path in (sorted(out.rglob("*")) if out.is_dir() else [out])]
        timed = (".prov.json", ".sha256", "trace.html")
        kept = [path for path in files if ".snakemake" not in path.parts and not path.name.endswith(timed)]
        return {str(path.relative_to(self.folder)): sha256(path) for path in kept}


def copy_sources(folder: Path) -> None:
    """The sources that a crate holds, without the tests, into a new project's folder."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)


def commit_everything(folder: Path) -> Code:
    """Make a folder a repository with one commit; the code version that records of its jobs then name."""
    checkout = Checkout(folder)
    checkout("git", "init", "--quiet")
    checkout.commit("start")
    return Code(package=__version__, commit=checkout("git", "rev-parse", "HEAD").strip(), dirty=False)


def jobs_of(stages: set[str]) -> set[str]:
    """The names of the jobs that these stages run, each as if it had a stage of its own."""
    return stages | ({"manifest"} if "report" in stages else set())


def ran(out: str, said: str = "Running stage '{}'") -> set[str]:
    """Jobs of the stages that `dvc repro` says it runs, without its check of the graph."""
    return jobs_of(set(re.findall(said.format("(?:[^':]+:)?([^':]+)"), out)) - {"dag-check"})


def restored(out: str) -> set[str]:
    """Jobs of the stages that `dvc repro` says it takes from the run cache, without its check of the graph."""
    return ran(out, "Stage '{}' is cached")


def _snakemake_jobs(out: str) -> set[str]:
    """Names of the jobs that Snakemake lists, as `maccap dvc sync` names their stages."""
    jobs: list[list[str]] = []
    for line in out.splitlines():
        if found := re.match(r"(?:local)?rule (\w+):", line):
            jobs.append([found[1]])
        elif found := re.match(r"    wildcards: (.*)", line):
            jobs[-1] += [value for pair in found[1].split(", ") if (value := pair.split("=", 1)[1])]
    assert jobs or "Nothing to be done" in out, out
    return {re.sub(r"[^A-Za-z0-9]+", "-", "-".join(job)) for job in jobs if job != ["all"]}


def make_checkout(folder: Path) -> Checkout:
    """This project's files as they are now, without results, committed in a repository of its own, with the profile
    `tiny`."""
    folder.mkdir(parents=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout.strip("\0").split("\0")
    for name in files:
        if (ROOT / name).exists() and not name.startswith(("artifacts/", "results/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name, follow_symlinks=False)
    checkout = Checkout(folder)
    config = read_config("world", folder) | TINY
    for name, values in SMALLER.items():
        config[name] |= values
    (folder / "config/tiny.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    (folder / "published.csv").write_text(PUBLISHED, encoding="utf-8")
    checkout.edit("config/config.yaml", "profile: mini", "profile: tiny")
    checkout.sync("--profile", "tiny")
    checkout("git", "init", "--quiet")
    checkout.commit("start")
    return checkout
