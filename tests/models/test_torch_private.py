"""Private names of torch: used where they are, and named in a clear error where they are not."""

from types import SimpleNamespace

import pytest
import torch

from maccap.core.errors import EnvironmentProblem
from maccap.models import torch_private


@pytest.mark.parametrize("name", ["linear_pointwise", "reorder_linear_weight"])
def test_a_torch_without_the_operator_is_named_with_the_version_that_has_it(name, monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    with pytest.raises(EnvironmentProblem, match=rf"torch .* has no torch\.ops\.mkldnn\._{name}.*MACCAP_PLAIN=1"):
        getattr(torch_private, name)()
