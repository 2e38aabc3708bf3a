"""Archives, damaged files, and what must be said of them."""

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maccap.core.errors import DataError, MaccapError


def as_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def zipped(members: dict[str, Any], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive of bytes, and of whatever else is to be JSON."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return data.getvalue()


def tarred(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return data.getvalue()


def refuses(read: Callable[[], object], *words: str, kind: type[MaccapError] = DataError) -> None:
    """The call raises an error of one line that holds all the words."""
    with pytest.raises(kind) as caught:
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
