"""The whole miniature profile where much is set up in an odd way (`make test-environments`)."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from tests.helpers.checkout import Checkout, make_checkout

pytestmark = pytest.mark.environments
OTHER_DISK = Path("/dev/shm")


class OddCheckout(Checkout):
    """One whose commands run with other environment variables, and in processes that are prepared in another way."""

    variables: ClassVar[dict[str, str]] = {}
    prepare: Callable[[], object] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = super().environment | self.variables
        return {name: value for name, value in own.items() if not name.startswith(("LC_", "PYTHONUTF8"))} | {
            name: value for name, value in self.variables.items() if name.startswith("LC_")
        }

    def __call__(self, *command: str, fails: bool = False, folder: Path | None = None) -> str:
        run = subprocess.run(
            command, cwd=folder or self.folder, env=self.environment, text=True, encoding="utf-8", errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=self.prepare,
        )  # fmt: skip
        assert (run.returncode != 0) == fails, f"{' '.join(command)}: exit code {run.returncode}\n{run.stdout}"
        return run.stdout


def finished(checkout: OddCheckout) -> None:
    """Everything is made, nothing is left to do, and nothing is wrong with it."""
    checkout("snakemake", "--cores", "2")
    assert "Nothing to be done" in checkout("snakemake", "--dry-run")
    assert "all is as the records say" in checkout("python", "-m", "maccap", "verify")
    told = checkout(
        "python", "-m", "maccap", "trace", "results/tiny/tables/in_domain.md", "Daylight", "MacCap", "CIDEr"
    )
    assert told.startswith("Daylight, MacCap")


def odd(folder: Path) -> OddCheckout:
    return OddCheckout(make_checkout(folder).folder)


def test_an_odd_path_a_plain_locale_another_disk_and_files_for_nobody_else(tmp_path):
    checkout = odd(tmp_path / "Prüfung [1] & co, über's Jahr")
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
