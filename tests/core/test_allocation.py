"""Cores of a job against what the system gives a process."""

import os

import pytest

from maccap.core import allocation


@pytest.fixture(autouse=True)
def _asked_anew():
    allocation.cores.cache_clear()
    yield
    allocation.cores.cache_clear()


def test_cores_are_those_that_the_process_is_bound_to(monkeypatch):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert allocation.cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/job/step", {"job/cpu.max": "150000 100000", "job/step/cpu.max": "max 100000"}, 2),
        ("0::/job", {"job/cpu.max": "max 100000"}, 16),
        ("4:cpu,cpuacct:/job", {"cpu/job/cpu.cfs_quota_us": "300000", "cpu/job/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu:/job", {"cpu/job/cpu.cfs_quota_us": "-1", "cpu/job/cpu.cfs_period_us": "100000"}, 16),
    ],
    ids=["version 2, above", "version 2, none", "version 1", "version 1, none"],
)
def test_a_cgroup_may_allow_fewer(monkeypatch, tmp_path, line, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text(line + "\n")
    monkeypatch.setattr(allocation, "CGROUPS", tmp_path)
    monkeypatch.setattr(allocation, "OWN", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert allocation.cores() == expected
