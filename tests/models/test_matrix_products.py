"""Matrix products by oneDNN: the same values and gradients as torch's own, and used where they pay."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from maccap.models.fast import matrix_products
from maccap.models.fast.matrix_products import onednn

HERE = torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()
needs_both = pytest.mark.skipif(not HERE, reason="needs a torch with oneDNN and MKL (an x86-64 wheel from PyPI)")


@pytest.fixture
def asked(monkeypatch):
    """The products that oneDNN was asked for."""
    calls, real = [], matrix_products.linear_pointwise
    monkeypatch.setattr(matrix_products, "linear_pointwise", lambda: lambda *args: calls.append(args) or real()(*args))
    return calls


def tensors(*shapes, **options):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator).requires_grad_(options.get("grad", False)) for shape in shapes]


def require_torchs_own(asked, x, weight):
    with onednn():
        found = F.linear(x, weight)
    assert not asked
    assert torch.equal(found, F.linear(x, weight))


@needs_both
@pytest.mark.parametrize("shape", [(128, 256), (4, 32, 256), (2, 3, 64, 256)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_torch(asked, shape, bias):
    x, weight, own_bias = tensors(shape, (512, 256), (512,), grad=True)
    arguments = (x, weight, own_bias) if bias else (x, weight)
    exact = F.linear(*(part.double() for part in arguments))
    upstream = torch.randn(exact.shape, generator=torch.Generator().manual_seed(1))
    expected = torch.autograd.grad(exact, arguments, upstream.double())
    with onednn():
        found = F.linear(*arguments)
        gradients = torch.autograd.grad(found, arguments, upstream)
    assert len(asked) == 3
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-4)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=1e-4, atol=1e-3)


@needs_both
def test_only_gradients_that_are_needed_are_computed(asked):
    layer = nn.Linear(256, 512).requires_grad_(False)
    (x,) = tensors((128, 256), grad=True)
    with onednn():
        layer(x).sum().backward()
    assert len(asked) == 2
    assert layer.weight.grad is None
    torch.testing.assert_close(x.grad, layer.weight.sum(0).expand(128, -1), rtol=1e-4, atol=1e-4)


@needs_both
def test_inference_and_a_transposed_input(asked):
    x, weight = tensors((256, 128), (512, 256))
    with torch.inference_mode(), onednn():
        found = F.linear(x.t(), weight)
    assert len(asked) == 1
    torch.testing.assert_close(found, x.t() @ weight.t(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("rows", "dtype"), [(8, torch.float32), (128, torch.float64), (128, torch.bfloat16), (0, torch.float32)]
)
def test_small_products_and_other_dtypes_stay_with_torch(asked, rows, dtype):
    require_torchs_own(asked, *(part.to(dtype) for part in tensors((rows, 256), (512, 256))))


def test_autocast_keeps_its_dtype(asked):
    x, weight = tensors((128, 256), (512, 256))
    with onednn(), torch.autocast("cpu", torch.bfloat16):
        assert F.linear(x, weight).dtype == torch.bfloat16
    assert not asked


@pytest.mark.parametrize("change", ["no oneDNN", "MACCAP_PLAIN"])
def test_nothing_changes_without_onednn_or_with_maccap_plain(asked, monkeypatch, change):
    if change == "no oneDNN":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    else:
        monkeypatch.setenv("MACCAP_PLAIN", "1")
    require_torchs_own(asked, *tensors((128, 256), (512, 256)))


def test_it_ends_with_its_context(asked):
    x, weight = tensors((128, 256), (512, 256))
    with pytest.raises(ValueError, match="inside"), onednn():
        raise ValueError("inside")
    F.linear(x, weight)
    assert not asked
