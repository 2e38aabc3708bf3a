"""Images from a folder, a zip or tar archive or single files, as upright RGB."""

from __future__ import annotations

import io
import os
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps

from ..core.artifacts import atomic, reading
from ..core.errors import DataError
from .archives import read_members
from .captions import ImageEntry


@contextmanager
def _opened(data: bytes, source: str) -> Iterator[Image.Image]:
    """The image, of which only the header is read yet."""
    fault, advice = "cannot be read as an image", "replace or remove the file"
    with reading(source, fault, advice), Image.open(io.BytesIO(data)) as image:
        yield image


def decode(data: bytes, source: str) -> Image.Image:
    """An image file's content as `upright` gives it.

    Raises:
        DataError: not an image, or a truncated one.
    """
    with _opened(data, source) as image:
        return upright(image)


def upright(image: Image.Image) -> Image.Image:
    """An upright RGB image: EXIF rotation applied, grayscale, palette and CMYK converted."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode.startswith("I"):
        turned = turned.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return turned.convert("RGB")


def read_image(path: Path | str) -> Image.Image:
    """One image file; see `decode`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    return decode(data, str(path))


def read_images(store: Path | str, names: Sequence[str]) -> Iterator[Image.Image]:
    """The named images of a folder, a zip or a tar archive, in order; see `read_members` for what a name means.

    Threads decode a few images ahead.

    Raises:
        DataError: the store or an image is missing or damaged.
    """
    threads = os.cpu_count() or 1
    waiting: deque[Future[Image.Image]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for name, data in zip(names, read_members(store, names), strict=True):
            waiting.append(pool.submit(decode, data, f"{store}:{name}"))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def pack_images(store: Path | str, entries: Sequence[ImageEntry], out: Path | str) -> None:
    """Write the listed images of a store, as they are, into an uncompressed zip archive under their file names.

    The same images give the same bytes. Memory is that of `read_members`.

    Raises:
        DataError: the store is missing or damaged, lacks a listed image, or one has no image's header; nothing is
            left behind.
    """
    names = list(dict.fromkeys(entry.file_name for entry in entries))
    with atomic(out) as part, zipfile.ZipFile(part, "w") as archive:
        for name, data in zip(names, read_members(store, names), strict=True):
            with _opened(data, f"{store}:{name}"):
                pass
            archive.writestr(zipfile.ZipInfo(name), data)
