"""Every kind of image file that a user may have: the right pixels, or a refusal that names the file and says why."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maccap.core.errors import DataError
from maccap.data.captions import ImageEntry
from maccap.data.images import decode, pack_images, read_image, read_images
from tests.helpers.files import refuses, zipped

HEIGHT, WIDTH = 16, 16
PLACES = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
GRAY = PLACES.astype(np.uint8)
RGB = np.stack([PLACES, 255 - PLACES, PLACES * 7 % 256], -1).astype(np.uint8)
SMOOTH = np.stack([PLACES // 16 * 12 + 20, PLACES % 16 * 12 + 30, np.full_like(PLACES, 120)], -1).astype(np.uint8)
BITS = PLACES % 3 == 0
ALPHA = np.where(PLACES % 4 == 0, 0, np.where(PLACES % 4 == 1, 128, 255)).astype(np.uint8)
DEEP = (PLACES * 257).astype(np.uint16)
COLOURS = np.array([(200, 10, 30), (0, 90, 250), (255, 255, 0), (7, 7, 7)], np.uint8)
INDEX = (PLACES % 4).astype(np.uint8)


def on_white(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255
    return colours.astype(float).reshape(HEIGHT, WIDTH, -1) * share + 255 * (1 - share)


def file(content: np.ndarray | Image.Image, kind: str, mode: str | None = None, **options: Any) -> bytes:
    image = content if isinstance(content, Image.Image) else Image.fromarray(content)
    data = io.BytesIO()
    (image.convert(mode) if mode else image).save(data, kind, **options)
    return data.getvalue()


def palette() -> Image.Image:
    image = Image.fromarray(INDEX, "P")
    image.putpalette(COLOURS.flatten().tolist())
    return image


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(depth: int, colour: int, rows: list[bytes], *chunks: bytes, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    """A PNG file by its specification."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def packed(values: np.ndarray, depth: int) -> list[bytes]:
    """Rows of values of `depth` bits, the first in the highest bits."""
    bits = (values[..., None] >> np.arange(depth)[::-1]) & 1
    return [row.tobytes() for row in np.packbits(bits.reshape(len(values), -1).astype(np.uint8), axis=1)]


def tiff(depth: int, kind: int, data: bytes) -> bytes:
    """A TIFF file of one gray strip by its specification; `kind` 1 is unsigned, 2 signed, 3 float."""
    tags = {256: WIDTH, 257: HEIGHT, 258: depth, 259: 1, 262: 1, 273: 8, 277: 1, 278: HEIGHT, 279: len(data), 339: kind}
    entries = b"".join(
        struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, value) for tag, value in tags.items()
    )
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def exif(orientation: int, *entries: bytes) -> bytes:
    """EXIF by its specification, with further entries of 12 bytes; what they point to is at byte 64: 0/0 twice."""
    own = [struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0), *entries]
    return (b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(own)) + b"".join(own) + bytes(4)).ljust(
        70, b"\0"
    ) + bytes(16)


def frames(kind: str, **options: Any) -> bytes:
    others = [Image.fromarray(255 - RGB), Image.fromarray(RGB[::-1])]
    return file(RGB, kind, save_all=True, append_images=others, **options)


TURNED = np.rot90(SMOOTH, -1)  # orientation 6: the stored first row is the right side
SRATIONAL, JUNK = struct.pack("<HHII", 0x011A, 10, 1, 64), struct.pack("<HHII", 0x9003, 77, 2**31, 2**31)
HALF = {kind: file(np.tile(RGB, (4, 4, 1)), kind)[:-200] for kind in ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF")}

# The file's content, the right pixels [16, 16, 3 or 1], and by how much they may be off.
READ: dict[str, tuple[bytes, np.ndarray, float]] = {
    **{kind: (file(RGB, kind), RGB, 0) for kind in ("PNG", "BMP", "DIB", "TIFF", "PPM", "TGA", "SGI", "PCX", "QOI")},
    **{kind: (file(RGB, kind), RGB, 0) for kind in ("DDS", "IM", "ICO", "JPEG2000")},
    **{how: (file(RGB, "TIFF", compression=how), RGB, 0) for how in ("tiff_lzw", "packbits", "tiff_deflate")},
    "WebP, lossless": (file(RGB, "WEBP", lossless=True), RGB, 0),
    "WebP": (file(SMOOTH, "WEBP", quality=95), SMOOTH, 12), "AVIF": (file(SMOOTH, "AVIF", quality=95), SMOOTH, 12),
    "TGA, run-length": (file(RGB, "TGA", compression="tga_rle"), RGB, 0),
    "JPEG": (file(SMOOTH, "JPEG", quality=95), SMOOTH, 12),
    "JPEG, progressive": (file(SMOOTH, "JPEG", quality=95, progressive=True), SMOOTH, 12),
    "JPEG, gray": (file(SMOOTH[..., 0], "JPEG", quality=95), SMOOTH[..., :1], 6),
    "JPEG, two in one (MPO)": (frames("MPO", quality=95, subsampling=0), RGB, 40),
    "PNG, 16-bit gray": (file(DEEP, "PNG"), GRAY[..., None], 0),
    "PNG, 16-bit colour": (
        png(16, 2, [row.astype(">u2").tobytes() for row in RGB.astype(np.uint16) * 257]), RGB, 0,
    ),
    "PNG, 1 bit": (file(BITS, "PNG"), np.where(BITS, 255, 0)[..., None], 0),
    "PNG, 2 bits": (png(2, 0, packed(INDEX, 2)), INDEX[..., None] * 85, 0),
    "PNG, 4 bits": (png(4, 0, packed(PLACES % 16, 4)), (PLACES % 16)[..., None] * 17, 0),
    "PNG, palette": (file(palette(), "PNG"), COLOURS[INDEX], 0),
    "PNG, palette of 4 bits": (
        png(4, 3, packed(INDEX, 4), chunk(b"PLTE", COLOURS.tobytes())), COLOURS[INDEX], 0,
    ),
    "GIF": (file(palette(), "GIF"), COLOURS[INDEX], 0), "TIFF, palette": (file(palette(), "TIFF"), COLOURS[INDEX], 0),
    "PNG, gray": (file(GRAY, "PNG"), GRAY[..., None], 0), "PGM": (file(GRAY, "PPM"), GRAY[..., None], 0),
    "PGM, 16 bits": (b"P5 16 16 65535\n" + DEEP.astype(">u2").tobytes(), GRAY[..., None], 0),
    "PGM, 12 bits": (b"P5 16 16 4095\n" + (DEEP >> 4).astype(">u2").tobytes(), GRAY[..., None], 1),
    "PBM": (file(BITS, "PPM"), np.where(BITS, 255, 0)[..., None], 0),
    "TIFF, 1 bit": (file(BITS, "TIFF"), np.where(BITS, 255, 0)[..., None], 0),
    "TIFF, 12 bits": (tiff(12, 1, b"".join(packed(DEEP >> 4, 12))), GRAY[..., None], 1),
    "TIFF, 16 bits": (tiff(16, 1, DEEP.astype("<u2").tobytes()), GRAY[..., None], 0),
    "JPEG 2000, 16 bits": (file(DEEP, "JPEG2000"), GRAY[..., None], 0),
    "TIFF, CMYK": (file(RGB, "TIFF", "CMYK"), RGB, 1), "TIFF, YCbCr": (file(RGB, "TIFF", "YCbCr"), RGB, 3),
    "TIFF, several pages": (frames("TIFF"), RGB, 0), "WebP, animated": (frames("WEBP", lossless=True), RGB, 0),
    "PNG, animated": (frames("PNG"), RGB, 0),
    "GIF, animated": (
        file(palette(), "GIF", save_all=True, append_images=[Image.fromarray(RGB)]), COLOURS[INDEX], 0,
    ),
    "PNG, transparent": (file(np.dstack([RGB, ALPHA]), "PNG"), on_white(RGB, ALPHA), 1),
    "TIFF, transparent": (file(np.dstack([RGB, ALPHA]), "TIFF"), on_white(RGB, ALPHA), 1),
    "TGA, transparent": (file(np.dstack([RGB, ALPHA]), "TGA"), on_white(RGB, ALPHA), 1),
    "WebP, transparent": (
        file(np.dstack([RGB, ALPHA]), "WEBP", lossless=True, exact=True), on_white(RGB, ALPHA), 1,
    ),
    "PNG, gray and transparent": (file(np.dstack([GRAY, ALPHA]), "PNG"), on_white(GRAY, ALPHA), 1),
    "PNG, all transparent": (file(np.dstack([RGB, ALPHA * 0]), "PNG"), np.full_like(RGB, 255), 0),
    "PNG, opaque alpha": (file(np.dstack([RGB, ALPHA * 0 + 255]), "PNG"), RGB, 0),
    "PNG, a transparent colour": (
        file(COLOURS[INDEX], "PNG", transparency=(0, 90, 250)),
        np.where(INDEX[..., None] == 1, 255, COLOURS[INDEX]), 0,
    ),
    "PNG, a transparent shade": (file(GRAY, "PNG", transparency=9), np.where(GRAY == 9, 255, GRAY)[..., None], 0),
    "PNG, a transparent deep shade": (
        png(16, 0, [row.astype(">u2").tobytes() for row in DEEP], chunk(b"tRNS", b"\xff\xff")), GRAY[..., None], 0,
    ),
    "PNG, palette with alpha": (
        file(palette(), "PNG", transparency=bytes([0, 128, 255, 255])),
        on_white(COLOURS[INDEX], np.array([0, 128, 255, 255])[INDEX]), 1,
    ),
    "GIF, transparent": (
        file(palette(), "GIF", transparency=2), np.where(INDEX[..., None] == 2, 255, COLOURS[INDEX]), 0,
    ),
    "EXIF, turned": (file(TURNED, "JPEG", exif=exif(8), quality=95), SMOOTH, 12),
    "EXIF, turned, 0/0 as resolution": (file(TURNED, "JPEG", exif=exif(8, SRATIONAL), quality=95), SMOOTH, 12),
    "EXIF, turned, entries that lead nowhere": (file(TURNED, "JPEG", exif=exif(8, JUNK), quality=95), SMOOTH, 12),
    "EXIF of noise": (file(SMOOTH, "JPEG", exif=b"Exif\0\0" + bytes(range(200)), quality=95), SMOOTH, 12),
    "EXIF, no such orientation": (file(SMOOTH, "JPEG", exif=exif(9), quality=95), SMOOTH, 12),
    "EXIF in PNG": (file(np.rot90(RGB, -1), "PNG", exif=exif(8)), RGB, 0),
    "bytes behind the end": (file(RGB, "PNG") + b"more" * 99, RGB, 0),
}  # fmt: skip

DEPTH = "pixels of 32 bits, of which no value is known to be white"
REFUSED: dict[str, tuple[bytes, str]] = {
    "TIFF of floats": (file((GRAY / 255).astype(np.float32), "TIFF"), DEPTH),
    "TIFF of 32-bit integers": (file(GRAY.astype(np.int32), "TIFF"), DEPTH),
    "TIFF of signed integers": (tiff(16, 2, DEEP.astype("<u2").tobytes()), DEPTH),
    "TIFF of unsigned 32-bit integers": (tiff(32, 1, GRAY.astype("<u4").tobytes()), DEPTH),
    "PFM": (b"Pf 16 16 -1.0\n" + GRAY.astype("<f4").tobytes(), DEPTH),
    **{f"half a {kind}": (data, "cannot be read as an image (") for kind, data in HALF.items()},
    **{f"start of a {kind}": (HALF[kind][:8], "cannot be read as an image (") for kind in ("JPEG", "PNG", "GIF")},
    "bomb": (png(8, 0, [b""], size=(60_000, 60_000)), "DecompressionBombError"),
    "damaged PNG": (file(RGB, "PNG").replace(b"IDAT", b"IDAX"), "cannot be read as an image ("),
    "empty": (b"", "(it is empty)"), "text": (b"a boat on water\n", "(its format is not known)"),
    "page": (b"<!DOCTYPE html><p>404", "(it is an HTML page, not the file)"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "(it is a pointer of Git LFS"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "(its format is not known)"),
    "PDF": (b"%PDF-1.7\n", "(its format is not known)"),
    "archive": (zipped({"a.png": b""}), "(its format is not known)"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "cannot be read as an image ("),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_image_has_the_right_pixels(kind: str) -> None:
    data, expected, off = READ[kind]
    image = decode(data, kind)
    assert image.mode == "RGB"
    found = np.asarray(image).astype(float)
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(found - expected).max() <= off


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_image_or_has_no_known_white_is_refused_where_it_lies(tmp_path: Path, kind: str) -> None:
    data, words = REFUSED[kind]
    path = tmp_path / "photos" / "dog.jpg"
    path.parent.mkdir()
    path.write_bytes(data)
    refuses(
        lambda: read_image(path), f"{path}: ", words, "; save it with 8" if words is DEPTH else "; replace or remove"
    )
    refuses(lambda: pack_images(path.parent, [ImageEntry(1, "dog.jpg")], tmp_path / "out.zip"), f"{path}: ", words)
    assert not (tmp_path / "out.zip").exists()
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert "object at 0x" not in str(caught.value)


NAMES = [
    "a b.png", "it's [1] {x} 50%.png", "no suffix", "wrong.jpg", "CAPITAL.PNG", "-dash.png", ".hidden.png",
    "line\nbreak.png",
    "back\\slash.png", "küste.png", "料理🐕.png", "deep/er/x.png", "a.b.c.png", " lead.png", "n" * 250,
]  # fmt: skip


@pytest.mark.parametrize("store", ["folder", "zip"])
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_may_be_called_anything(tmp_path: Path, store: str, name: str) -> None:
    data = file(RGB, "PNG")
    if store == "zip":
        (tmp_path / "zip").write_bytes(zipped({name: data}))
    else:
        (tmp_path / "folder" / name).parent.mkdir(parents=True)
        (tmp_path / "folder" / name).write_bytes(data)
    pack_images(tmp_path / store, [ImageEntry(1, name)], tmp_path / "packed")
    for place in (store, "packed"):
        (image,) = read_images(tmp_path / place, [name])
        assert (np.asarray(image) == RGB).all()
