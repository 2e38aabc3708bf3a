"""A lock on a run against processes that hold it, leave it, and are killed."""

import os
import signal
import subprocess
import sys

import pytest

from maccap.core.errors import EnvironmentProblem
from maccap.core.holding import held
from tests.helpers import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from maccap.core.holding import held
with held(Path(sys.argv[1]), 5):
    print("held", flush=True)
    if len(sys.argv) > 2:
        import os
        os.execv("/bin/sleep", ["sleep", "60"])
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Starts a process that holds the lock."""
    started = []

    def start(*arguments: str, **variables: str) -> subprocess.Popen:
        command = [sys.executable, "-c", HOLDER, str(tmp_path / "s1.lock"), *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **variables}
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_job_is_told_who_works_on_the_run(tmp_path, holder):
    holder(SLURM_JOB_ID="17")
    told = r"s1\.lock: Slurm job 17, process \d+ on .* works on the same run"
    with pytest.raises(EnvironmentProblem, match=told), held(tmp_path / "s1.lock", 0.2):
        pass


@pytest.mark.parametrize("arguments", [(), ("exec",)], ids=["itself", "what it put in its place"])
def test_the_lock_lasts_as_long_as_its_owner_however_that_ends(tmp_path, holder, arguments):
    process = holder(*arguments)
    with pytest.raises(EnvironmentProblem), held(tmp_path / "s1.lock", 0.2):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with held(tmp_path / "s1.lock", 5):
        assert (tmp_path / "s1.lock").exists()
    assert not (tmp_path / "s1.lock").exists()


def test_who_waits_goes_on_when_the_owner_is_done(tmp_path):
    with held(tmp_path / "s1.lock", 0):
        waiting = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path / "s1.lock")], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
    assert waiting.stdout.readline() == "held\n"
    waiting.kill()
    waiting.wait()
    waiting.stdout.close()
