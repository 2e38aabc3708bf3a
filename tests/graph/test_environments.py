"""The whole miniature profile where much is set up in an odd way (`make test-environments`)."""

import os
import shutil
from pathlib import Path

import pytest

from tests.helpers.checkout import Checkout, make_checkout

pytestmark = pytest.mark.environments
OTHER_DISK = Path("/dev/shm")


def finished(checkout: Checkout) -> None:
    """Everything is made, nothing is left to do, and nothing is wrong with it."""
    checkout("snakemake", "--cores", "2")
    assert "Nothing to be done" in checkout("snakemake", "--dry-run")
    assert "all is as the records say" in checkout("python", "-m", "maccap", "verify")
    told = checkout(
        "python", "-m", "maccap", "trace", "results/tiny/tables/in_domain.md", "Daylight", "MacCap", "CIDEr"
    )
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
