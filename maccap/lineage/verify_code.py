"""The code behind the records: git's commit, what it holds, and the configuration that the results were made with."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

from ..core.artifacts import provenance_path
from ..core.dotted import leaves
from .snakemake_records import checksums
from .verify_project import Outcome, Project

COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
Source = tuple[str, str]  # commit, path
FROM_ELSEWHERE = ("download", "pack_images")  # steps whose parameters come from the registry


def code(project: Project) -> Outcome:
    """Every record names a commit that exists and was clean, and its sources are the commit's."""
    outcome = Outcome("code")
    wanted: dict[Source, set[str]] = {}  # the sha256 that records give
    for name, record in project.records.items():
        commit, dirty = str(record.code.get("commit")), record.code.get("dirty")
        if not COMMIT.fullmatch(commit):
            outcome.fault(provenance_path(name), "was made outside a git checkout: its code cannot be checked")
            continue
        if dirty is not False:
            outcome.fault(provenance_path(name), f"was made from a dirty tree: the code was not that of {commit[:10]}")
        wanted.setdefault((commit, ""), set())
        for path, digest in (checksums(project.root, name) | record.inputs).items():
            if path not in project.records and not _made(path):
                wanted.setdefault((commit, path), set()).add(digest)
    outcome.files = {path for _, path in wanted if path}
    try:
        held = _sha256_of_blobs(project.root, wanted)
    except (OSError, subprocess.CalledProcessError) as error:
        outcome.notes.append(f"the code is not checked: there is no git repository here ({error})")
        return outcome
    changed = set()
    for (commit, path), digests in wanted.items():
        if not path:
            if (commit, path) not in held:
                outcome.fault("git", f"there is no commit {commit}, which records name")
            continue
        if (commit, "") in held and digests != {held.get((commit, path))}:
            outcome.fault(path, f"the records speak of other bytes than commit {commit[:10]} has")
        if {project.sha256(path)} != digests:
            changed.add(path)
    if changed:
        outcome.notes.append(f"{len(changed)} source files have changed since, such as {min(changed)}")
    return outcome


def _made(path: str) -> bool:
    """Whether a path is that of an artifact, or is the user's own outside the project."""
    return path.split("/")[0] in ("artifacts", "results", "", "..")


def _sha256_of_blobs(root: Path, wanted: Iterable[Source]) -> dict[Source, str]:
    """sha256 of each file at its commit, in one call of git; of a commit itself (path "") that of its folder."""
    sources = list(wanted)
    asked = "".join(f"{commit}:{path}\n" for commit, path in sources)
    run = subprocess.run(
        ["git", "cat-file", "--batch"], cwd=root, input=asked.encode(), capture_output=True, check=True
    )
    held, out = {}, BytesIO(run.stdout)
    for source in sources:
        header = out.readline().strip()
        if not header.endswith(b" missing"):
            held[source] = hashlib.sha256(out.read(int(header.split()[-1]))).hexdigest()
            out.readline()
    return held


def config(project: Project) -> Outcome:
    """The configuration still has the values that the records name."""
    files = [Path("config/config.yaml"), Path(f"config/{project.profile}.yaml")]
    outcome = Outcome("config", set(map(str, files)))
    values: dict[str, Any] = {}
    for file in files:
        try:
            values |= leaves("", yaml.safe_load((project.root / file).read_text(encoding="utf-8")))
        except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
            outcome.fault(file, f"cannot be read ({error})")
            return outcome
    sections = {key.split(".")[0] for key in values}
    stale: dict[tuple[str, str], list[str]] = {}
    for name, record in project.records.items():
        step, _ = project.calls.get(record.command, ("", None))
        for key, value in record.parameters.items():
            from_config = key.split(".")[0] in sections
            if step not in FROM_ELSEWHERE and from_config and repr(values.get(key)) != repr(value):
                stale.setdefault((key, repr(value)), []).append(name)
    own = {str(about) for key, about in values.items() if re.fullmatch(r"answerers\..+\.language_model", key)}
    for (key, value), names in stale.items():
        if not (key == "language_model.name" and value in map(repr, own)):
            now = repr(values[key]) if key in values else "gone"
            outcome.fault(files[1], f"{key} is {now}, but {len(names)} files were made with {value}, as {names[0]}")
    return outcome
