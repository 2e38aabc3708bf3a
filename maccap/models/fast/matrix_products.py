"""Matrix products on a CPU by oneDNN; torch gives them to MKL, which is slower on some processors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..torch_private import linear_pointwise
from . import plain

WORTH = 2**22  # multiplications in a product; for fewer, the call costs more than oneDNN saves
_active: ContextVar[bool] = ContextVar("onednn", default=False)


@contextmanager
def onednn() -> Iterator[None]:
    """In this context, or the function that it decorates, oneDNN computes `F.linear` where that pays; the same numbers
    to rounding. Other devices, other dtypes and small products stay with torch.

    It does not reach the products inside `nn.MultiheadAttention`'s own fast path.

    Raises:
        EnvironmentProblem: this torch has oneDNN but not the operator that calls it.
    """
    if _active.get() or not available():
        yield
        return
    linear_pointwise()
    token = _active.set(True)
    try:
        with _Linear():
            yield
    finally:
        _active.reset(token)


def available() -> bool:
    """Whether to use oneDNN: this torch has both it and MKL, and MACCAP_PLAIN is not set."""
    return not plain() and torch.backends.mkldnn.is_available() and torch.backends.mkl.is_available()


class _Linear(TorchFunctionMode):
    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is F.linear and not kwargs and _pays(*args[:2]):
            return _linear(*args)
        return func(*args, **kwargs or {})


def _pays(x: torch.Tensor, weight: torch.Tensor) -> bool:
    return (
        x.numel() * weight.shape[0] >= WORTH
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


def _product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return linear_pointwise()(x, weight, bias, "none", [], "")


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    return _Product.apply(x, weight, bias) if torch.is_grad_enabled() else _product(x, weight, bias)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            _product(gradient, weight.t()) if of_x else None,
            _product(rows.t(), x.flatten(0, -2).t()) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )
