"""What the tests share: a small finished project, and the folder of reference data, if it lies beside the checkout."""

from pathlib import Path

import pytest
import torch

from maccap.core import records
from tests.helpers import SHARED
from tests.helpers.checkout import commit_everything, copy_sources
from tests.helpers.small_project import configure, make_project

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"needs reference data: put the folder `shared` (golden vectors, real data) at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The project, made by a commit of this package's sources in a repository of its own."""
    root = tmp_path_factory.mktemp("small") / "project"
    root.mkdir()
    copy_sources(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        configure()
        code = commit_everything(root)
        patch.setattr(records, "code_version", lambda: code)
        make_project()
    return root
