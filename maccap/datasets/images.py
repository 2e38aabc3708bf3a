"""Pictures from a folder, a zip archive or single files, as upright RGB."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageOps

from ..errors import DataError


def decode(data: bytes, source: str) -> Image.Image:
    """An upright RGB picture: EXIF rotation applied, grayscale, palette and CMYK converted.

    Raises:
        DataError: not a picture, or a truncated one.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                upright = upright.convert("I").point(lambda value: value * (1 / 257)).convert("L")
            return upright.convert("RGB")
    except Exception as error:
        raise DataError(f"{source}: cannot be read as a picture ({error}); replace or remove the file") from error


def read_image(path: Path | str) -> Image.Image:
    """One picture file; see `decode`."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    return decode(data, str(path))


def read_images(store: Path | str, names: Sequence[str]) -> Iterator[Image.Image]:
    """The named pictures of a folder or a zip archive, in order.

    Raises:
        DataError: the store or a picture is missing or damaged.
    """
    store = Path(store)
    if store.is_dir():
        yield from (read_image(store / name) for name in names)
        return
    try:
        with zipfile.ZipFile(store) as archive:
            for name in names:
                data = archive.read(name)
                yield decode(data, f"{store}:{name}")
    except KeyError as error:
        raise DataError(f"{store}: holds no picture {error}; the archive and the captions do not match") from error
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{store}: cannot be read as a folder or zip archive ({error}); make it again") from error
