"""Bytes against hashes: artifacts against their records, records against each other and against the manifest."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import datetime

from ..core.artifacts import RECORD_SUFFIX, provenance_path
from ..core.records import Record
from .verify_project import Outcome, Project, canonical

LINE = re.compile(r"([0-9a-f]{64})  (.+)")
RERUN = "delete it and run `snakemake --cores all`"
ALL, EXTENDED = ("files", "setup"), ("extended.files", "extended.setup")  # lists that these targets end with
FINISH = "snakemake --cores all"


def artifacts(project: Project) -> Outcome:
    """Every artifact has a record and the bytes that it speaks of; what a record names is there."""
    outcome = Outcome("artifacts", set(project.artifacts) | set(project.records))
    known = {*project.records, *project.damaged, f"{project.results}/crate.zip"}  # a crate holds what is verified here
    for name in project.artifacts:
        if name not in known:
            outcome.fault(name, f"has no record: left by an interrupted job, or not made by one; {RERUN}")
    for name, record in project.records.items():
        digest = project.digests.get(name)
        if record.artifact != name:
            outcome.fault(provenance_path(name), f"is the record of {record.artifact!r}")
        if digest is None and not project.is_left_out(name, record.sha256):
            outcome.fault(provenance_path(name), f"is an orphan: there is no {name}")
        elif digest not in (None, record.sha256):
            outcome.fault(name, f"has sha256 {digest}, its record says {record.sha256}")
    return outcome


def inputs(project: Project) -> Outcome:
    """What each record names as an input is what that input's own record, or its bytes, say."""
    outcome = Outcome("inputs")
    for name, record in project.records.items():
        for input_, expected in record.inputs.items():
            outcome.files.add(input_)
            own, digest = project.records.get(input_), project.digests.get(input_)
            if own is not None and own.sha256 != expected:
                outcome.fault(provenance_path(name), f"was made from another {input_} than its record speaks of now")
            elif own is None and digest is not None and digest != expected:
                outcome.fault(input_, f"has changed since {name} was made from it")
            elif own is None and digest is None and not project.is_left_out(input_, expected):
                outcome.fault(input_, f"is missing; {name} was made from it")
    return outcome


def records(project: Project) -> Outcome:
    """Every byte of a record is as `maccap` writes it, and the records of one job's outputs agree."""
    outcome = Outcome("records", {str(provenance_path(name)) for name in {*project.records, *project.damaged}})
    for name, problem in project.damaged.items():
        outcome.fault(provenance_path(name), f"is damaged: {problem}")
    for name, record in project.records.items():
        for problem in _incredible(project, name, record):
            outcome.fault(provenance_path(name), problem)
    return outcome


def _incredible(project: Project, name: str, record: Record) -> list[str]:
    """Why a record cannot be what a job wrote."""
    problems = []
    if project.text(provenance_path(name)) != canonical(record):
        problems.append("has bytes that `maccap` does not write")
    try:
        if not datetime.fromisoformat(record.started) < datetime.fromisoformat(record.ended):
            problems.append(f"ended ({record.ended}) when it started ({record.started}): no job ran")
    except (ValueError, TypeError):
        problems.append(f"{record.started!r} or {record.ended!r} is no time")
    if record.command not in project.calls:
        return [*problems, f"{record.command[:80]!r} is no step's command"]
    _, job = project.calls[record.command]
    named = {str(path) for paths in job.inputs.values() for path in paths}
    if record.artifact not in map(str, job.outputs):
        problems.append("its command has another output")
    if named != set(record.inputs):
        problems.append(f"its command reads other files: {', '.join(sorted(named ^ set(record.inputs))[:3])}")
    if repr(job.cfg) != repr(record.parameters):
        problems.append("its command has other parameters")
    for sibling in map(str, job.outputs):
        own = project.records.get(sibling)
        if own is None:
            if sibling not in project.damaged:
                problems.append(f"{sibling}, which its job made too, has no record")
        elif replace(own, artifact=record.artifact, sha256=record.sha256) != record:
            fields_ = [
                field.name for field in fields(Record) if getattr(own, field.name) != getattr(record, field.name)
            ]
            differs = ", ".join(key for key in fields_ if key not in ("artifact", "sha256"))
            problems.append(f"differs in {differs} from the record of {sibling}, which one job made")
    return problems


def manifest(project: Project) -> Outcome:
    """The lists at the end of the run name every artifact, record, config file and Snakemake record as they are."""
    outcome = Outcome("manifest")
    listed: dict[tuple[str, str], str] = {}
    for name, command in _lists(project).items():
        if not (project.root / name).is_file():
            outcome.fault(name, f"is missing: the results are not finished; run `{command}`")
            return outcome
        for line in project.text(name).splitlines():
            if found := LINE.fullmatch(line):
                listed.setdefault((found[2], found[1]), command)
            else:
                outcome.fault(name, f"{line[:80]!r} is no line of `sha256sum`")
    outcome.files = {name for name, _ in listed}
    for (name, expected), command in listed.items():
        digest = project.sha256(name)
        if digest is None and not project.is_left_out(name, expected):
            outcome.fault(name, "is missing; the manifest lists it")
        elif digest not in (None, expected):
            again = f"run `{command} --forcerun manifest`" if command == FINISH else f"run `{command}`"
            outcome.fault(name, f"has changed since the results were finished; restore it, or {again} if it is meant")
    there = {*project.records, *(str(provenance_path(name)) for name in project.records)}
    own = {f"{project.results}/{kind}.sha256{suffix}" for kind in (*ALL, *EXTENDED) for suffix in ("", RECORD_SUFFIX)}
    for name in sorted(there - outcome.files - own):
        outcome.fault(name, "is a leftover: nothing in the results comes from it; delete it")
    return outcome


def _lists(project: Project) -> dict[str, str]:
    """The lists that must be there, with the command that makes them; `extended` may not have been run."""
    kinds = dict.fromkeys(ALL, FINISH)
    if any((project.root / project.results / f"{kind}.sha256").is_file() for kind in EXTENDED):
        kinds |= dict.fromkeys(EXTENDED, f"{FINISH} extended")
    carried = [kind for kind in kinds if project.checkout or not kind.endswith("setup")]
    return {f"{project.results}/{kind}.sha256": kinds[kind] for kind in carried}
