"""The whole miniature profile where much is set up in an odd way (`make test-environments`)."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.helpers import as_nobody
from tests.helpers.checkout import Checkout, make_checkout

pytestmark = pytest.mark.environments
OTHER_DISK = Path("/dev/shm")


def finished(checkout: Checkout) -> None:
    """Everything is made, nothing is left to do, and nothing is wrong with it."""
    checkout("snakemake", "--cores", "2")
    assert "Nothing to be done" in checkout("snakemake", "--dry-run")
    assert "all is as the records say" in checkout("python", "-m", "maccap", "verify")
    table = "results/tiny/tables/in_domain.md"
    told = checkout("python", "-m", "maccap", "trace", table, "Daylight", "MacCap", "CIDEr")
    assert told.startswith("Daylight, MacCap")


def test_an_odd_path_a_plain_locale_another_disk_and_files_for_nobody_else(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUTF8", raising=False)
    checkout = make_checkout(tmp_path / "Prüfung [1] & co, über's Jahr")
    home, scratch = tmp_path / "home", OTHER_DISK / f"maccap {os.getpid()}"
    home.mkdir(mode=0o500)
    scratch.mkdir()
    checkout.variables = {
        "LC_ALL": "C", "LANG": "C", "TZ": "Pacific/Chatham", "HOME": str(home), "TMPDIR": str(scratch),
        "XDG_CACHE_HOME": str(home / "cache"),
    }  # fmt: skip
    checkout.prepare = lambda: os.umask(0o077)
    try:
        finished(checkout)
    finally:
        shutil.rmtree(scratch)


@pytest.fixture
def of_nobody() -> Iterator[Path]:
    """A folder that another user reaches, unlike pytest's own."""
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_another_user_than_the_owner_of_the_environment_without_a_home(of_nobody, monkeypatch):
    for name in [name for name in os.environ if name.startswith("XDG_")]:
        monkeypatch.delenv(name)
    checkout = make_checkout(of_nobody / "work")
    checkout.before = as_nobody()
    checkout.variables = {"HOME": "/nonexistent"}
    for path in (checkout.folder, *checkout.folder.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    finished(checkout)
    (disk := of_nobody / "disk").mkdir()
    checkout.before = [*small_disk(disk), *checkout.before]
    checkout.variables |= {"TMPDIR": str(disk)}
    for command in (["verify"], ["step", "--again", "results/tiny/metrics/captions/daylight.jsonl.prov.json"]):
        said = checkout("python", "-m", "maccap", *command, fails=True)
        assert f"{disk}" in said, said
        assert "TMPDIR" in said, said
        assert said.count("\n") == 1, said
    for room in ("little", "none"):
        if room == "none":
            fill = f'head -c 1G /dev/zero > {shlex.quote(str(disk / "rest"))} 2> /dev/null; exec "$@"'
            checkout.before = [*checkout.before, "sh", "-c", fill, "sh"]
        for command in (["--dry-run"], ["--cores", "1", "--force", "results/tiny/tables/in_domain.json"]):
            said = checkout("snakemake", *command, fails=True)
            assert f"{disk}: is full; free space there, or set TMPDIR" in said, (room, command)


def small_disk(folder: Path) -> list[str]:
    """Words before a command for which alone a folder is a disk that is soon full; skips where that is impossible."""
    words = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o size=8k none {folder} && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("mounts a small disk: needs Linux, unshare (util-linux), and tests that run as root")
    return words
