"""The miniature profile through a real Slurm: whatever happens to its training, the results are the same.

Needs root, Slurm and its plugin: apt-get install slurm-wlm slurmdbd munge mariadb-server, and
pip install --requirement workflow/profiles/slurm/requirements.lock.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
import yaml

from tests.helpers import wait_for
from tests.helpers.checkout import Checkout, make_checkout

pytestmark = pytest.mark.slurm
SCRIPT = Path(__file__).with_name("slurm.sh")
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")
RUN = ("snakemake", "--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2")
TRAINED = Path("artifacts/tiny/runs/daylight/maccap/s2401")
STATE = TRAINED.with_name("s2401.state.pt")
PATIENCE = 240.0  # seconds for any one thing to happen


@pytest.fixture(scope="module")
def cluster():
    path = f"{os.environ['PATH']}:/usr/sbin"
    if missing := [name for name in PROGRAMS if not shutil.which(name, path=path)]:
        pytest.skip(f"no {missing[0]}: apt-get install slurm-wlm slurmdbd munge mariadb-server")
    if Path("/etc/slurm/slurm.conf").exists():
        pytest.skip("this machine has a Slurm of its own, /etc/slurm/slurm.conf: run the test elsewhere")
    if os.geteuid():
        pytest.skip("Slurm's daemons need root")
    if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
        pytest.skip("no plugin: pip install --requirement workflow/profiles/slurm/requirements.lock")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # pytest's own are root's alone, the daemons other users'
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        try:
            subprocess.run([SCRIPT, "up", folder], check=True)
            yield folder
        finally:
            subprocess.run([SCRIPT, "down", folder], check=True)
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def plain(cluster, tmp_path_factory) -> Checkout:
    """A checkout in which one machine has made everything."""
    checkout = make_checkout(tmp_path_factory.mktemp("plain") / "project")
    profile = yaml.safe_load(checkout.text("config/tiny.yaml"))
    profile["training"]["epochs"] = 12  # long enough for something to happen
    (checkout.folder / "config/tiny.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))
    checkout.sync()
    checkout.commit()
    checkout.snakemake_run()
    return checkout


def results(checkout: Checkout) -> dict[str, bytes]:
    files = [*(checkout.folder / "results/tiny/tables").iterdir(), *(checkout.folder / TRAINED).glob("[al]*[sl]")]
    return {path.name: path.read_bytes() for path in files if not path.name.endswith((".prov.json", ".tex"))}


def listed(checkout: Checkout) -> list[str]:
    """The files that the last job lists with their hashes."""
    return [line.split(maxsplit=1)[1] for line in checkout.text("results/tiny/files.sha256").splitlines()]


def same(checkout: Checkout, plain: Checkout) -> None:
    assert results(checkout) == results(plain)
    assert listed(checkout) == listed(plain)
    assert "records" in checkout("python", "-m", "maccap", "verify", "--profile", "tiny")
    assert not list(checkout.folder.rglob("s2401.lock"))
    assert not list(checkout.folder.rglob("s2401.state.pt"))


@pytest.fixture
def half(plain, tmp_path) -> Checkout:
    """A copy of it that has everything but the training and what comes after."""
    shutil.copytree(plain.folder, tmp_path / "project", symlinks=True)
    checkout = on_cluster(tmp_path / "project")
    shutil.rmtree(checkout.folder / TRAINED)
    return checkout


def on_cluster(folder: Path) -> Checkout:
    """A checkout whose commands find the plugin, wherever it is installed."""
    checkout, spec = Checkout(folder), importlib.util.find_spec("snakemake_executor_plugin_slurm")
    assert spec
    assert spec.origin
    checkout.variables["PYTHONPATH"] = f"{folder}:{Path(spec.origin).parents[1]}"
    return checkout


class Driver:
    """Snakemake in the background, until the test ends; what it says is in a file."""

    running: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, checkout: Checkout, *arguments: str) -> None:
        self.checkout, self.log = checkout, checkout.folder.parent / "said.txt"
        with self.log.open("a") as said:
            self.process = subprocess.Popen(
                [*RUN, *arguments], cwd=checkout.folder, env=checkout.environment, stdout=said, stderr=said
            )
        self.running.append(self.process)

    def said(self) -> str:
        return self.log.read_text()

    def ends(self, code: int = 0) -> None:
        assert self.process.wait(PATIENCE * 2) == code, self.said()


@pytest.fixture(autouse=True)
def nothing_runs_on():
    yield
    while Driver.running:
        process = Driver.running.pop()
        process.kill()
        process.wait()
    if shutil.which("scancel"):
        subprocess.run(["scancel", "--user=root"], check=False)


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def training(checkout: Checkout, driver: Driver) -> str:
    """The number of the Slurm job that trains, once it has a state to resume from."""
    wait_for((checkout.folder / STATE).is_file, driver.said)
    (number,) = training_jobs()
    return number


def training_jobs() -> list[str]:
    jobs = slurm("squeue", "--noheader", "--states=RUNNING,STOPPED", "--format=%i %k").splitlines()
    return [job.split()[0] for job in jobs if "rule_train" in job]


def state(checkout: Checkout) -> bytes:
    return (checkout.folder / STATE).read_bytes()


def test_everything_through_slurm_gives_the_same(plain, tmp_path):
    shutil.copytree(plain.folder, tmp_path / "project", symlinks=True)
    checkout = on_cluster(tmp_path / "project")
    for name in ("artifacts", "results", ".snakemake", "logs"):
        shutil.rmtree(checkout.folder / name)
    Driver(checkout).ends()
    same(checkout, plain)
    assert re.search(r"\d+ of \d+ jobs ran under Slurm", checkout("python", "-m", "maccap", "verify"))


def test_a_cancelled_training_is_noticed_and_goes_on(half, plain):
    driver = Driver(half)
    slurm("scancel", number := training(half, driver))
    driver.ends()
    assert f"'{number}' failed, SLURM status is: 'CANCELLED'" in driver.said()
    kept = half.folder / f"logs/tiny/train/daylight-maccap-2401.slurm-{number}.log"
    assert f"Slurm: job {number}" in kept.read_text()
    assert "resuming at step" in half.text("logs/tiny/train/daylight-maccap-2401.log")
    same(half, plain)


def test_a_node_that_dies_is_left(half, plain, cluster):
    driver = Driver(half)
    number = training(half, driver)
    node = slurm("squeue", "--noheader", f"--jobs={number}", "--format=%N")
    os.kill(int((cluster / f"slurmd-{node}.pid").read_text()), signal.SIGKILL)
    for process in on_node(number):
        os.kill(process, signal.SIGKILL)
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")  # known at once, not in a minute
    driver.ends()
    assert f"SLURM-job '{number}' failed due to a node failure" in driver.said()
    assert "resuming at step" in half.text("logs/tiny/train/daylight-maccap-2401.log")
    same(half, plain)
    subprocess.run([SCRIPT, "up", cluster], check=True)


def on_node(number: str) -> list[int]:
    """The processes of a Slurm job, Slurm's own first, which would tell of the others' end."""
    own = [path for path in Path("/proc").glob("[0-9]*") if holds(path / "cmdline", f"slurmstepd: [{number}.")]
    others = [path for path in Path("/proc").glob("[0-9]*") if holds(path / "environ", f"SLURM_JOB_ID={number}\0")]
    return [int(path.name) for path in (*own, *others)]


def holds(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:
        return False


def test_a_time_limit_is_named_and_more_time_ends_it(half, plain):
    driver = Driver(half, "--retries", "0")
    slurm("scancel", "--signal=STOP", number := training(half, driver))  # Slurm looks at limits twice a minute
    slurm("scontrol", "update", f"jobid={number}", "timelimit=00:00:01")
    driver.ends(1)
    assert "TIMEOUT: a job met its time limit" in driver.said()
    Driver(half).ends()
    same(half, plain)


def test_too_little_memory_is_named_and_asked_for_again(half, plain):
    driver = Driver(half, "--retries", "0", "--set-resources", "train:mem_mb=150")
    driver.ends(1)
    assert "OUT_OF_MEMORY: a job needed more memory" in driver.said()
    Driver(half, "--set-resources", "train:mem_mb=150 if attempt < 2 else 3000").ends()
    same(half, plain)


def test_two_trainings_after_a_kill_do_not_write_at_once(half, plain):
    driver = Driver(half)
    first = training(half, driver)
    driver.process.kill()
    driver.process.wait()
    slurm("scancel", "--signal=STOP", first)  # it keeps its lock, and does not end before the second starts
    before = state(half)
    half("snakemake", "--unlock")
    again = Driver(half)
    log = half.folder / "logs/tiny/train/daylight-maccap-2401.log"
    wait_for(lambda: log.is_file() and f"Slurm job {first}, process" in log.read_text(), again.said)
    assert len(training_jobs()) == 2
    assert state(half) == before
    slurm("scancel", "--signal=CONT", first)
    again.ends()
    assert f"'{first}'" not in again.said()
    same(half, plain)
