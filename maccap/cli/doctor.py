"""`maccap doctor`: show what this machine has, what each profile needs, and what to do about the difference."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.project import CONFIG, check_name, default_profile, gone, profiles
from ..core.records import Records
from ..fetch.download import fill_mirror
from ..fetch.mirror import lacking
from ..fetch.registry import looks_like_a_path
from ..graph.estimate import ASSUMED, Estimate
from ..metrics.java import NO_PLACE, SPICE_VERSIONS, spice_folder, spice_has_place
from .costs import costs, download_size, gigabytes, job_hours
from .machine import Machine, examine

LOCK = Path("requirements.lock")
SPICE_MEMORY = 8_000_000_000  # bytes of Java's heap
SHOWN = 4  # differing packages


@dataclass(frozen=True)
class Check:
    """One thing that a profile needs: whether it is here, and if not, what to do."""

    good: bool
    text: str


def _needed(good: bool, what: str, advice: str) -> Check:
    return Check(good, what if good else f"{what}: {advice}")


def run(parsed: argparse.Namespace) -> int:
    """Print everything; 0 if the default profile can run here, else 1.

    Raises:
        EnvironmentProblem: the current folder is not the project's.
    """
    default = default_profile()
    machine = examine(LOCK)
    print("This machine")
    for name, text in about(machine, ask_torch=parsed.torch):
        print(f"  {name:<10}{text}")
    ready, records = False, Records()
    for name in profiles():
        checks = [*_basics(machine), *needs(name, machine, records)]
        good = all(check.good for check in checks)
        ready |= good and name == default
        mark, verdict = " (default)" if name == default else "", "can run" if good else "cannot run as it is"
        print(f"\nProfile {name}{mark}: {verdict}")
        for check in checks:
            print(f"  {'ok' if check.good else 'missing':<10}{check.text}")
    return 0 if ready else 1


def about(machine: Machine, *, ask_torch: bool = False) -> Iterator[tuple[str, str]]:
    """The machine in words, line by line."""
    yield "Python", machine.python
    yield "packages", ", ".join(f"{name} {version or '(none)'}" for name, version in machine.packages.matter.items())
    gpus = ", ".join(f"{name} ({gigabytes(memory)})" for name, memory in machine.gpus)
    yield "GPU", gpus or "none (no NVIDIA driver answers)"
    if ask_torch:
        import torch

        yield "torch", f"can use {torch.cuda.device_count()} GPUs" if torch.cuda.is_available() else "can use no GPU"
    memory = f"memory {gigabytes(machine.memory)}, {gigabytes(machine.memory_free)} of it free"
    yield "cores", f"{machine.cores}; {memory}; disk {gigabytes(machine.disk_free)} free here"
    fit = "and SPICE" if machine.java_version in SPICE_VERSIONS else "but not for SPICE (8 or 11)"
    version = f": version {machine.java_version}, fit for the metrics {fit}" if machine.java_version is not None else ""
    yield "Java", machine.java + version
    yield "downloads", f"from {machine.source}, which {machine.source_fault or 'answers'}"


def _basics(machine: Machine) -> Iterator[Check]:
    """What every profile needs."""
    major, minor = map(int, machine.python.split(".")[:2])
    if (major, minor) < (3, 11):
        yield Check(False, f"Python 3.11 or later, this is {machine.python}: make PYTHON=/path/to/python3.11 install")
    packages = machine.packages
    if packages.missing:
        yield Check(False, f"packages {', '.join(packages.missing)}: make install")
    elif packages.different:
        others = [f"{name} {here or '(none)'} (lock: {pin})" for name, (here, pin) in packages.different.items()]
        listed = ", ".join([*others[:SHOWN], *(["..."] if len(others) > SHOWN else [])])
        yield Check(True, f"packages, but numbers may differ with others than {LOCK}'s: {listed}")
    else:
        yield Check(True, f"all {packages.pinned} packages of {LOCK}")
    if machine.java_version is None:
        yield Check(False, f"Java for the caption metrics. {machine.java}")


def needs(name: str, machine: Machine, records: Records) -> list[Check]:
    """What one profile of `config/` needs beyond the basics, and whether it is here."""
    try:
        check_name(CONFIG.with_name(f"{name}.yaml"))
        needed = costs(name)
    except ConfigError as error:
        return [Check(False, str(error))]
    config, expected = needed.config, needed.expected
    checks = [*_models(config), *(Check(False, told) for told in gone(config))]
    checks += [Check(False, f"{key}, which you supply: {ask}") for key, ask in needed.to_ask.items()]
    if expected:
        checks.append(_gpus(config["gpus"], machine, expected))
        if needed.missing:
            what = f"{download_size(expected)} to download"
            advice = f"{machine.source} {machine.source_fault}; connect to the internet, or set MACCAP_MIRROR"
            asked = machine.mirrored and not machine.source_fault
            lack = lacking(machine.source, [needed.assets[name] for name in needed.missing]) if asked else []
            if lack:
                advice = f"{machine.source} lacks {len(lack)}. {fill_mirror(machine.source, ' '.join(lack))}"
            checks.append(_needed(not (machine.source_fault or lack), what, advice))
    elif Path("results", name, "files.sha256").is_file() and (hours := job_hours(name, records)):
        checks.append(Check(True, f"no GPU; its jobs took {hours:.1f} h one after another, by the records here"))
    checks.append(_needed(machine.disk_free >= needed.disk, f"{gigabytes(needed.disk)} of disk", "free some"))
    if "spice" in config:
        if machine.java_version not in SPICE_VERSIONS:
            advice = "put one first on PATH (conda: openjdk=11), or remove `spice` from the profile"
            checks.append(Check(False, f"Java 8 or 11 for SPICE: {advice}"))
        checks += [] if spice_has_place() else [Check(False, f"SPICE's jars in {spice_folder()}: {NO_PLACE}")]
        advice = "use a larger machine, or remove `spice` from the profile"
        what = f"{gigabytes(SPICE_MEMORY)} of memory for SPICE"
        checks.append(_needed(machine.memory >= SPICE_MEMORY, what, advice))
    return checks


def _models(config: dict[str, Any]) -> Iterator[Check]:
    for key in ("encoder", "language_model"):
        name = config[key]["name"]
        if Path(name).is_dir() or (key == "language_model" and Path(name).is_file()):
            yield Check(True, f"the {key.replace('_', ' ')} in {name}")
        elif looks_like_a_path(name):
            yield Check(False, f"the {key.replace('_', ' ')} in {name}: no such folder; correct `{key}.name`")


def _gpus(wanted: int, machine: Machine, expected: Estimate) -> Check:
    here = len(machine.gpus)
    hours = f"about {expected.gpu_seconds / 3600:,.0f} GPU hours (estimate, assuming {ASSUMED})"
    several = here if here > 1 else 4
    hours += f", on {several} GPUs {expected.wall_seconds(several) / 3600:,.0f} h"
    if wanted == 0:
        return Check(True, f"no GPU (`gpus` is 0), though it is {hours}")
    if here >= wanted:
        return Check(True, f"{wanted} of {here} GPUs for each job; {hours}")
    return Check(False, f"{wanted} GPU for each job, {here} here; {hours}: run it where there is one")
