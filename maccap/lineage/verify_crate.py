"""A crate against what it says of itself: its list of files, its metadata, and what it leaves out."""

from ..core.artifacts import files_below
from .crate_files import LARGEST, LIST, METADATA, WEIGHTS, files_to_carry, listing
from .verify_project import Outcome, Project


def crate(project: Project) -> Outcome:
    """Every file has the bytes that list and metadata say; only what may be is left out, and not another file."""
    sizes = {name: path.stat().st_size for name, path in files_below(project.root).items()}
    text, expected = project.text(LIST) if LIST in sizes else "", listing(project.root)
    outcome = Outcome("crate", set(sizes) - {LIST})
    for line in sorted(set(text.split("\n")) ^ set(expected.split("\n"))):
        outcome.fault(line[66:266] or LIST, f"is not as {LIST} lists it")
    if text != expected and not outcome.findings:
        outcome.fault(LIST, "has bytes that `maccap` does not write")
    if project.described is None:
        outcome.fault(METADATA, "cannot be read as the metadata of a crate")
        return outcome
    for name in sorted(outcome.files - set(project.described) - {METADATA}):
        outcome.fault(name, f"is not described in {METADATA}")
    for name, about in project.described.items():
        if not name.startswith("#") and about != (project.sha256(name), str(sizes.get(name))):
            outcome.fault(name, f"has not the bytes that {METADATA} describes, or is missing")
    for name in project.absent:
        if name in sizes:
            outcome.fault(name, f"is in the crate, but {METADATA} says that it is left out")
        elif problem := _wrongly_left_out(project, name, *project.described[f"#{name}"]):
            outcome.fault(name, problem)
    return outcome


def _wrongly_left_out(project: Project, name: str, digest: str, size: str | None) -> str:
    """Why a crate should hold this file, or what it says of it cannot be; empty when it may be left out."""
    made, jobs = project.outputs.get(name), project.jobs.values()
    known = {record.sources[name] for record in jobs if name in record.sources} | ({made.sha256} if made else set())
    if not known and not name.endswith(WEIGHTS):
        return "is left out, but is no file that a record names"
    if known - {digest} or (made and size != str(made.size)):
        return f"is left out with sha256 {digest} and {size} bytes, but the records say otherwise"
    if made and made.size <= LARGEST and name in files_to_carry(jobs, project.profile):
        return "is left out, but a crate holds every file like it"
    return ""
