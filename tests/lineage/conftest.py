"""The small project that `finished` made; each test works in it, in a copy, or in a clone of its committed results."""

import shutil
import subprocess
from pathlib import Path

import pytest

from maccap.core.records import Records
from maccap.lineage.snakemake_private import snakemake_record
from tests.helpers import ROOT
from tests.helpers.checkout import Checkout
from tests.helpers.small_project import TABLES, list_everything, results


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


@pytest.fixture(scope="session")
def published(finished, tmp_path_factory) -> Path:
    """A copy whose results are committed, as `make publish` does it; Snakemake remembers one of its files."""
    root, ignored = tmp_path_factory.mktemp("published") / "project", shutil.ignore_patterns("crate.zip")
    shutil.copytree(finished, root, ignore=ignored)
    code = next(iter(Records(root).by_path.values())).code
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr("maccap.core.records.code_version", lambda: code)
        remembered = snakemake_record(TABLES["ablation"])
        remembered.parent.mkdir(parents=True)
        remembered.write_text("{}")
        list_everything(results())
    command = [
        "make", "--dry-run", "--no-print-directory", "--assume-old=install", f"--file={ROOT}/Makefile", "publish",
        "PROFILE=small",
    ]  # fmt: skip
    verify, add = subprocess.check_output(command, text=True).split("\n", 1)
    assert verify.endswith("verify --profile small")
    shutil.copyfile(ROOT / ".gitattributes", root / ".gitattributes")
    checkout = Checkout(root)
    checkout("sh", "-c", add)
    checkout("git", "add", ".gitattributes")
    checkout("git", "commit", "--quiet", "--message", "results")
    return root


@pytest.fixture
def fresh(published, tmp_path, monkeypatch) -> Path:
    """A clone, in which nothing has run, as the current folder."""
    Checkout(tmp_path)("git", "clone", "--quiet", str(published), "fresh")
    monkeypatch.chdir(tmp_path / "fresh")
    return tmp_path / "fresh"
