import gc
import subprocess
import sys

import pytest

from maccap.steps.runner import run_step

COUNTS = """
import gc, sys
from maccap.steps import runner
collections = []
gc.callbacks.append(lambda phase, about: collections.append(about["generation"]))
runner.step_module("train", {"language_model": []})
assert "transformers.modeling_utils" in sys.modules
print(len(collections), gc.get_freeze_count(), gc.isenabled())
"""


def test_what_a_job_imports_is_never_looked_through_for_garbage():
    done = subprocess.run([sys.executable, "-c", COUNTS], capture_output=True, text=True, check=True)
    collections, left_out, enabled = done.stdout.split()
    assert (collections, enabled) == ("0", "True")
    assert int(left_out) > 100_000


def test_a_step_that_cannot_be_imported_leaves_the_collector_on():
    with pytest.raises(ModuleNotFoundError):
        run_step("no_such_step", {}, [], {}, [])
    assert gc.isenabled()
