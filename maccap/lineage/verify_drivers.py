"""What Snakemake and DVC remember of each output, against our records and the files."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import shlex
from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from ..core.dotted import leaves
from ..core.job import Job
from ..core.records import Record
from . import snakemake_records
from .verify_project import Outcome, Project

SLACK = 60.0  # seconds that the clocks of two machines may differ
NEAR = 1.0  # seconds; a file written this near to the recorded time has not been copied since, unless DVC did
QUICKEST = 0.03  # seconds; no job is quicker, as it starts a process, but `--touch` is
KEPT = "download"  # the step whose files may be older than its job
STAGE = {"cmd", "deps", "params", "outs"}  # the parts of a stage in dvc.lock
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
OWN = ("starttime", "endtime")  # what Snakemake's records of one job's outputs may differ in


def snakemake(project: Project) -> Outcome:
    """Snakemake's record of each output tells the same story as ours, and no `--touch` wrote it."""
    outcome = Outcome("snakemake")
    if not (project.root / snakemake_records.METADATA).is_dir():
        outcome.notes.append("Snakemake has no records here (.snakemake/metadata)")
        return outcome
    contents = {name: snakemake_records.read(project.root, name) for name in project.records}
    for name, record in project.records.items():
        path = snakemake_records.record_path(name)
        outcome.files.add(str(path))
        if not (project.root / path).is_file():
            outcome.fault(path, f"is missing: Snakemake does not know of {name}")
        elif json.dumps(contents[name]) != project.text(path):
            outcome.fault(path, "has bytes that Snakemake does not write")
        else:
            for problem in _differences(project, name, record, contents):
                outcome.fault(path, f"{problem} ({name})")
    return outcome


def _differences(project: Project, name: str, record: Record, contents: dict[str, dict[str, Any]]) -> Iterator[str]:
    content = contents[name]
    step, job = project.calls.get(record.command, ("", None))
    seen = snakemake_records.checksums(project.root, name)
    if content.get("incomplete") is not False or content.get("input") != sorted(seen):
        yield "speaks of an incomplete job"
    for path, digest in record.inputs.items():
        if seen.get(path, digest) != digest:
            yield f"has another sha256 of the input {path} than the job's own record"
    if [repr(record.parameters)] != content.get("params") and not _holds(content.get("params"), record.parameters):
        yield "has other parameters than the job's own record"
    if job is not None:
        if _rendered(content, record, job) != content.get("shellcmd"):
            yield "has a command that does not fit its rule and inputs"
        for other in map(str, job.outputs):
            theirs = contents.get(other, {})
            if differs := [key for key in content if key not in OWN and theirs.get(key) != content[key]]:
                yield f"differs in {', '.join(differs)} from that of {other}, which one job made"
    yield from _times(project, name, record, content, step)


def _holds(params: Any, parameters: dict[str, Any]) -> bool:
    """Whether one of the parameters as Snakemake keeps them, Python literals, is ours."""
    try:
        return any(repr(ast.literal_eval(value)) == repr(parameters) for value in params)
    except (ValueError, SyntaxError, TypeError):
        return False


def _rendered(content: dict[str, Any], record: Record, job: Job) -> str | None:
    """The shell command that Snakemake makes of a rule's template, from our own record; None if there is none."""
    try:
        text = str(content["code"])
        for name, paths in job.inputs.items():
            text = text.replace(f"{{input.{name}}}", " ".join(map(str, paths)))
        text = text.replace("{output}", " ".join(map(str, job.outputs))).replace("{log}", " ".join(content["log"]))
        return text.replace("{params.cfg:q}", shlex.quote(repr(record.parameters)))
    except (KeyError, TypeError):
        return None


def _times(project: Project, name: str, record: Record, content: dict[str, Any], step: str) -> Iterator[str]:
    began, ended = content.get("starttime"), content.get("endtime")
    if not isinstance(began, float) or not isinstance(ended, float):
        yield "has no times: made by `snakemake --touch`, or by an interrupted job"
        return
    try:
        own = [datetime.fromisoformat(time).timestamp() for time in (record.started, record.ended)]
    except ValueError:
        return
    no_time = ended - began < QUICKEST and step != KEPT
    if no_time or began > own[0] + SLACK or ended > own[1] + SLACK:
        yield "is of another time than the job's own record: made by `snakemake --touch`, or by a job that was replaced"
    path = project.root / name
    if not project.locks and path.is_file() and 0 < abs(path.stat().st_mtime - ended) < NEAR:
        yield "has a time that its file was not written at"


def dvc_lock(project: Project) -> Outcome:
    """Every lock file speaks of the files and parameters that are there and that the records name."""
    outcome = Outcome("dvc_lock")
    outcome.files = set(map(str, project.locks))
    if not project.locks:
        outcome.notes.append("there is no dvc.lock: DVC has not recorded these results, which is no fault")
    for lock in project.locks:
        for problem in _lock_problems(project, lock):
            outcome.fault(lock, problem)
    return outcome


def _lock_problems(project: Project, lock: Path) -> Iterator[str]:
    text = project.text(lock)
    try:
        stages, wanted = (yaml.load(of, LOADER)["stages"] for of in (text, project.text(lock.with_suffix(".yaml"))))
        if _as_dvc_writes({"schema": "2.0", "stages": stages}) != text:
            yield "has bytes that DVC does not write"
        for name, stage in stages.items():
            if name not in wanted or stage["cmd"] != wanted[name]["cmd"]:
                yield f"stage {name} has another command than dvc.yaml"
            if not STAGE.issuperset(stage):
                yield f"stage {name} has parts that DVC does not write"
            for entry in (*stage.get("deps", ()), *stage["outs"]):
                yield from _entry_problems(project, name, entry)
            for file, values in stage.get("params", {}).items():
                yield from _parameter_problems(project, f"stage {name}, {file}", stage, values)
        if missing := sorted(set(wanted) - set(stages)):
            yield f"lacks stage {missing[0]}"
    except (yaml.YAMLError, OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        yield f"cannot be read ({type(error).__name__}: {str(error)[:200]})"


def _as_dvc_writes(content: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    writer, out = YAML(), io.StringIO()
    writer.default_flow_style = False
    writer.dump(content, out)
    return out.getvalue()


def _entry_problems(project: Project, stage: str, entry: dict[str, Any]) -> Iterator[str]:
    path = project.root / entry["path"]
    own = {key: value for key, value in entry.items() if key not in ("path", "hash", "isexec")}
    if entry["hash"] != "md5" or entry.get("isexec", True) is not True:
        yield f"stage {stage}: {entry['path']} is not described as DVC does"
    elif not path.exists():
        yield f"stage {stage}: {entry['path']} is missing"
    elif (_folder if path.is_dir() else _file)(project, path) != own:
        yield f"stage {stage}: {entry['path']} is another file now"


def _file(project: Project, path: Path) -> dict[str, Any]:
    """DVC's hash and size (bytes) of a file."""
    return {"md5": project.md5(path), "size": path.stat().st_size}


def _folder(project: Project, folder: Path) -> dict[str, Any]:
    """DVC's hash of a folder: that of the JSON list of its files' hashes, but of those that `.dvcignore` names."""
    ignored = [line for line in project.text(".dvcignore").splitlines() if line and line[0] not in "#/!"]
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    kept = [path for path in paths if not any(fnmatchcase(part, name) for part in path.parts for name in ignored)]
    files = {str(path): _file(project, folder / path) for path in kept}
    listing = json.dumps([{"md5": about["md5"], "relpath": name} for name, about in sorted(files.items())])
    digest = hashlib.md5(listing.encode(), usedforsecurity=False).hexdigest()
    return {"md5": f"{digest}.dir", "size": sum(about["size"] for about in files.values()), "nfiles": len(files)}


def _parameter_problems(project: Project, place: str, stage: dict[str, Any], values: dict[str, Any]) -> Iterator[str]:
    """Where the lock claims other parameters than the jobs' records; not every job of a stage has all of them."""
    outs = {out["path"] for out in stage["outs"]}
    made = [record for name, record in project.records.items() if not outs.isdisjoint((name, name.rpartition("/")[0]))]
    for key, value in leaves("", values).items():
        holders = [record for record in made if key in record.parameters]
        if not holders and value is not None:
            yield f"{place}: {key} is {value!r}, but no job was given it"
        for record in holders:
            if repr(own := record.parameters[key]) != repr(value):
                yield f"{place}: {key} is {value!r}, but {record.artifact} was made with {own!r}"
