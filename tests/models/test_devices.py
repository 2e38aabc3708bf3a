"""Devices: the choice, the precision, and GPUs that parallel jobs of one machine never share."""

import os
import subprocess
import sys
import time

import pytest
import torch

from maccap.core.errors import EnvironmentProblem
from maccap.models.devices import claim_gpus, frozen_dtype, mixed_precision, pick_device, query_gpus
from tests.helpers import ROOT
from tests.helpers.files import refuses

# Claims, tells which GPUs it got, holds them until its input closes.
JOB = """
import os, sys
from maccap.models.devices import claim_gpus
claim_gpus(int(sys.argv[1]))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""
# The same, but it becomes another program after the claim.
EXEC = JOB.replace("sys.stdin.read()", 'os.execvp("cat", ["cat"])')


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose driver lists some GPUs; its locks lie in a folder of their own."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def install(*uuids: str, status: int = 0) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text("#!/bin/sh\n" + "".join(f"echo {uuid}\n" for uuid in uuids) + f"exit {status}\n")
        tool.chmod(0o755)

    return install


class Started:
    def __init__(self, count: int, script: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip

    def claimed(self) -> set[str]:
        return set(self.process.stdout.readline().strip().split(","))

    def waits(self, words: str) -> bool:
        return words in self.process.stderr.readline()

    def finish(self) -> str:
        return self.process.communicate("", timeout=30)[1]


@pytest.fixture
def start():
    """Starts a job that asks for this many GPUs; those that still run are finished after the test."""
    jobs = []

    def begin(count: int, script: str = JOB) -> Started:
        jobs.append(Started(count, script))
        return jobs[-1]

    yield begin
    for job in jobs:
        if job.process.poll() is None:
            job.finish()


def test_parallel_jobs_never_share_a_gpu(machine, start):
    machine("GPU-a", "GPU-b", "GPU-c")
    jobs = [start(1), start(1), start(1)]
    assert sorted(gpu for job in jobs for gpu in job.claimed()) == ["GPU-a", "GPU-b", "GPU-c"]


def test_a_job_waits_until_a_gpu_is_free_and_says_so(machine, start):
    machine("GPU-a")
    first = start(1)
    assert first.claimed() == {"GPU-a"}
    second = start(1)
    assert second.waits("waiting for 1 of 1 GPUs")
    time.sleep(1)
    assert second.process.poll() is None
    first.finish()
    assert second.claimed() == {"GPU-a"}


def test_a_killed_job_frees_its_gpu(machine, start):
    machine("GPU-a")
    first = start(1)
    first.claimed()
    first.process.kill()
    first.process.wait()
    second = start(1)
    assert second.claimed() == {"GPU-a"}
    assert "waiting" not in second.finish()


def test_the_claim_outlasts_exec(machine, start):
    machine("GPU-a", "GPU-b")
    launcher = start(1, EXEC)
    (taken,) = launcher.claimed()
    time.sleep(0.5)
    assert start(1).claimed() == {"GPU-a", "GPU-b"} - {taken}
    third = start(1)
    assert third.waits("waiting")
    launcher.finish()
    assert third.claimed() == {taken}


def test_jobs_with_several_gpus_do_not_block_each_other(machine, start):
    """Of three GPUs two jobs want two each: neither keeps one while it waits for another."""
    machine("GPU-a", "GPU-b", "GPU-c")
    first = start(2)
    got = first.claimed()
    second = start(2)
    assert second.waits("waiting for 2 of 3")
    assert start(1).claimed() == {"GPU-a", "GPU-b", "GPU-c"} - got
    first.finish()
    assert second.claimed() == got


@pytest.mark.parametrize(("count", "shown"), [(1, "5"), (0, "")], ids=["a choice stands", "none on the CPU"])
def test_gpus_that_were_chosen_already(machine, monkeypatch, count, shown):
    machine("GPU-a")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    claim_gpus(count)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == shown


def test_more_gpus_than_there_are_are_refused(machine, monkeypatch):
    machine("GPU-a", "GPU-b")
    refuses(lambda: claim_gpus(4), "`gpus` is 4 but this job can see 2", kind=EnvironmentProblem)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    refuses(lambda: claim_gpus(2), "`gpus` is 2 but this job can see 1", kind=EnvironmentProblem)


def test_a_machine_without_a_driver_has_no_gpus(machine, tmp_path, monkeypatch):
    machine(status=9)
    assert query_gpus("uuid") == []
    claim_gpus(1)
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
    (tmp_path / "nvidia-smi").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert query_gpus("uuid") == []


def test_zero_gpus_means_the_cpu_even_where_there_is_one(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device(0) == torch.device("cpu")
    assert pick_device(1) == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device(4) == torch.device("cuda", 3)
    assert capsys.readouterr().err == ""


def test_without_a_gpu_the_cpu_is_used_with_a_warning(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device(2) == torch.device("cpu")
    assert "gpus is 2 but no GPU is usable" in capsys.readouterr().err
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    refuses(lambda: pick_device(2), "this job sees no usable GPU", kind=EnvironmentProblem)
    assert pick_device(0) == torch.device("cpu")


@pytest.mark.parametrize(
    ("device", "bf16", "wanted", "name", "dtype"),
    [
        ("cpu", True, "auto", "no", torch.float32), ("cpu", True, "bf16", "bf16", torch.bfloat16),
        ("cpu", True, "fp16", "no", torch.float32), ("cuda", True, "auto", "bf16", torch.bfloat16),
        ("cuda", False, "auto", "fp16", torch.float16), ("cuda", True, "fp16", "fp16", torch.float16),
        ("cuda", True, "no", "no", torch.float32),
    ],
)  # fmt: skip
def test_precision(device, bf16, wanted, name, dtype, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16 or including_emulation)
    assert mixed_precision(torch.device(device), wanted) == name
    assert frozen_dtype(torch.device(device), wanted) == dtype
