"""The small project that `finished` made; each test works in it or in a copy."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def project(finished, monkeypatch) -> Path:
    """The project as the current folder, to be left as it is."""
    monkeypatch.chdir(finished)
    return finished


@pytest.fixture
def copy(finished, tmp_path, monkeypatch) -> Path:
    """A copy to spoil, as the current folder."""
    shutil.copytree(finished, tmp_path / "copy", ignore=shutil.ignore_patterns("crate.zip"))
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"
