"""What the tests share: the folder of reference data beside the checkout, when there is one."""

from pathlib import Path

import pytest
import torch

from tests.helpers import SHARED

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"needs reference data: put the folder `shared` (golden vectors, real data) at {SHARED}")
    return SHARED
