"""What tests share: where the project and the reference data lie, small models, servers, checkouts."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"  # reference data beside the checkout, where there is one


def as_nobody() -> list[str]:
    """Words before a command that make it another user's, who may read all, but write only what is its own.

    Skips the test where the system cannot do so.
    """
    if not shutil.which("setpriv") or os.geteuid():
        pytest.skip("becomes another user: needs Linux, setpriv (util-linux), and tests that run as root")
    may_read = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *may_read]


def wait_for(happens: Callable[[], object], why: Callable[[], str] = str) -> None:
    """Wait until something is so; after five minutes fail, and say why."""
    deadline = time.monotonic() + 300
    while not happens():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)
