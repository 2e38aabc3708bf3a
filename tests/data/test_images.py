"""Images of every kind become upright RGB, whatever stores and names they have; what cannot be read is named."""

import io
import json
import random
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maccap.core.errors import DataError
from maccap.data.captions import ImageEntry
from maccap.data.images import decode, pack_images, read_image, read_images, upright
from tests.helpers.files import damaged, refuses, tarred, zipped

ORIENTATION = 0x0112
# EXIF: which visual side the stored image's first row and first column are.
SIDES = {
    1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
    5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
}  # fmt: skip


def pixels(height: int = 6, width: int = 10) -> np.ndarray:
    """An image of which every pixel is different."""
    values = np.arange(height * width)
    return np.stack([values * 4 % 256, values * 7 % 256, values * 3], -1).reshape(height, width, 3).astype(np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def stored_as(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The pixel rows that a camera writes for an image, by the definition of the EXIF tag."""
    rows, columns = SIDES[orientation]
    stored = upright if rows in ("top", "bottom") else upright.swapaxes(0, 1)
    return stored[:: -1 if rows in ("bottom", "right") else 1, :: -1 if columns in ("bottom", "right") else 1]


def rgb(data: bytes) -> np.ndarray:
    image = decode(data, "image")
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


# --- kinds of images -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_cmyk_becomes_the_colours_that_the_inks_give(kind: str) -> None:
    inks = {(0, 0, 0, 0): (255, 255, 255), (255, 0, 0, 0): (0, 255, 255), (0, 255, 255, 0): (255, 0, 0)}
    inks[0, 0, 0, 255] = (0, 0, 0)
    for ink, colour in inks.items():
        data = encoded(Image.new("CMYK", (16, 16), ink), kind)
        assert Image.open(io.BytesIO(data)).mode == "CMYK"
        assert np.abs(rgb(data) - colour).max() <= 3, ink


@pytest.mark.parametrize("orientation", SIDES)
def test_an_image_that_the_camera_turned_comes_out_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    for kind in ("PNG", "TIFF"):
        data = encoded(Image.fromarray(stored_as(pixels(), orientation)), kind, exif=exif)
        assert (rgb(data) == pixels()).all(), kind
    upright = np.zeros((64, 32, 3), np.uint8)
    upright[:32], upright[32:, :16] = (255, 0, 0), (0, 0, 255)
    found = rgb(encoded(Image.fromarray(stored_as(upright, orientation)), "JPEG", exif=exif, quality=95))
    assert found.shape == upright.shape
    for part in (np.s_[4:28], np.s_[36:60, 4:12], np.s_[36:60, 20:28]):
        assert np.abs(found - upright)[part].max() < 12


# --- images that cannot be read ------------------------------------------------------------------------------------
JPEG = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)), "JPEG")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_damage_raises_anything_but_a_data_error(kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x011A] = 72.0
    options = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    good = encoded(Image.fromarray(pixels(16, 24)), kind, **options)
    rng, refused = random.Random(2), []
    for trial in range(250):
        data = bytearray(good[: rng.randrange(len(good))] if trial % 3 == 0 else good)
        for _ in range(0 if trial % 3 == 0 else rng.choice((1, 2, 5))):
            data[rng.randrange(min(len(data), 300))] = rng.choice((0, 255, rng.randrange(256)))
        try:
            assert decode(bytes(data), "dog").mode == "RGB"
        except DataError as error:
            refused.append(str(error))
    assert len(refused) > 30
    assert all(message.startswith("dog: ") for message in refused)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path, fault in ((tmp_path / "missing.jpg", "no such file"), (tmp_path, "cannot be opened")):
        refuses(lambda path=path: read_image(path), str(path), fault, "; check the path")


# --- stores --------------------------------------------------------------------------------------------------------
NAMES = ["val2014/b.png", "val2014/a.png", "c.png"]
CONTENT = {name: np.roll(pixels(), 3 * i, axis=1) for i, name in enumerate(NAMES)}
FILES = {name: encoded(Image.fromarray(CONTENT[name])) for name in sorted(NAMES)}
STORES = ["folder", "zip", "tar", "tar.gz"]
every_store = pytest.mark.parametrize("kind", STORES)


def store_of(root: Path, kind: str, files: dict[str, bytes] = FILES, compression: int = zipfile.ZIP_STORED) -> Path:
    store = root / (kind if kind == "folder" else f"images.{kind}")
    if kind == "folder":
        for name, data in files.items():
            (store / name).parent.mkdir(parents=True, exist_ok=True)
            (store / name).write_bytes(data)
    else:
        packed = zipped(files, compression) if kind == "zip" else tarred(files, "w:gz" if kind == "tar.gz" else "w")
        store.write_bytes(packed)
    return store


def right_or_refused(store: Path) -> bool:
    """Whether the store gives its images; it refuses with its name if not, and never gives anything else."""
    try:
        for name, image in zip(NAMES, read_images(store, NAMES), strict=True):
            assert (np.asarray(image) == CONTENT[name]).all()
    except DataError as error:
        assert str(store) in str(error)  # noqa: PT017
        return False
    return True


@pytest.mark.parametrize("inside", ["", "flickr30k-images/", "./a/b/"])
@every_store
def test_a_store_gives_the_named_images_in_the_order_asked(tmp_path: Path, kind: str, inside: str) -> None:
    store = store_of(tmp_path, kind, {inside + name: data for name, data in FILES.items()})
    asked = [NAMES[2], NAMES[0], NAMES[1], NAMES[0]]
    found = list(read_images(store, asked))
    assert [image.mode for image in found] == ["RGB"] * 4
    for name, image in zip(asked, found, strict=True):
        assert (np.asarray(image) == CONTENT[name]).all()
    assert list(read_images(store, [])) == []


COMPOSED, DECOMPOSED = "k\u00fcste/caf\u00e9.png", "ku\u0308ste/cafe\u0301.png"


@pytest.mark.parametrize(("asked", "held"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
@pytest.mark.parametrize("inside", ["", "photos/"])
@every_store
def test_accents_may_be_composed_or_not(tmp_path: Path, kind: str, inside: str, asked: str, held: str) -> None:
    store = store_of(tmp_path, kind, {inside + held: FILES["c.png"], "other/caf.png": FILES["val2014/a.png"]})
    (image,) = read_images(store, [asked])
    assert (np.asarray(image) == CONTENT["c.png"]).all()
    pack_images(store, [ImageEntry(1, asked)], tmp_path / "packed.zip")
    with zipfile.ZipFile(tmp_path / "packed.zip") as archive:
        assert archive.namelist() == [asked]


@every_store
def test_of_two_forms_of_a_name_the_exact_one_is_meant(tmp_path: Path, kind: str) -> None:
    store = store_of(tmp_path, kind, {COMPOSED: FILES["c.png"], DECOMPOSED: FILES["val2014/a.png"]})
    for asked, name in ((COMPOSED, "c.png"), (DECOMPOSED, "val2014/a.png")):
        assert (np.asarray(next(read_images(store, [asked]))) == CONTENT[name]).all()


@pytest.mark.parametrize("encoding", ["utf-8", "cp437"])
def test_a_zip_that_does_not_say_how_its_names_are_written_is_read(tmp_path: Path, encoding: str) -> None:
    marked = "x" * len("küste.png".encode(encoding))
    data = bytearray(zipped({marked: FILES["c.png"]}).replace(marked.encode(), "küste.png".encode(encoding)))
    (tmp_path / "mac.zip").write_bytes(data)
    (image,) = read_images(tmp_path / "mac.zip", ["küste.png"])
    assert (np.asarray(image) == CONTENT["c.png"]).all()


@every_store
def test_the_exact_path_goes_before_a_longer_one_and_two_longer_ones_are_refused(tmp_path: Path, kind: str) -> None:
    colours = {"a.png": 10, "x/a.png": 20, "x/b.png": 30, "y/b.png": 40, "x/cb.png": 50}
    files = {name: encoded(Image.new("L", (4, 4), value)) for name, value in colours.items()}
    store = store_of(tmp_path, kind, files)
    found = read_images(store, ["a.png", "x/b.png", "cb.png"])
    assert [np.asarray(image)[0, 0, 0] for image in found] == [10, 30, 50]
    what = "b.png may mean x/b.png or y/b.png; keep only"
    refuses(lambda: next(read_images(store, ["a.png", "b.png"])), f"{store}: {what}")


@every_store
def test_what_a_store_lacks_and_what_is_damaged_in_it_are_named(tmp_path: Path, kind: str) -> None:
    store = store_of(tmp_path, kind, {"good.jpg": JPEG, "bad.jpg": JPEG[:400]})
    absent = ["good.jpg", "val2014/none.png", "gone.png"]
    words = "lacks 2 of 3 listed files, the first val2014/none.png; "
    refuses(lambda: next(read_images(store, absent)), f"{store}: {words}")
    images = read_images(store, ["good.jpg", "bad.jpg"])
    next(images)
    place = f"{store}/bad.jpg" if kind == "folder" else f"{store}:bad.jpg"
    refuses(lambda: next(images), f"{place}: cannot be read as an image")
    for entry in ("bad.jpg", "good.jpg"):
        entries = [ImageEntry(1, "good.jpg"), ImageEntry(2, entry)]
        if entry == "bad.jpg":
            refuses(lambda entries=entries: pack_images(store, entries, tmp_path / "out.zip"), f"{place}: cannot be")
        else:
            pack_images(store, entries, tmp_path / "out.zip")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_that_is_cut_short_gives_the_right_images_or_a_data_error(tmp_path: Path, kind: str) -> None:
    store = store_of(tmp_path, kind)
    good, refused = store.read_bytes(), 0
    for size in [*range(0, len(good), 41), len(good) - 1]:
        store.write_bytes(good[:size])
        refused += not right_or_refused(store)
    assert refused >= 8
    store.write_bytes(good[: len(good.rstrip(b"\0")) // 2])
    with pytest.raises(DataError, match=r"(damaged or cut short|not whole)"):
        list(read_images(store, NAMES))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["neither a folder nor a zip or tar archive; ", "run again"]),
        (b"<!DOCTYPE html><html></html>", ["neither a folder nor a zip or tar archive; ", "run again"]),
        (b"PK\x03\x04", ["damaged or cut short ", "; ", "run again"]),
        (b"\x1f\x8b\x08\x00", ["damaged or cut short ", "; ", "run again"]),
        (None, ["no such file; check the path"]),
    ],
    ids=["empty", "page", "start of a zip", "start of a gz", "missing"],
)
def test_what_is_neither_folder_nor_archive_is_refused(tmp_path: Path, data: bytes | None, words: list[str]) -> None:
    store = tmp_path / "images.zip"
    if data is not None:
        store.write_bytes(data)
    refuses(lambda: list(read_images(store, NAMES)), str(store), *words)


@pytest.mark.parametrize(
    ("kind", "compression"),
    [
        ("zip", zipfile.ZIP_STORED), ("zip", zipfile.ZIP_DEFLATED), ("zip", zipfile.ZIP_BZIP2),
        ("zip", zipfile.ZIP_LZMA), ("tar.gz", 0),
    ],
    ids=["stored", "deflated", "bzip2", "lzma", "tar.gz"],
)  # fmt: skip
def test_a_damaged_archive_gives_the_right_images_or_a_data_error_that_names_it(tmp_path, kind, compression):
    store = store_of(tmp_path, kind, FILES, compression)
    good, rng, refused = store.read_bytes().rstrip(b"\0"), random.Random(3), 0
    for trial in range(300):
        store.write_bytes(damaged(good, trial, rng))
        refused += not right_or_refused(store)
    assert refused > 100


def test_an_archive_with_a_password_is_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path, "zip")
    data = bytearray(store.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the flag bits of each entry
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    store.write_bytes(data)
    assert not right_or_refused(store)


# --- packing -------------------------------------------------------------------------------------------------------
ENTRIES = [ImageEntry(4, NAMES[1]), ImageEntry(2, NAMES[2])]


@every_store
def test_packing_keeps_the_listed_images_bytes_under_their_names(tmp_path: Path, kind: str) -> None:
    store = store_of(tmp_path, kind, {f"flickr30k-images/{name}": data for name, data in FILES.items()})
    pack_images(store, ENTRIES, tmp_path / "deep" / "one.zip")
    with zipfile.ZipFile(tmp_path / "deep" / "one.zip") as archive:
        assert archive.namelist() == [NAMES[1], NAMES[2]]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        for name in archive.namelist():
            assert archive.read(name) == FILES[name]
    (tmp_path / "other").mkdir()
    pack_images(store_of(tmp_path / "other", "zip"), [*ENTRIES, ImageEntry(9, NAMES[1])], tmp_path / "two.zip")
    assert (tmp_path / "two.zip").read_bytes() == (tmp_path / "deep" / "one.zip").read_bytes()


@every_store
@pytest.mark.parametrize(
    ("name", "what"),
    [("none.png", "lacks 1 of 3 listed files, the first none.png"), ("page.png", "page.png: cannot be read as an")],
    ids=["absent", "no image"],
)
def test_packing_names_what_is_absent_or_no_image_and_leaves_nothing(tmp_path, kind, name, what):
    store, out = store_of(tmp_path, kind, FILES | {"page.png": b"<html></html>"}), tmp_path / "out" / "images.zip"
    refuses(lambda: pack_images(store, [*ENTRIES, ImageEntry(7, name)], out), str(store), what)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_packing_holds_one_image_at_a_time(tmp_path: Path, kind: str) -> None:
    big = encoded(Image.fromarray(np.random.default_rng(1).integers(0, 256, (200, 300, 3), np.uint8)))
    store = store_of(tmp_path, kind, {f"{n}.png": big for n in range(60)})
    tracemalloc.start()
    try:
        pack_images(store, [ImageEntry(n, f"{n}.png") for n in range(60)], tmp_path / "packed.zip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * len(big)


def test_real_photos_are_read_upright_from_folder_and_archive(shared: Path, tmp_path: Path) -> None:
    folder = shared / "real" / "coco_photos" / "images"
    if not folder.is_dir():
        pytest.skip(f"needs real photos: put COCO photos into {folder}")
    listed = json.loads((folder.parent / "captions.json").read_text(encoding="utf-8"))["images"]
    names = [image["file_name"] for image in listed][:20]
    assert len(names) == 20
    store = store_of(tmp_path, "zip", {name: (folder / name).read_bytes() for name in names})
    for name, loose, packed in zip(names, read_images(folder, names), read_images(store, names), strict=True):
        with Image.open(folder / name) as raw:
            size = raw.size if raw.getexif().get(ORIENTATION, 1) < 5 else raw.size[::-1]
        assert (loose.mode, loose.size) == ("RGB", size)
        assert loose.tobytes() == packed.tobytes()
        assert np.asarray(loose).std() > 5


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


def tiff(depth: int, kind: int, data: bytes, *, zero: int = 1) -> bytes:
    """A TIFF file of one gray strip by its specification; `kind` 1 is unsigned, 2 signed, 3 float; `zero` 0 white."""
    tags = {
        256: WIDTH, 257: HEIGHT, 258: depth, 259: 1, 262: zero, 273: 8, 277: 1, 278: HEIGHT, 279: len(data), 339: kind,
    }  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, 1, own) for tag, own in tags.items())
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def exif(orientation: int, *entries: bytes) -> bytes:
    """EXIF by its specification, with further entries of 12 bytes; what they point to is at byte 64: 0/0 twice."""
    own = [struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0), *entries]
    head = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(own))
    return (head + b"".join(own) + bytes(4)).ljust(70, b"\0") + bytes(16)


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
    "TIFF, 8 bits, zero is white": (tiff(8, 1, GRAY.tobytes(), zero=0), 255 - GRAY[..., None], 0),
    "TIFF, 16 bits, zero is white": (tiff(16, 1, DEEP.astype("<u2").tobytes(), zero=0), 255 - GRAY[..., None], 0),
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
    "PNG, 2 bits, a transparent shade": (
        png(2, 0, packed(INDEX, 2), chunk(b"tRNS", b"\0\x01")), np.where(INDEX == 1, 255, INDEX * 85)[..., None], 0,
    ),
    "PNG, 4 bits, a transparent shade": (
        png(4, 0, packed(PLACES % 16, 4), chunk(b"tRNS", b"\0\x09")),
        np.where(PLACES % 16 == 9, 255, PLACES % 16 * 17)[..., None], 0,
    ),
    "PNG, a transparent deep shade": (
        png(16, 0, [row.astype(">u2").tobytes() for row in DEEP], chunk(b"tRNS", b"\x09\x09")),
        np.where(GRAY == 9, 255, GRAY)[..., None], 0,
    ),
    "PNG, a deep shade beside the transparent one": (
        png(16, 0, [row.astype(">u2").tobytes() for row in DEEP], chunk(b"tRNS", b"\x09\x08")), GRAY[..., None], 0,
    ),
    "PNG, a transparent deep colour": (
        png(16, 2, [np.repeat(row, 3).astype(">u2").tobytes() for row in DEEP], chunk(b"tRNS", 6 * b"\x09")),
        np.where(GRAY == 9, 255, GRAY)[..., None], 0,
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
SIGN = "pixels with a sign, of which no value is known to be white"
REFUSED: dict[str, tuple[bytes, str]] = {
    "TIFF of floats": (file((GRAY / 255).astype(np.float32), "TIFF"), DEPTH),
    "TIFF of 32-bit integers": (file(GRAY.astype(np.int32), "TIFF"), DEPTH),
    "TIFF of signed integers": (tiff(16, 2, DEEP.astype("<u2").tobytes()), DEPTH),
    "TIFF of signed bytes": (tiff(8, 2, GRAY.astype("u1").tobytes()), SIGN),
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


@pytest.mark.parametrize(
    "kind", ["PNG, a transparent shade", "PNG, a transparent colour", "PNG, a transparent deep shade"]
)
def test_an_open_image_is_the_same_whether_it_was_read_before_or_not(kind: str) -> None:
    data, expected, _ = READ[kind]
    image = Image.open(io.BytesIO(data))
    image.load()
    for _ in range(2):
        assert np.array_equal(np.asarray(upright(image)), np.broadcast_to(expected, (HEIGHT, WIDTH, 3)))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_no_image_or_has_no_known_white_is_refused_where_it_lies(tmp_path: Path, kind: str) -> None:
    data, words = REFUSED[kind]
    path = tmp_path / "photos" / "dog.jpg"
    path.parent.mkdir()
    path.write_bytes(data)
    remedy = {DEPTH: "; save it with 8", SIGN: "; save it without"}.get(words, "; replace or remove")
    refuses(lambda: read_image(path), f"{path}: ", words, remedy)
    refuses(lambda: pack_images(path.parent, [ImageEntry(1, "dog.jpg")], tmp_path / "out.zip"), f"{path}: ", words)
    assert not (tmp_path / "out.zip").exists()
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert "object at 0x" not in str(caught.value)


ODD_NAMES = [
    "a b.png", "it's [1] {x} 50%.png", "no suffix", "wrong.jpg", "CAPITAL.PNG", "-dash.png", ".hidden.png",
    "line\nbreak.png",
    "back\\slash.png", "küste.png", "料理🐕.png", "deep/er/x.png", "a.b.c.png", " lead.png", "n" * 250,
]  # fmt: skip


@pytest.mark.parametrize("store", ["folder", "zip"])
@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
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
