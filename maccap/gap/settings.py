"""What the measurements take from a profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class GapSettings:
    """The noise and the subregions of the method, as in `generation`, and the seed of every random choice."""

    subregions: int
    patch_weight: float
    double_softmax: bool
    noise_variance: float
    seed: int

    @classmethod
    def of(cls, cfg: dict[str, Any]) -> GapSettings:
        """From dotted config keys, of which it takes `seed` and those of its own under `generation`."""
        return cls(**{name: cfg[name if name == "seed" else f"generation.{name}"] for name in cls.__annotations__})
