"""`maccap dvc`: keep DVC and Snakemake in agreement."""

import argparse
import subprocess
import sys
from pathlib import Path

import yaml

from ..core.artifacts import sha256, write_text
from ..core.errors import ConfigError, DataError, EnvironmentProblem
from ..core.project import default_profile, making, pipeline_file
from ..core.records import read_record
from ..graph.pipeline import check_file, decided_by, decisions, render
from ..graph.snakemake_graph import Graph, read_graph


def run(parsed: argparse.Namespace) -> None:
    """Run the parsed command."""
    profile = parsed.profile or default_profile()
    if parsed.action == "record":
        record(profile)
    else:
        act = check if parsed.check else sync
        act(read_graph(profile), profile)


def sync(graph: Graph, profile: str) -> None:
    """Write the pipeline file of a profile."""
    file = pipeline_file(profile)
    write_text(file, render(graph, profile))
    print(f"{file}: {len(graph.jobs)} jobs")


def check(graph: Graph, profile: str) -> None:
    """Compare the pipeline file with the graph, and note on disk that they match.

    Raises:
        ConfigError: they differ.
    """
    file, expected = pipeline_file(profile), render(graph, profile)
    found = file.read_text(encoding="utf-8") if file.is_file() else ""
    if found != expected:
        old, new = ((yaml.safe_load(text) or {}).get("stages", {}) for text in (found, expected))
        changed = [name for name in {**new, **old} if old.get(name) != new.get(name)] or ["not a stage"]
        names = ", ".join(changed[:5]) + (", ..." if len(changed) > 5 else "")
        other = "" if profile == default_profile() else f" --profile {profile}"
        raise ConfigError(f"{file}: does not match the Snakemake graph ({names}); run `maccap dvc sync{other}`")
    for name, text in decisions(graph).items():
        write_text(f"{decided_by(profile)}/{name}", text)
    write_text(check_file(profile), f"the pipeline of profile {profile} matches the Snakemake graph\n")


def record(profile: str) -> None:
    """Write the lock files for what Snakemake made, and put it into DVC's cache.

    Raises:
        ConfigError: the pipeline file does not match the graph.
        DataError: a job is stale or unknown to Snakemake, or an output is not the file that its record speaks of.
        EnvironmentProblem: DVC fails.
    """
    graph = read_graph(profile, stale=True)
    check(graph, profile)
    if stale := [job.outputs[0] for job in graph.jobs if job.stale]:
        raise DataError(f"{stale[0]}: stale ({len(stale)} jobs in all); run `{making(profile)}`, then record")
    for job in graph.jobs:
        if not all(Path(path).exists() for path in job.records):
            raise DataError(
                f"{job.outputs[0]}: its job ended without Snakemake, which does not know of it; delete it, run "
                f"`{making(profile)}`, record"
            )
        for output, made in read_record(job.provenance).outputs.items():
            if made.sha256 != sha256(output):
                raise DataError(f"{output}: changed since its job wrote it; delete it, run `{making(profile)}`, record")
    file = pipeline_file(profile)
    dvc = [sys.executable, "-m", "dvc", "commit", "--force", "--quiet"]
    if subprocess.run([*dvc, str(file)], check=False).returncode:
        raise EnvironmentProblem(f"{file}: `dvc commit` failed; its message is above")
    print(f"{len(graph.jobs)} jobs recorded in {file.with_name('dvc.lock')}")
