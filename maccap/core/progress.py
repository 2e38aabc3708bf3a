"""Progress of long steps: a bar in a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0


def progress(items: Iterable[T], label: str, total: int, done: int = 0) -> Iterator[T]:
    """Yield the items and show how many of `total` are through, `done` of them before; one item needs no words."""
    if total == 1:
        yield from items
        return
    if sys.stderr.isatty():
        yield from tqdm(items, desc=label, total=total, initial=done)
        return
    told = time.monotonic()
    for count, item in enumerate(items, start=done + 1):
        yield item
        if count == total or time.monotonic() - told >= SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            print(f"{label}: {count} of {total} ({count / total:.0%})", file=sys.stderr, flush=True)


def byte_progress(chunks: Iterable[bytes], label: str, total: int | None, done: int) -> Iterator[bytes]:
    """Yield the chunks and show how many of `total` bytes (None: unknown) are through, `done` of them before."""
    terminal = sys.stderr.isatty()
    told = time.monotonic()
    with tqdm(desc=label, total=total, initial=done, unit="B", unit_scale=True, disable=not terminal) as bar:
        for chunk in chunks:
            yield chunk
            done += len(chunk)
            bar.update(len(chunk))
            if not terminal and time.monotonic() - told >= SECONDS_BETWEEN_LINES:
                told = time.monotonic()
                of_total = f" of {total / 1e6:.1f} MB ({done / total:.0%})" if total else " MB"
                print(f"{label}: {done / 1e6:.1f}{of_total}", file=sys.stderr, flush=True)
