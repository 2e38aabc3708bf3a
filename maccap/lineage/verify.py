"""`maccap verify`: is every number of a profile what its past says?"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from ..core.errors import DataError
from . import verify_code, verify_crate, verify_drivers, verify_files
from .verify_numbers import numbers
from .verify_project import Outcome, Project

# What each check is responsible for is in its docstring; `metrics` and `tables` (verify_numbers) take longest.
EVERYWHERE: tuple[Callable[[Project], Outcome], ...] = (
    verify_files.artifacts, verify_files.inputs, verify_files.records, verify_files.manifest,
)  # fmt: skip
IN_CHECKOUTS: tuple[Callable[[Project], Outcome], ...] = (
    verify_code.code, verify_code.config, verify_drivers.snakemake, verify_drivers.dvc_lock,
)  # fmt: skip


def add_parser(commands: Any) -> None:
    """Add `verify` to the command line's subparsers."""
    verify = commands.add_parser("verify", help="check that every number is what its past says")
    verify.add_argument(
        "place", nargs="?", type=Path, default=Path(), metavar="ROOT|CRATE.zip", help="default: this folder"
    )
    verify.add_argument("--profile", help="default: the one of config/config.yaml, or of the crate")
    verify.add_argument("--rerun", type=int, default=0, metavar="N", help="also run N jobs again and compare")
    verify.add_argument("--seed", type=int, default=0, help="draws the jobs to rerun (default: %(default)s)")
    verify.add_argument("--json", action="store_true", help="print JSON")


def run(parsed: argparse.Namespace) -> int:
    """Verify and print; 0 when all is well, else 1.

    Raises:
        DataError: there is nothing to verify.
        EnvironmentProblem: there is no Java to compute metrics with.
    """
    with opened(parsed.place, parsed.profile) as project:
        outcomes = verify(project)
        if parsed.rerun:
            from .verify_rerun import rerun

            outcomes.append(rerun(project, parsed.rerun, parsed.seed))
        print(_as_json(project, outcomes) if parsed.json else _as_text(project, outcomes))
    return int(any(outcome.findings for outcome in outcomes))


@contextmanager
def opened(place: Path, profile: str | None = None) -> Iterator[Project]:
    """The finished profile in a checkout, or in a crate, which is unpacked for the time being.

    Raises:
        DataError: there are no records of the profile; or the crate is damaged or would write elsewhere.
    """
    if place.is_file():
        from ..data.unpacking import unpack

        with tempfile.TemporaryDirectory() as folder:
            unpack(place, folder, ["*"])
            yield _project(Path(folder), profile or _only_profile(Path(folder), place), place, checkout=False)
    else:
        yield _project(place, profile or _default_profile(place), place, checkout=True)


def _project(root: Path, profile: str, place: Path, checkout: bool) -> Project:
    project = Project(root, profile, checkout)
    if not project.records and not project.damaged:
        raise DataError(f"{place}: no records of profile {profile}; run `snakemake --cores all` first")
    return project


def _default_profile(root: Path) -> str:
    path = root / "config/config.yaml"
    if not path.is_file():
        raise DataError(f"{path}: no such file; name the project's folder or a crate")
    try:
        return str(yaml.safe_load(path.read_text(encoding="utf-8"))["profile"])
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise DataError(f"{path}: names no profile ({error}); restore it, or give --profile") from error


def _only_profile(root: Path, place: Path) -> str:
    found = sorted(path.name for path in root.glob("results/*") if path.is_dir())
    if len(found) != 1:
        raise DataError(f"{place}: has the results of {len(found)} profiles; name one with --profile")
    return found[0]


def verify(project: Project) -> list[Outcome]:
    """Every check; the numbers are made again beside the others."""
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(numbers, project)
        return [*quick(project), *waiting.result()]


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
    return json.dumps(
        {"profile": project.profile, "checks": checks, "findings": findings}, indent=1, ensure_ascii=False
    )


def _as_text(project: Project, outcomes: list[Outcome]) -> str:
    from tabulate import tabulate

    findings = [f"{f.file}: {f.problem} [{f.check}]" for outcome in outcomes for f in outcome.findings]
    notes = [f"{outcome.check}: {note}" for outcome in outcomes for note in outcome.notes]
    rows = [[outcome.check, len(outcome.files), len(outcome.findings)] for outcome in outcomes]
    table = tabulate(rows, headers=["check", "files", "findings"], tablefmt="github")
    verdict = f"{len(findings)} findings" if findings else "all is as its past says"
    return "\n".join(
        [*findings, *[""] * bool(findings), *notes, "", table, "", f"profile {project.profile}: {verdict}"]
    )
