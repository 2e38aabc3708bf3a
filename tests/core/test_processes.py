"""What a job gets beside others: cores that the system gives it, and the lock on its run."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from maccap.core import allocation, holding
from maccap.core.artifacts import atomic
from maccap.core.errors import EnvironmentProblem
from maccap.core.holding import ENDED, held, still_held
from tests.helpers import ROOT


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


def test_the_lock_lasts_as_long_as_its_owner_however_that_ends(tmp_path, holder):
    process = holder()
    with pytest.raises(EnvironmentProblem), held(tmp_path / "s1.lock", 0.2):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with held(tmp_path / "s1.lock", 5):
        assert (tmp_path / "s1.lock").exists()
    assert not (tmp_path / "s1.lock").exists()


def test_what_an_owner_puts_in_its_place_does_not_hold_the_lock(tmp_path, holder):
    process = holder("exec")
    with held(tmp_path / "s1.lock", 5):
        assert process.poll() is None
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


def test_what_a_job_left_that_died_while_it_removed_its_lock_is_named(tmp_path):
    (tmp_path / "s1.lock").write_text(ENDED)
    told = r"s1\.lock: left by a job that has ended; delete it"
    with pytest.raises(EnvironmentProblem, match=told), held(tmp_path / "s1.lock", 0.1):
        pass


def test_after_a_while_it_is_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(holding, "LEFT_AFTER", 0.1)
    (tmp_path / "s1.lock").write_text(ENDED)
    with held(tmp_path / "s1.lock", 5):
        assert f"process {os.getpid()} " in (tmp_path / "s1.lock").read_text()
    assert not (tmp_path / "s1.lock").exists()


def test_who_ends_does_not_remove_the_lock_of_another(tmp_path, holder):
    with held(tmp_path / "s1.lock", 0):
        (tmp_path / "s1.lock").unlink()
        second = holder()
    assert f"process {second.pid} " in (tmp_path / "s1.lock").read_text()


def test_a_lock_that_was_lost_is_told_and_left_to_who_has_it_now(tmp_path, holder):
    """As over NFS, when the server frees the lock of a machine that was out of reach."""
    lock = tmp_path / "s1.lock"
    with held(lock, 0):
        still_held()
        [own] = [fd for fd in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{fd}") == str(lock)]
        fcntl.flock(int(own), fcntl.LOCK_UN)
        second = holder()
        with pytest.raises(EnvironmentProblem, match=r"s1\.lock: the lock was lost .*; run again"):
            still_held()
    still_held()
    assert f"process {second.pid} " in lock.read_text()
    with pytest.raises(EnvironmentProblem, match=f"process {second.pid} "), held(lock, 0.1):
        pass


LOST = {
    "removed": lambda lock: lock.unlink(),
    "another's meanwhile": lambda lock: lock.write_text("process 5181 on another machine\n"),
}


def write_under(lock, out, lose, written):
    with held(lock, 0), atomic(out) as part:
        lose(lock)
        written(part)


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
@pytest.mark.parametrize("written", [lambda part: part.write_text("late"), Path.unlink], ids=["whole", "removed, too"])
def test_who_lost_the_lock_is_told_so_and_writes_nothing(tmp_path, lose, written):
    out = tmp_path / "adaptor.safetensors"
    out.write_text("of who has the lock now")
    with pytest.raises(EnvironmentProblem, match=r"s1\.lock: the lock was lost .*; run again"):
        write_under(tmp_path / "s1.lock", out, lose, written)
    assert out.read_text() == "of who has the lock now"
    assert {path.name for path in tmp_path.iterdir()} <= {"adaptor.safetensors", "s1.lock"}


@pytest.mark.parametrize("call", ["ftruncate", "pread"])
def test_a_lock_file_that_the_disk_refuses_is_named(tmp_path, monkeypatch, call):
    monkeypatch.setattr(os, call, lambda *_: throw(OSError(errno.EIO, os.strerror(errno.EIO))))
    with pytest.raises(OSError, match=r"s1\.lock"), held(tmp_path / "s1.lock", 0):
        pass


def without_locks(number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    return flock


def test_a_machine_that_has_no_lock_now_takes_none(tmp_path, holder, monkeypatch):
    owner = holder()
    monkeypatch.setattr(fcntl, "flock", without_locks(errno.ENOLCK))
    told = r"s1\.lock: this machine has no lock .*rpc\.statd"
    with pytest.raises(EnvironmentProblem, match=told), held(tmp_path / "s1.lock", 5):
        pass
    assert f"process {owner.pid} " in (tmp_path / "s1.lock").read_text()


def test_where_there_are_no_locks_a_job_goes_on_and_leaves_the_name_of_another(tmp_path, holder, monkeypatch, capsys):
    owner = holder()
    monkeypatch.setattr(fcntl, "flock", without_locks(errno.ENOSYS))
    with held(tmp_path / "s1.lock", 5):
        still_held()
    assert "no locks here (Function not implemented); never run this job twice" in capsys.readouterr().err
    assert f"process {owner.pid} " in (tmp_path / "s1.lock").read_text()
    with held(tmp_path / "s2.lock", 5):
        assert f"process {os.getpid()} " in (tmp_path / "s2.lock").read_text()
    assert not (tmp_path / "s2.lock").exists()


@pytest.mark.parametrize("call", ["open", "ftruncate", "fsync", "fstat"])
def test_a_file_that_another_machine_removed_meanwhile_is_made_anew(tmp_path, monkeypatch, call):
    real, stale = getattr(os, call), [OSError(errno.ESTALE, os.strerror(errno.ESTALE))]
    monkeypatch.setattr(os, call, lambda *args: real(*args) if not stale else throw(stale.pop()))
    with held(tmp_path / "s1.lock", 5):
        assert not stale
    assert not (tmp_path / "s1.lock").exists()


def throw(error):
    raise error


FELLOW = """
import os, sys, time
if sys.argv[1] == "launcher":
    import subprocess
    subprocess.run([sys.executable, "-c", os.environ["FELLOW"], "fellow"])
else:
    from maccap.core.holding import end_with_parent
    end_with_parent(os.getppid())
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


def test_a_fellow_process_ends_with_its_launcher():
    launcher = subprocess.Popen(
        [sys.executable, "-c", FELLOW, "launcher"], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"FELLOW": FELLOW},
    )  # fmt: skip
    fellow = psutil.Process(int(launcher.stdout.readline()))
    launcher.kill()
    launcher.wait()
    launcher.stdout.close()
    psutil.wait_procs([fellow], timeout=10)
    assert not fellow.is_running() or fellow.status() == psutil.STATUS_ZOMBIE


TAKING_TURNS = """
import os, sys
from pathlib import Path
from maccap.core import holding
def refuse(*_, **__):
    raise OSError(28, "No space left on device")
if sys.argv[2] == "full":
    Path.write_text = refuse
holding.POLL_SECONDS = 0
inside = Path(sys.argv[1], "inside")
for _ in range(300):
    with holding.held(Path(sys.argv[1], "s1.lock"), 60):
        os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
        inside.unlink()
"""


@pytest.mark.parametrize("disk", ["free", "full"])
def test_one_at_a_time_holds_a_lock_also_where_a_full_disk_takes_no_mark(tmp_path, disk):
    command = [sys.executable, "-c", TAKING_TURNS, str(tmp_path), disk]
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]


def test_a_full_disk_keeps_nobody_from_a_lock_whose_owner_it_has_no_room_to_name(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", refuse)
    with held(tmp_path / "s1.lock"):
        told = r"s1\.lock: another process works on the same run"
        with pytest.raises(EnvironmentProblem, match=told), held(tmp_path / "s1.lock", 0.1):
            pass
    assert not (tmp_path / "s1.lock").exists()
