"""What of the world is in git, so that a clone can audit it."""

import subprocess

import pytest

from tests.helpers import ROOT

LIMIT = 15_000_000  # bytes


def test_the_worlds_results_in_git_are_small_and_leave_out_features_and_weights():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "artifacts", "results"], cwd=ROOT, capture_output=True, check=False
    )
    names = [name for name in listed.stdout.decode().split("\0") if name.startswith(("artifacts/w", "results/w"))]
    if not names:
        pytest.skip("not a git checkout with results/world; clone the repository")
    assert sum((ROOT / name).stat().st_size for name in names if (ROOT / name).exists()) <= LIMIT
    assert not [name for name in names if name.endswith((".safetensors", ".zip"))]
