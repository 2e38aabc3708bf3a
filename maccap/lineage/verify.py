"""`maccap verify`: is every file and number of a profile what its records say?"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ..core.errors import DataError
from ..core.project import config_files, default_profile
from . import verify_checkout, verify_crate, verify_files
from .crate_files import LIST, METADATA
from .verify_numbers import RunJobs, numbers, rerun
from .verify_project import Outcome, Project

# What each check is responsible for is in its docstring; `metrics` and `tables` (verify_numbers) take longest.
EVERYWHERE: tuple[Callable[[Project], Outcome], ...] = (
    verify_files.artifacts, verify_files.inputs, verify_files.records, verify_files.manifest,
)  # fmt: skip
IN_CHECKOUTS: tuple[Callable[[Project], Outcome], ...] = (
    verify_checkout.code, verify_checkout.config, verify_checkout.dvc_lock,
)  # fmt: skip


def run(parsed: argparse.Namespace, run_jobs: RunJobs) -> int:
    """Verify and print; 0 when all is well, else 1. `run_jobs` runs jobs of a step; other processes get it, too.

    Raises:
        DataError: there is nothing to verify.
        EnvironmentProblem: there is no Java to compute metrics with.
    """
    with opened(parsed.place, parsed.profile) as project:
        outcomes = verify(project, run_jobs)
        if parsed.rerun:
            outcomes.append(rerun(project, run_jobs, parsed.rerun, parsed.seed))
        print(_as_json(project, outcomes) if parsed.json else _as_text(project, outcomes))
    return int(any(outcome.findings for outcome in outcomes))


@contextmanager
def opened(place: Path, profile: str | None = None) -> Iterator[Project]:
    """The finished profile in a checkout, or in a crate: a folder, or a zip, which is unpacked for the time being.

    Raises:
        DataError: there are no records of the profile; or the crate is damaged or would write elsewhere.
        ConfigError: there is no such profile.
    """
    with tempfile.TemporaryDirectory() as folder:
        root, crate = place, (place / LIST).is_file() and (place / METADATA).is_file()
        if place.is_file():
            from ..data.archives import unpack

            root, crate = Path(folder), True
            unpack(place, root, ["*"])
        profile = profile or (_profile_of_crate(root, place) if crate else default_profile(root))
        project = Project(root, profile, checkout=not crate)
        if not project.jobs and not project.damaged:
            if project.checkout:
                config_files(profile, root)
            raise DataError(f"{place}: no records of profile {profile}; run `{project.command}` first")
        yield project


def _profile_of_crate(root: Path, place: Path) -> str:
    """The only one that has results."""
    found = sorted(path.name for path in root.glob("results/*") if path.is_dir())
    if len(found) != 1:
        raise DataError(f"{place}: has the results of {len(found)} profiles; name one with --profile")
    return found[0]


def verify(project: Project, run_jobs: RunJobs) -> list[Outcome]:
    """Every check; the numbers are made again beside the others."""
    waiting = ThreadPoolExecutor(1).submit(quick, project)
    made = numbers(project, run_jobs)
    return [*waiting.result(), *made]


def quick(project: Project) -> list[Outcome]:
    """The checks that compute no metric."""
    outcomes = [check(project) for check in EVERYWHERE]
    if project.checkout:
        return outcomes + [check(project) for check in IN_CHECKOUTS]
    skipped = [Outcome(check.__name__, notes=["skipped: a crate has no repository"]) for check in IN_CHECKOUTS]
    return [*outcomes, verify_crate.crate(project), *skipped]


def _as_json(project: Project, outcomes: list[Outcome]) -> str:
    checks = [
        {"check": o.check, "files": len(o.files), "findings": len(o.findings), "notes": o.notes} for o in outcomes
    ]
    findings = [asdict(finding) for outcome in outcomes for finding in outcome.findings]
    whole = {"profile": project.profile, "checks": checks, "findings": findings}
    return json.dumps(whole, indent=1, ensure_ascii=False)


def _as_text(project: Project, outcomes: list[Outcome]) -> str:
    from tabulate import tabulate

    findings = [f"{f.file}: {f.problem} [{f.check}]" for outcome in outcomes for f in outcome.findings]
    notes = [f"{outcome.check}: {note}" for outcome in outcomes for note in outcome.notes]
    rows = [[outcome.check, len(outcome.files), len(outcome.findings)] for outcome in outcomes]
    table = tabulate(rows, headers=["check", "files", "findings"], tablefmt="github")
    verdict = f"{len(findings)} findings" if findings else "all is as the records say"
    named = [*findings, ""] if findings else []
    return "\n".join([*named, *notes, "", table, "", f"profile {project.profile}: {verdict}"])
