"""Damaged files, and what must be said of them."""

import random
from collections.abc import Callable

import pytest

from maccap.core.errors import DataError


def refuses(read: Callable[[], object], *words: str) -> None:
    """The call raises a DataError of one line that holds all the words."""
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def damaged(good: bytes, trial: int, rng: random.Random) -> bytes:
    """The bytes cut short in every fourth trial, else with one byte drawn anew."""
    data = bytearray(good[: rng.randrange(len(good))] if trial % 4 == 0 else good)
    if trial % 4:
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data)
