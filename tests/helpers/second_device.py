"""A GPU that is none: tensors that call themselves CUDA's and are computed on the CPU, apart from the CPU's own.

As on a real one, no operator takes tensors of both, and random numbers come from a generator of its own. What a GPU's
own kernels compute is not rehearsed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
import torch._dynamo  # which must not meet what is put in place of torch.cuda's functions
from accelerate.state import AcceleratorState
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("cuda", 0)
META = torch.device("meta")  # what torch's C++ takes it for, which would ask a driver about CUDA's
ops = torch.ops.aten
ACROSS = (ops.copy_.default, ops._to_copy.default, ops.index.Tensor)  # operators that take tensors of both


class There(torch.Tensor):
    """A tensor on the device; `inner` has its numbers."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> There:
        with torch.inference_mode(inner.is_inference()):
            shell = torch.empty_strided(inner.shape, inner.stride(), dtype=inner.dtype, device=META)
            there = torch.Tensor._make_subclass(cls, shell, dispatch_device=True, device_for_backend_keys=DEVICE)
        there.inner = inner
        return there

    device = property(lambda _: DEVICE)

    def tolist(self) -> list:
        return self.inner.tolist()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.inner.__reduce_ex__(protocol)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
    if func is torch.ops.prim.device.default:
        return META
    if func is ops._has_compatible_shallow_copy_type.default:
        return False
    tensors = list(filter(_is_tensor, tree_leaves((args, kwargs))))
    there = {id(tensor.inner): tensor for tensor in tensors if isinstance(tensor, There)}
    behind = [tuple(tensor.shape) for tensor in tensors if not isinstance(tensor, There) and tensor.ndim]
    if there and behind and func not in ACROSS:
        raise RuntimeError(f"{func}: a tensor {behind[0]} is still on the CPU")
    asked = {leaf.type for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.device)}
    goes = bool(asked & {DEVICE.type, META.type}) if asked else bool(there)
    own_args, own_kwargs = tree_map(_inside, (args, kwargs))
    draws = goes and torch.Tag.nondeterministic_seeded in func.tags
    with GENERATOR.drawn_from() if draws else nullcontext():
        out = func(*own_args, **own_kwargs)
    if asked and goes != bool(there):
        out = out.clone()
    return tree_map(lambda leaf: there.get(id(leaf), There(leaf)) if _is_tensor(leaf) else leaf, out) if goes else out


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor)


def _inside(leaf: Any) -> Any:
    if isinstance(leaf, There):
        return leaf.inner
    return torch.device("cpu") if isinstance(leaf, torch.device) else leaf


class _Generator:
    """The device's generator of random numbers."""

    def __init__(self) -> None:
        self.manual_seed(0)

    def manual_seed(self, seed: int) -> None:
        self.set_state(torch.Generator().manual_seed(seed).get_state())

    def get_state(self) -> torch.Tensor:
        return self.state

    def set_state(self, state: torch.Tensor) -> None:
        self.state = state

    @contextmanager
    def drawn_from(self) -> Iterator[None]:
        of_cpu = torch.get_rng_state()
        torch.set_rng_state(self.state)
        yield
        self.state = torch.get_rng_state()
        torch.set_rng_state(of_cpu)


GENERATOR = _Generator()


def _nothing(*_: Any, **__: Any) -> None:
    """What a driver would do."""


@contextmanager
def second_device() -> Iterator[None]:
    """In this context this device is the one GPU of `torch.cuda`; it has bfloat16."""
    cuda: dict[str, Callable | tuple] = {
        "_lazy_init": _nothing, "set_device": _nothing, "is_initialized": lambda: False,
        "is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0,
        "get_device_name": lambda _: "a GPU that is none", "is_bf16_supported": lambda **_: True,
        "default_generators": (GENERATOR,), "manual_seed_all": GENERATOR.manual_seed,
    }  # fmt: skip
    lifts = torch._C._only_lift_cpu_tensors()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cuda.items():
            patch.setattr(torch.cuda, name, value)
        torch._C._set_only_lift_cpu_tensors(True)
        torch._C._ensureCUDADeviceGuardSet()
        torch.__future__.set_swap_module_params_on_conversion(True)
        AcceleratorState._reset_state(True)
        try:
            with warnings.catch_warnings(), _Mode(), sdpa_kernel(SDPBackend.MATH):
                warnings.filterwarnings("ignore", message=".*to a meta parameter", category=UserWarning)
                yield
        finally:
            torch._C._set_only_lift_cpu_tensors(lifts)
            torch.__future__.set_swap_module_params_on_conversion(False)
            AcceleratorState._reset_state(True)
