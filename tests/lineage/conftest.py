"""The small project, made once; each test works in it or in a copy."""

import shutil
from pathlib import Path

import pytest

from maccap.core import records
from tests.helpers.checkout import commit_everything, copy_sources
from tests.helpers.small_project import configure, make_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The project, made by a commit of this package's sources in a repository of its own."""
    root = tmp_path_factory.mktemp("small") / "project"
    root.mkdir()
    copy_sources(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        configure()
        code = commit_everything(root)
        patch.setattr(records, "code_version", lambda: code)
        make_project()
    return root


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
