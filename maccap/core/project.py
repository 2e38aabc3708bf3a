"""The project's folder: its profiles and which of them is the default."""

from __future__ import annotations

from pathlib import Path

import yaml

from .errors import EnvironmentProblem

CONFIG = Path("config/config.yaml")


def default_profile() -> str:
    """The profile of a plain `snakemake` call.

    Raises:
        EnvironmentProblem: the current folder is not the project's.
    """
    if not (CONFIG.is_file() and Path("Snakefile").is_file()):
        raise EnvironmentProblem("no Snakefile and config/config.yaml here; change to the project's folder")
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["profile"]


def profiles() -> list[str]:
    """Every profile in `config/`, the default one first."""
    first = default_profile()
    others = sorted(path.stem for path in CONFIG.parent.glob("*.yaml") if path != CONFIG)
    return [first, *(name for name in others if name != first)]
