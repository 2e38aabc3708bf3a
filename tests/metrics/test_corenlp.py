"""The step that lays out Stanford CoreNLP for SPICE."""

import os
import zipfile
from pathlib import Path

import pytest

from maccap.core.errors import EnvironmentProblem
from maccap.core.job import Job
from maccap.metrics import java
from maccap.steps import corenlp

JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


@pytest.fixture
def job(tmp_path) -> Job:
    archive = tmp_path / "corenlp.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in (*JARS, "other.jar"):
            zipped.writestr(f"stanford-corenlp-full-2015-12-09/{name}", name)
    return Job({"archive": [archive]}, [tmp_path / "spice" / name for name in JARS])


def use_java(monkeypatch, folder: Path, version: str) -> None:
    """A `java` that only tells its version."""
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(java, "ensure_java", lambda: str(program))


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22"])
def test_only_the_two_jars_are_left(job, tmp_path, monkeypatch, version):
    use_java(monkeypatch, tmp_path, version)
    corenlp.run(job)
    assert [path.read_text() for path in job.outputs] == list(JARS)
    assert sorted(path.name for path in (tmp_path / "spice").iterdir()) == sorted(JARS)


def test_a_java_that_spice_cannot_use_is_named_before_anything_is_unpacked(job, tmp_path, monkeypatch):
    use_java(monkeypatch, tmp_path, "17.0.9")
    with pytest.raises(EnvironmentProblem, match=r"SPICE runs on Java 8 or 11, and `java` here is 17"):
        corenlp.run(job)
    assert not (tmp_path / "spice").exists()


def test_an_environment_of_another_user_is_named_before_anything_is_unpacked(job, tmp_path, monkeypatch):
    use_java(monkeypatch, tmp_path, "11.0.22")
    monkeypatch.setattr(java, "spice_folder", lambda: tmp_path / "lib")
    monkeypatch.setattr(os, "access", lambda place, mode: (place, mode) != (tmp_path / "lib", os.W_OK))
    with pytest.raises(EnvironmentProblem, match=r"lib: you may not write there"):
        corenlp.run(job)
    assert not (tmp_path / "spice").exists()
    (tmp_path / "lib").mkdir()
    for name in JARS:
        (tmp_path / "lib" / name).touch()
    corenlp.run(job)
