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
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.helpers.checkout import Checkout, make_checkout

pytestmark = pytest.mark.slurm
SCRIPT = Path(__file__).with_name("slurm.sh")
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")
RUN = ("snakemake", "--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5")
TRAINED = Path("artifacts/tiny/runs/daylight/maccap/s2401")
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
    profile["training"]["epochs"] = 40  # long enough for something to happen
    (checkout.folder / "config/tiny.yaml").write_text(yaml.safe_dump(profile, sort_keys=False))
    checkout.sync()
    checkout.commit()
    checkout.snakemake_run()
    return checkout


def results(checkout: Checkout) -> dict[str, bytes]:
    """The tables, the trained weights and the log of training."""
    files = [*(checkout.folder / "results/tiny/tables").iterdir(), *(checkout.folder / TRAINED).glob("[al]*[sl]")]
    return {path.name: path.read_bytes() for path in files if not path.name.endswith((".prov.json", ".tex"))}


def same(checkout: Checkout, plain: Checkout) -> None:
    assert results(checkout) == results(plain)
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
    """Snakemake in the background; what it says is in a file."""

    def __init__(self, checkout: Checkout, *arguments: str) -> None:
        self.checkout, self.log = checkout, checkout.folder.parent / "said.txt"
        with self.log.open("a") as said:
            self.process = subprocess.Popen(
                [*RUN, *arguments], cwd=checkout.folder, env=checkout.environment, stdout=said, stderr=said
            )

    def said(self) -> str:
        return self.log.read_text()

    def ends(self, code: int = 0) -> None:
        assert self.process.wait(PATIENCE * 2) == code, self.said()


def wait_for(happens: Callable[[], object], why: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, why()
        time.sleep(0.3)


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def training(checkout: Checkout, driver: Driver) -> str:
    """The number of the Slurm job that trains, once it has a state to resume from."""
    wait_for((checkout.folder / TRAINED.with_name("s2401.state.pt")).is_file, driver.said)
    jobs = slurm("squeue", "--noheader", "--states=RUNNING", "--format=%i %k").splitlines()
    (number,) = (job.split()[0] for job in jobs if "rule_train" in job)
    return number


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
    assert "Slurm ends this job" in kept.read_text()
    assert "resuming at step" in half.text("logs/tiny/train/daylight-maccap-2401.log")
    same(half, plain)


def test_a_node_that_goes_down_is_left(half, plain):
    driver = Driver(half)
    number = training(half, driver)
    node = slurm("squeue", "--noheader", f"--jobs={number}", "--format=%N")
    slurm("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    driver.ends()
    assert f"SLURM-job '{number}' failed due to a node failure" in driver.said()
    assert "resuming at step" in half.text("logs/tiny/train/daylight-maccap-2401.log")
    same(half, plain)


def test_a_time_limit_is_named_and_more_time_ends_it(half, plain):
    driver = Driver(half, "--retries", "0")
    slurm("scontrol", "update", f"jobid={training(half, driver)}", "timelimit=00:00:01")
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
    number = training(half, driver)
    driver.process.send_signal(signal.SIGKILL)
    driver.process.wait()
    half("snakemake", "--unlock")
    again = Driver(half)
    lock = half.folder / TRAINED.with_name("s2401.lock")
    assert f"Slurm job {number}," in lock.read_text()
    again.ends()
    same(half, plain)
