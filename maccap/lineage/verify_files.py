"""Bytes against hashes: files against the records of their jobs, records against each other and the manifest."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ..core.artifacts import stays_inside
from ..core.records import Record, record_path, size_of
from ..core.settings import EXTENDED
from ..data.folders import folder_hash
from .snakemake_private import snakemake_record
from .verify_project import Outcome, Project

LINE = re.compile(r"([0-9a-f]{64})  (.+)")
TIERS = {"": "", EXTENDED: " extended"}  # of lists, with the targets that make them
CHANGED = "changed since, or gone"  # of sources
STEPS = Path(__file__).parents[1] / "steps"


def artifacts(project: Project) -> Outcome:
    """Every file is an output of a job and has the bytes that its record says; what one names is there, or absent."""
    outcome = Outcome("artifacts", {*project.files, *project.outputs})
    crate = f"{project.results}/crate.zip"  # holds what is verified here
    for name in project.files:
        if name not in project.outputs and name != crate:
            run = f"run `{project.command}`"
            rerun = f"{run}, which goes on from it" if name.endswith(".state.pt") else f"delete it and {run}"
            outcome.fault(name, f"has no record: left by an interrupted job, or not made by one; {rerun}")
    for path, record in project.jobs.items():
        for name, made in record.outputs.items():
            digest = project.sha256(name)
            if digest is None:
                outcome.fault(name, f"is missing; {path} says that its job made it{project.from_git(name)}")
            elif digest != made.sha256:
                outcome.fault(name, f"has sha256 {digest}, its record says {made.sha256}")
            elif name in project.digests and (size := size_of(project.path(name))) != made.size:
                outcome.fault(path, f"gives {name} {made.size} bytes, it has {size}")
    outcome.mention("described, but not here", project.absent)
    return outcome


def inputs(project: Project) -> Outcome:
    """What each job read is what the record of the job that made it, or its bytes, say."""
    outcome, hashed, changed = Outcome("inputs"), cache(folder_hash), set()
    for path, record in project.jobs.items():
        for name, expected in record.sources.items():
            outcome.files.add(name)
            made, digest = project.outputs.get(name), project.sha256(name)
            if made is not None and made.sha256 != expected:
                outcome.fault(path, f"names another {name} than the record of the job that made it")
            elif made is None and digest != expected and project.records.may_differ(name, path):
                changed.add(name)
            elif made is None and digest != expected:
                how = "has changed since" if digest else "is missing;"
                outcome.fault(name, f"{how} the job of {path} read it")
        if "store_hash" in record.settings and project.checkout:
            outcome.files.add(store := record.settings["store"])
            same = hashed(project.path(store)) == record.settings["store_hash"]
            if not same and project.records.may_differ(store, path):
                changed.add(store)
            elif not same:
                outcome.fault(store, f"holds other images than when the job of {path} read it")
    outcome.mention(CHANGED, changed)
    return outcome


def records(project: Project) -> Outcome:
    """Every byte of a record is as a job writes it, and no two jobs claim one output."""
    outcome = Outcome("records", {*project.jobs, *project.damaged})
    for path, problem in project.damaged.items():
        outcome.fault(path, f"is damaged: {problem}")
    if slurm := sum("slurm_job" in record.host for record in project.jobs.values()):
        outcome.notes.append(f"{slurm} of {len(project.jobs)} jobs ran under Slurm")
    claims = Counter(name for record in project.jobs.values() for name in record.outputs)
    for path, record in project.jobs.items():
        for problem in _problems(project, path, record):
            outcome.fault(path, problem)
        for name in record.outputs:
            if claims[name] > 1:
                outcome.fault(path, f"claims {name}, as another record does")
    return outcome


def _problems(project: Project, path: str, record: Record) -> Iterator[str]:
    """Why a record cannot be what a job wrote."""
    if path != record.path:
        yield f"is the record of {next(iter(record.outputs))!r}"
    if project.text(path) != record.text():
        yield "has bytes that `maccap` does not write"
    if record.ended <= record.started:
        yield f"ended ({record.ended}) when it started ({record.started}): no job ran"
    if not (record.step.isidentifier() and (STEPS / f"{record.step}.py").is_file()):
        yield f"{record.step!r} is no step"
    if record.command != f"maccap step --again {record.path}":
        yield f"its command {record.command[:80]!r} does not run its job again"
    if outside := [name for name in record.outputs if not stays_inside(name)]:
        yield f"has the output {outside[0]} outside the project"


def manifest(project: Project) -> Outcome:
    """The lists at the end of the run name every output, record, config file and Snakemake record as they are."""
    outcome, changed = Outcome("manifest"), set()
    last = {f"{project.results}/{kind}{tier}.sha256" for kind in ("files", "setup") for tier in TIERS}
    there = {*project.outputs, *project.jobs} - last - {str(record_path(name)) for name in last}  # nothing lists these
    for kind, tier in _lists(project):
        name, command = f"{project.results}/{kind}{tier}.sha256", project.command + TIERS[tier]
        again = command if tier else f"{command} --forcerun manifest"
        if not project.path(name).is_file():
            outcome.fault(name, f"is missing: the results are not finished; run `{command}`")
            return outcome
        known = there
        if kind == "setup":
            job = project.records.of(name)
            known = {str(snakemake_record(output)) for output in project.outputs}
            known |= set(job.inputs.get("config", ()) if job else ())
        for line in project.text(name).splitlines():
            if found := LINE.fullmatch(line):
                outcome.files.add(found[2])
                may_differ = kind == "setup" and found[2] in known and project.records.may_differ(found[2], name)
                if may_differ and project.sha256(found[2]) != found[1]:
                    changed.add(found[2])
                elif problem := _listed(project, found[2], found[1], again):
                    outcome.fault(found[2], problem)
                elif found[2] not in known:
                    outcome.fault(name, f"lists {found[2]}, which nothing in the results comes from")
            else:
                outcome.fault(name, f"{line[:80]!r} is no line of `sha256sum`")
    for name in sorted(there - outcome.files):
        outcome.fault(name, "is a leftover: nothing in the results comes from it; delete it")
    outcome.mention(CHANGED, changed)
    return outcome


def _listed(project: Project, name: str, expected: str, again: str) -> str:
    """What is wrong with a listed file; empty when nothing is."""
    digest = project.sha256(name)
    if digest is None:
        return f"is missing; the manifest lists it{project.from_git(name)}"
    changed = f"has changed since the results were finished; restore it, or run `{again}` if it is meant"
    return "" if digest == expected else changed


def _lists(project: Project) -> list[tuple[str, str]]:
    """(kind, tier) of the lists that must be there; `extended` may not have been run, and a crate has no setup."""
    kinds = ("files", "setup") if project.checkout else ("files",)
    made = [tier for tier in TIERS if not tier or any(project.path(project.results).glob(f"*{tier}.sha256"))]
    return [(kind, tier) for tier in made for kind in kinds]
