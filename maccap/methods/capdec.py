"""CapDec (Nukrai, Mokady and Globerson, EMNLP Findings 2022): one noisy copy in training, no noise for images.

Its mapper is an MLP onto as many soft tokens as MacCap has queries, in front of the same frozen language model.
"""

from __future__ import annotations

from .base import TrainedMethod

NEEDS = ("adaptor",)


class Method(TrainedMethod):
    """What `TrainedMethod` does."""
