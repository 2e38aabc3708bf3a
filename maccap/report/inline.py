"""Files as part of the page itself."""

import base64
from collections.abc import Sequence
from pathlib import Path

INLINE_SVG = 100_000  # bytes; a larger drawing goes onto the page as its bitmap


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def figure(files: Sequence[Path]) -> str:
    """A data URI of one figure, given as PNG and SVG: the drawing if it is small."""
    by_suffix = {path.suffix: path for path in files}
    if by_suffix[".svg"].stat().st_size <= INLINE_SVG:
        return data_uri("image/svg+xml", by_suffix[".svg"].read_bytes())
    return data_uri("image/png", by_suffix[".png"].read_bytes())
