"""A crate against what it says of itself: its list of files, its metadata, and what it leaves out."""

from __future__ import annotations

from .crate_payload import LARGEST, LIST, METADATA, WEIGHTS, artifacts_to_carry, listing
from .verify_project import Outcome, Project


def crate(project: Project) -> Outcome:
    """Every file has the bytes that list and metadata say; only what may be is left out, and not another file."""
    names = sorted(str(path.relative_to(project.root)) for path in project.root.rglob("*") if path.is_file())
    names = [name for name in names if name != LIST]
    outcome = Outcome("crate", set(names))
    _check_list(project, names, outcome)
    if project.described is None:
        outcome.fault(METADATA, "cannot be read as the metadata of a crate")
        return outcome
    for name, about in project.described.items():
        if about.left_out:
            if problem := _wrongly_left_out(project, name):
                outcome.fault(name, problem)
        elif (project.sha256(name), _size(project, name)) != (about.sha256, about.size):
            outcome.fault(name, f"has not the bytes that {METADATA} describes, or is missing")
    for name in sorted(set(names) - set(project.described) - {METADATA}):
        outcome.fault(name, f"is not described in {METADATA}")
    outcome.notes.append(f"{len(project.left_out)} files are left out, known by sha256 and size")
    outcome.notes += [f"left out: {name}" for name in sorted(project.left_out)]
    return outcome


def _check_list(project: Project, names: list[str], outcome: Outcome) -> None:
    text = project.text(LIST) if (project.root / LIST).is_file() else ""
    expected = listing(project.root)
    lines, right = text.split("\n"), expected.split("\n")
    for name, line in zip(names, right, strict=False):
        if line not in lines:
            outcome.fault(name, f"is not as {LIST} lists it")
    for line in sorted(set(lines).difference(right)):
        outcome.fault(LIST, f"{line[:200]!r} is no line about a file of this crate")
    if text != expected and not outcome.findings:
        outcome.fault(LIST, "has bytes that `maccap` does not write")


def _wrongly_left_out(project: Project, name: str) -> str:
    """Why a crate should hold this file, or what it says of it cannot be; empty when it may be left out."""
    about = project.left_out[name]
    records = project.records.values()
    known = {record.sha256 for record in records if record.artifact == name}
    known |= {record.inputs[name] for record in records if name in record.inputs}
    if _size(project, name) is not None:
        return f"is in the crate, but {METADATA} says that it is left out"
    if not known and not name.endswith(WEIGHTS):
        return "is left out, but is no file that a record speaks of"
    if known - {about.sha256}:
        return f"is left out with sha256 {about.sha256}, but the records say {', '.join(sorted(known))}"
    if name in artifacts_to_carry(project.records, project.profile) and (about.size or 0) <= LARGEST:
        return "is left out, but a crate holds every file like it"
    return ""


def _size(project: Project, name: str) -> int | None:
    path = project.root / name
    return path.stat().st_size if path.is_file() else None
