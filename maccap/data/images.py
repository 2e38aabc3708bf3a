"""Images from a folder, a zip or tar archive or single files, as upright RGB."""

import io
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import Transpose

from ..core.allocation import cores
from ..core.artifacts import atomic, disguise, reading
from ..core.errors import DataError
from .archives import read_members
from .captions import ImageEntry

ORIENTATION, BITS, MEANING, KIND = 0x0112, 258, 262, 339  # tags of EXIF and TIFF
SIGNED = 2  # a kind of numbers
WHITE_IS_ZERO = 0  # a meaning of shades
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT, 3: Transpose.ROTATE_180, 4: Transpose.FLIP_TOP_BOTTOM, 5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_90,
}  # fmt: skip


def decode(data: bytes, source: str) -> Image.Image:
    """An image file's content as `upright` gives it.

    Raises:
        DataError: not an image, a truncated one, or one that `upright` refuses.
    """
    fault, advice = "cannot be read as an image", "replace or remove the file"
    with reading(source, fault, advice):
        try:
            image = Image.open(io.BytesIO(data))
        except UnidentifiedImageError as error:
            raise DataError(f"{source}: {fault} ({disguise(data) or 'its format is not known'}); {advice}") from error
        return upright(image, source)


def upright(image: Image.Image, source: str = "an image") -> Image.Image:
    """The first frame as upright RGB: turned as EXIF says, gray, palette and CMYK converted, transparency on white.

    16-bit shades are scaled to 8 bits; what cannot be read of EXIF is passed over. Of a PNG's transparent colour of 16
    bits the upper 8 count.

    Raises:
        DataError: pixels are floats, or integers of 32 bits or with a sign, of which no file says which value is white.
    """
    if image.mode == "F" or (image.mode == "I" and image.format != "PPM"):
        raise DataError(f"{source}: pixels of 32 bits, of which no value is known to be white; save it with 8 or 16")
    if SIGNED in getattr(image, "tag_v2", {}).get(KIND, ()):
        raise DataError(f"{source}: pixels with a sign, of which no value is known to be white; save it without")
    _widen_transparent(image)
    image.load()
    if (turn := TURNS.get(_orientation(image))) is not None:
        image = image.transpose(turn)
    if image.mode.startswith("I"):
        image = _of_eight_bits(image)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen)
    return image.convert("RGB")


def _widen_transparent(image: Image.Image) -> None:
    """Give a PNG's transparent colour the depth that Pillow reads the pixels with; before they are read."""
    key = image.info.get("transparency")
    tiles = getattr(image, "tile", [])  # none once it is read
    if image.format != "PNG" or key is None or not tiles:
        return
    stored = str(tiles[0][3])
    if stored in ("L;2", "L;4"):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[stored]
    elif stored == "RGB;16B":
        image.info["transparency"] = tuple(part >> 8 for part in key)


def _of_eight_bits(image: Image.Image) -> Image.Image:
    """Gray of 16 bits, or of 12 in a TIFF, as gray of 8, with a transparent shade as white."""
    tags, key = getattr(image, "tag_v2", {}), image.info.get("transparency")
    white = 4095 if tags.get(BITS) == (12,) else 65535
    deep = image.convert("I")
    shades = deep.point(lambda value: value * (255 / white)).convert("L")
    shades.info.pop("transparency", None)
    if tags.get(MEANING) == WHITE_IS_ZERO:
        shades = ImageOps.invert(shades)
    if isinstance(key, int):
        shades.paste(255, mask=Image.fromarray(np.asarray(deep) == key))
    return shades


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # whatever Pillow raises at damaged EXIF: the pixels are whole
        return 1


def read_image(path: Path | str) -> Image.Image:
    """One image file; see `decode`."""
    with reading(path):
        data = Path(path).read_bytes()
    return decode(data, str(path))


def read_images(store: Path | str, names: Sequence[str]) -> Iterator[Image.Image]:
    """The named images of a folder, a zip or a tar archive, in order; see `read_members` for what a name means.

    Threads decode a few images ahead.

    Raises:
        DataError: the store or an image is missing or damaged.
    """
    threads = cores()
    waiting: deque[Future[Image.Image]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for place, data in read_members(store, names):
            waiting.append(pool.submit(decode, data, place))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def pack_images(store: Path | str, entries: Sequence[ImageEntry], out: Path | str) -> None:
    """Write the listed images of a store, as they are, into an uncompressed zip archive under their file names.

    The same images give the same bytes. Memory is that of `read_members`.

    Raises:
        DataError: the store is missing or damaged, lacks a listed image, or one cannot be decoded; nothing is left
            behind.
    """
    names = list(dict.fromkeys(entry.file_name for entry in entries))
    with atomic(out) as part, zipfile.ZipFile(part, "w") as archive:
        for name, (place, data) in zip(names, read_members(store, names), strict=True):
            decode(data, place)
            archive.writestr(zipfile.ZipInfo(name), data)
