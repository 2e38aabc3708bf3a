"""Files: atomic writes, hashes, JSON, and paths that stay where they should."""

import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import FULL, READ_ONLY, REMEDIES, DataError, EnvironmentProblem, MaccapError
from .holding import still_held

AGAIN = "name another file, or, where a job wrote it, delete it and run again"
ANEW = "if it was downloaded, delete it and run again to download it anew"
UNREADABLE = (
    errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EIO,
)  # fmt: skip
POINTER = b"version https://git-lfs.github.com/spec/"
HTML = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE | re.DOTALL
)


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the same folder; it takes the final name only when the block succeeds.

    What a process that was killed meanwhile left of the same file is removed.

    Raises:
        EnvironmentProblem: the disk is full or not writable, or a lock that this thread holds was lost; nothing is
            left behind.
    """
    path = Path(path)
    part = handle = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path)
        handle, part = _part_of(path)
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.chmod(0o644)
        still_held()
        part.replace(path)
    except Exception as error:
        still_held()  # who has the lock now has removed what this process began
        if _disk_is_full(error, path.parent):
            full = f"free space there, or for temporary files in {tempfile.gettempdir()} (or set TMPDIR), and run again"
            remedy = REMEDIES.get(getattr(error, "errno", 0), full)
            raise EnvironmentProblem(f"{path}: cannot be written ({error}); {remedy}") from error
        raise
    finally:
        if part:
            part.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def _part_of(path: Path) -> tuple[int, Path]:
    """A new file beside another, locked for as long as its descriptor is open, where the file system knows locks."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)  # taken for a dead process's before it was locked


def remove_unfinished(path: Path) -> None:
    """Remove what dead processes left of a file: parts of it that `atomic` yielded and that nobody has locked."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(OSError), part.open("r+b") as left:
            fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


def _disk_is_full(error: Exception, folder: Path) -> bool:
    """Whether a failed write ran out of space; libraries that write by themselves raise errors of their own."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (*FULL, *READ_ONLY)
    return f"os error {errno.ENOSPC}" in str(error) or shutil.disk_usage(folder).free < 2**12


def require_space(folder: Path, needed: int, what: str) -> None:
    """Ask for free disk space.

    Raises:
        EnvironmentProblem: there are fewer bytes than needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise EnvironmentProblem(
            f"{what}: needs {needed:,} bytes more, but {folder} has {free:,} bytes free; "
            f"free {needed - free:,} bytes, or link the folder to a larger disk, and run again"
        )


def link_or_copy(source: Path, target: Path, what: str) -> None:
    """Put a file in a second place, which must be free: as a hard link, or a copy where the disks differ.

    Raises:
        EnvironmentProblem: there is no space for a copy.
    """
    try:
        os.link(source.resolve(), target)
    except OSError:
        require_space(target.parent, source.stat().st_size, what)
        with atomic(target) as part:
            shutil.copyfile(source, part)


def stays_inside(name: str) -> bool:
    """Whether a relative path with `/`, joined to a folder, lies in that folder."""
    parts = set(name.split("/"))
    return bool(parts - {"", "."}) and name[0] != "/" and ".." not in parts and not set(name) & {"\\", "\0"}


def spare(inputs: Iterable[Path], outputs: Iterable[Path]) -> None:
    """Raise a DataError if an output would be written over an input, by whatever name or link."""
    read = {_identity(path): path for path in inputs if path.exists()}
    for path in outputs:
        if path.exists() and (over := read.get(_identity(path))):
            raise DataError(f"{path}: would be written over {over}; choose another place")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def write_text(path: Path | str, text: str) -> None:
    """Write a text; of a file name that is no UTF-8 the bytes stand as JSON escapes them."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path | str, value: Any, *, indent: int | None = 1) -> None:
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def write_figure(path: Path | str, figure: Any, dpi: int) -> None:
    """Write a matplotlib figure by the path's suffix, without a date, so that equal figures have equal bytes.

    A bitmap has 256 colours, which makes it a third as large.
    """
    suffix = Path(path).suffix
    metadata = {"Date": None} if suffix == ".svg" else {"Software": None}
    with atomic(path) as part:
        figure.savefig(part, format=suffix[1:], metadata=metadata, dpi=dpi, bbox_inches="tight")
        if suffix == ".png":
            from PIL import Image

            Image.open(part).convert("RGB").quantize().save(part, "png", optimize=True, dpi=(dpi, dpi))


def disguise(head: bytes) -> str | None:
    """What often lies in place of another file, by its first 1,024 bytes or fewer: what it is, or None."""
    if HTML.match(head):
        return "it is an HTML page, not the file"
    if head.startswith(POINTER):
        return "it is a pointer of Git LFS, not the file; fetch that with `git lfs pull`"
    return None if head else "it is empty"


def disguised(path: Path | str) -> str | None:
    """As `disguise`, of what lies at a path; None where no file is."""
    if not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        return disguise(file.read(1024))


@contextmanager
def reading(path: Path | str, fault: str = "damaged or cut short", advice: str = ANEW) -> Iterator[None]:
    """Turn whatever a library raises at a missing or damaged file into a DataError that names the file.

    A full disk, as when an archive is unpacked, is no fault of the file.
    """
    try:
        yield
    except MaccapError:
        raise
    except FileNotFoundError as error:
        made = str(path).startswith(("artifacts/", "results/"))
        rule = ", or let `snakemake` make it, with the --configfile of its profile" if made else ""
        raise DataError(f"{path}: no such file; check the path{rule}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        if isinstance(error, OSError) and error.errno in UNREADABLE:
            raise DataError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
        why = disguised(path) or f"{type(error).__name__}: {error}"
        raise DataError(f"{path}: {fault} ({why}); {advice}") from error


def decoded(data: bytes, path: Path | str, first_line: int = 1) -> str:
    """Text in UTF-8, without the byte order mark that some editors put before it.

    Raises:
        DataError: it is in another encoding; the message names the line, counted from that of the data's first byte.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, byte = first_line + data.count(b"\n", 0, error.start), data[error.start]
        raise DataError(f"{path}: line {line} is not UTF-8 (byte 0x{byte:02x}); save it as UTF-8; {ANEW}") from error


def read_json(path: Path | str) -> Any:
    """Parsed JSON.

    Raises:
        DataError: the file is missing or is not JSON.
    """
    with reading(path, "not valid JSON", AGAIN):
        return json.loads(decoded(Path(path).read_bytes(), path))


def unreadable(path: Path | str, error: OSError) -> DataError:
    """What is said of a file or folder, one of many, that the system does not let be read."""
    return DataError(f"{path}: cannot be read ({error.strerror}); repair it, or take it out")


def files_below(folder: Path) -> dict[str, Path]:
    """All files below a folder by their names in it, with `/`, in the order of their paths; links are followed.

    Raises:
        DataError: a folder cannot be read. One that is missing is empty.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise unreadable(error.filename, error) from error

    walk = os.walk(folder, onerror=refuse, followlinks=True)
    found = sorted(Path(place, name) for place, _, names in walk for name in names)
    return {path.relative_to(folder).as_posix(): path for path in found if path.is_file()}


def sha256(path: Path | str) -> str:
    """Hex digest of a file; of a folder, the digest over the sorted names and digests of its files.

    Names that start with a dot do not count, such as those that file managers leave.
    """
    path = Path(path)
    if path.is_dir():
        seen = {name: file for name, file in files_below(path).items() if "/." not in f"/{name}"}
        listing = "".join(f"{name} {sha256(file)}\n" for name, file in seen.items())
        return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_index(files: Iterable[Path]) -> None:
    """Write `index.json`, the first of the files of one folder, with the sha256 of the others."""
    index, *others = files
    write_json(index, {path.name: sha256(path) for path in others})
