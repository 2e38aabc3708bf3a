"""Operators by which torch's compiler calls oneDNN. They are private, and they know no gradient.

No other module of `maccap.models` uses a private name of a library.
"""

from typing import Any

import torch

from ..core.errors import EnvironmentProblem

PROVED = "2.14.1"


def linear_pointwise() -> Any:
    """`(x, weight, bias, activation, [], algorithm)`: F.linear and an activation.

    Its overload `.binary(x, other, weight, bias, "add")` is F.linear(x, weight, bias) + other.

    Raises:
        EnvironmentProblem: this torch has no such operator.
    """
    return _operator("_linear_pointwise")


def reorder_linear_weight() -> Any:
    """`(weight, rows)`: the weight laid out for products with `rows` rows; only `linear_pointwise` takes it.

    Raises:
        EnvironmentProblem: this torch has no such operator.
    """
    return _operator("_reorder_linear_weight")


def _operator(name: str) -> Any:
    found = getattr(torch.ops.mkldnn, name, None)
    if found is None:
        raise EnvironmentProblem(
            f"torch {torch.__version__} has no torch.ops.mkldnn.{name}; it was proved with torch {PROVED}: install "
            "that version, or set MACCAP_PLAIN=1, which does without"
        )
    return found
