"""`maccap dvc sync` and `maccap dvc record`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import Any

import yaml

from ..core.artifacts import provenance_path, read_json, sha256, write_text
from ..core.errors import ConfigError, DataError, EnvironmentProblem
from ..core.project import default_profile, profiles
from ..graph.pipeline import check_file, pipeline_file, pipeline_files, render
from ..graph.snakemake_graph import Graph, read_graph


def add_parser(commands: Any) -> None:
    """Add `dvc` with its two commands to the command line's subparsers."""
    dvc = commands.add_parser("dvc", help="keep DVC and Snakemake in agreement")
    actions = dvc.add_subparsers(dest="action", required=True, metavar="ACTION")
    sync = actions.add_parser("sync", help="write dvc.yaml from the Snakemake graph")
    sync.add_argument("--check", action="store_true", help="write nothing; fail when the file does not match the graph")
    sync.add_argument("--profile", help="this profile only (default: every profile in config/)")
    record = actions.add_parser("record", help="tell DVC what `snakemake` made; refuses while anything is stale")
    record.add_argument("--profile", help="default: the one that config/config.yaml names")


def run(parsed: argparse.Namespace) -> None:
    """Run the parsed command."""
    default = default_profile()
    if parsed.action == "record":
        record(parsed.profile or default, default)
        return
    for profile in [parsed.profile] if parsed.profile else profiles():
        (check if parsed.check else sync)(read_graph(profile), profile, default)


def sync(graph: Graph, profile: str, default: str) -> None:
    """Write the pipeline files of a profile, and remove those that have no stage any more."""
    texts = render(graph, profile, default)
    for file, text in texts.items():
        write_text(file, text)
    for file in set(pipeline_files(profile, default)) - set(texts):
        file.unlink()
        file.with_name("dvc.lock").unlink(missing_ok=True)
    print(f"{pipeline_file(profile, default)}: {len(graph.jobs)} jobs")


def check(graph: Graph, profile: str, default: str) -> None:
    """Compare the pipeline files with the graph, and note on disk that they match.

    Raises:
        ConfigError: they differ.
    """
    texts = render(graph, profile, default)
    there = {file: file.read_text(encoding="utf-8") for file in pipeline_files(profile, default)}
    for file in sorted(texts | there):
        if (found := there.get(file, "")) != (expected := texts.get(file, "")):
            old, new = ((yaml.safe_load(text) or {}).get("stages", {}) for text in (found, expected))
            changed = [name for name in {**new, **old} if old.get(name) != new.get(name)] or ["not a stage"]
            names = ", ".join(changed[:5]) + (", ..." if len(changed) > 5 else "")
            raise ConfigError(f"{file}: does not match the Snakemake graph ({names}); run `maccap dvc sync`")
    write_text(check_file(profile), f"the pipeline of profile {profile} matches the Snakemake graph\n")


def record(profile: str, default: str) -> None:
    """Write the lock files for what Snakemake made, and put it into DVC's cache.

    Raises:
        ConfigError: the pipeline file does not match the graph.
        DataError: a job is stale, or an output is not the file that its provenance record speaks of.
        EnvironmentProblem: DVC fails.
    """
    graph = read_graph(profile, stale=True)
    check(graph, profile, default)
    if stale := [job.outputs[0] for job in graph.jobs if job.stale]:
        raise DataError(f"{stale[0]}: stale ({len(stale)} jobs in all); run `snakemake --cores all`, then record")
    for output in (path for job in graph.jobs for path in job.outputs):
        if read_json(provenance_path(output))["sha256"] != sha256(output):
            raise DataError(f"{output}: changed since its job wrote it; delete it, run `snakemake --cores all`, record")
    last = pipeline_file(profile, default)
    dvc = [sys.executable, "-m", "dvc", "commit", "--force", "--quiet", "--recursive"]
    if subprocess.run([*dvc, str(last.parent / "stages"), str(last)], check=False).returncode:
        raise EnvironmentProblem(f"{last}: `dvc commit` failed; its message is above")
    print(f"{len(graph.jobs)} jobs recorded in {last.with_name('dvc.lock')} and {last.parent / 'stages'}")
