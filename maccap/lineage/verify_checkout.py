"""What only a checkout has, against the records: git's commit, the configuration, and DVC's lock."""

import hashlib
import io
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..core.artifacts import files_below
from ..core.dotted import leaves
from ..core.errors import ConfigError, flat
from ..core.project import config_files, pipeline_file, read_config
from ..core.records import git
from ..core.yaml_file import LOADER
from .verify_project import Outcome, Project

SOURCES = ("maccap", "workflow", "Snakefile", "config")  # whose commit decides the numbers
FROM_ELSEWHERE = ("download", "pack_images")  # steps whose settings come from the registry


def code(project: Project) -> Outcome:
    """Every record names a commit that exists and was clean; what has changed since is only mentioned."""
    outcome = Outcome("code", set(project.jobs))
    commits: dict[str, list[str]] = {}
    for path, record in project.jobs.items():
        if record.code.commit is None:
            outcome.fault(path, "was made outside a git checkout: its code cannot be checked")
            continue
        if record.code.dirty is not False:
            outcome.fault(
                path, f"was made with uncommitted changes: code or config was not that of {record.code.commit[:10]}"
            )
        commits.setdefault(record.code.commit, []).append(path)
    if not (shallow := git(project.root, "rev-parse", "--is-shallow-repository")):
        outcome.notes.append("the code is not checked: there is no git repository here")
        return outcome
    if "true" in shallow:
        outcome.notes.append("the code is not checked: the clone has not all commits; run `git fetch --unshallow`")
        return outcome
    for commit, paths in commits.items():
        if "commit" not in git(project.root, "cat-file", "-t", commit):
            for path in paths:
                outcome.fault(path, f"there is no commit {commit}, which it names")
        elif changed := git(project.root, "diff", "--name-only", commit, "--", *SOURCES).splitlines():
            outcome.notes.append(f"{len(changed)} source files have changed since {commit[:10]}, such as {changed[0]}")
    return outcome


def config(project: Project) -> Outcome:
    """The configuration still has the values that the records name; in committed results others are mentioned."""
    file = f"config/{project.profile}.yaml"
    outcome = Outcome("config", {file})
    try:
        outcome.files |= set(map(str, config_files(project.profile, project.root)))
        values = leaves("", read_config(project.profile, project.root))
    except ConfigError as error:
        outcome.fault(file, str(error))
        return outcome
    sections = {key.split(".")[0] for key in values}
    own = {  # what a VQA method, a run or an experiment may have of its own
        "language_model.name": [
            v for key, v in values.items() if re.fullmatch(r"vqa_methods\..+\.language_model", key)
        ],
        "repeats": [value for key, value in values.items() if key.endswith(".repeats")],
    }
    stale: dict[tuple[str, str], list[str]] = {}
    changed = set()
    for path, record in project.jobs.items():
        for key, value in record.settings.items():
            known = key.split(".")[0] in sections and record.step not in FROM_ELSEWHERE
            if not known or value in own.get(key, ()) or repr(values.get(key)) == repr(value):
                continue
            if path in project.records.tracked:
                changed.add(key)
            else:
                stale.setdefault((key, repr(value)), []).append(path)
    for (key, value), paths in stale.items():
        now = repr(values[key]) if key in values else "gone"
        outcome.fault(file, f"{key} is {now}, but {len(paths)} jobs ran with {value}, as {paths[0]} says")
    if changed:
        outcome.notes.append(f"values changed since: {len(changed)}, such as {min(changed)}")
    return outcome


def dvc_lock(project: Project) -> Outcome:
    """The lock file is what DVC would write of the files and commands that are there."""
    pipeline = pipeline_file(project.profile, project.root)
    outcome, lock = Outcome("dvc_lock"), str(pipeline.with_name("dvc.lock"))
    if not project.path(lock).is_file():
        outcome.notes.append(f"there is no {lock}: DVC has not recorded these results, which is no fault")
        return outcome
    outcome.files.add(lock)
    try:
        text = project.text(lock)
        stages, wanted = (yaml.load(one, LOADER)["stages"] for one in (text, project.text(pipeline)))
        if _as_dvc_writes({"schema": "2.0", "stages": stages}) != text:
            outcome.fault(lock, "has bytes that DVC does not write")
        if set(stages) != set(wanted):
            outcome.fault(lock, f"has other stages than {pipeline}: {', '.join(sorted(set(stages) ^ set(wanted)))}")
        here = _Here(project)
        stale = [
            f"stage {name}: {problem}"
            for name, stage in stages.items()
            for problem in here.problems(stage, wanted.get(name, {}).get("cmd"))
        ]
        if stale:
            more = f" (and {len(stale) - 1} more such)" if stale[1:] else ""
            again = f"`maccap dvc record --profile {project.profile}`"
            outcome.fault(lock, f"{stale[0]}{more}; if all other checks find nothing, run {again}")
    except (yaml.YAMLError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        outcome.fault(lock, f"cannot be read ({type(error).__name__}: {flat(error)[:200]})")
    return outcome


class _Here:
    """What DVC would write now; a file that many stages name is hashed once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.file = cache(self._file)

    def problems(self, stage: dict[str, Any], command: str | None) -> Iterator[str]:
        """Where a stage of the lock is not what DVC would write now."""
        if stage["cmd"] != command or not set(stage) <= {"cmd", "deps", "outs"}:
            yield "is not the stage of dvc.yaml"
        for entry in (*stage.get("deps", ()), *stage["outs"]):
            path = self.project.path(entry["path"])
            now = {"path": entry["path"], "hash": "md5"} | (self._folder(path) if path.is_dir() else self.file(path))
            if entry != now | ({"isexec": True} if "isexec" in entry else {}):
                yield f"{entry['path']} is another file now, or missing"

    def _file(self, path: Path) -> dict[str, Any]:
        """DVC's hash and size (bytes) of a file."""
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            return {"md5": hashlib.file_digest(file, "md5").hexdigest(), "size": path.stat().st_size}

    def _folder(self, folder: Path) -> dict[str, Any]:
        """DVC's hash of a folder: that of the JSON list of its files' hashes, but of those that `.dvcignore` names."""
        ignored = [line for line in self.project.text(".dvcignore").splitlines() if line and line[0] not in "#/!"]
        files = {
            name: self.file(path)
            for name, path in files_below(folder).items()
            if not any(fnmatchcase(part, pattern) for part in name.split("/") for pattern in ignored)
        }
        listing = json.dumps([{"md5": about["md5"], "relpath": name} for name, about in sorted(files.items())])
        digest = hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest()
        return {"md5": f"{digest}.dir", "size": sum(about["size"] for about in files.values()), "nfiles": len(files)}


def _as_dvc_writes(content: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    writer, out = YAML(), io.StringIO()
    writer.default_flow_style = False
    writer.dump(content, out)
    return out.getvalue()
