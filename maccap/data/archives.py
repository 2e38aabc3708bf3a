"""Files out of what data sets come in: a folder, a zip or a tar archive, plain or gzipped; nothing in it is trusted."""

import json
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from gzip import GzipFile
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..core.artifacts import ANEW, atomic, decoded, disguise, files_below, reading, require_space, stays_inside
from ..core.errors import DataError

_ZIP, _GZIP = b"PK", b"\x1f\x8b"


@contextmanager
def expecting(path: Path | str, form: str) -> Iterator[None]:
    """Turn a missing key, or a value of another type, into a DataError that says which form was expected."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        fault = f"no key {error}" if isinstance(error, KeyError) else error
        raise DataError(f"{path}: not {form} ({fault}); check that this is the right file") from error


@contextmanager
def opened(path: Path | str) -> Iterator[BinaryIO]:
    """A plain or gzipped file, by its first bytes, to read the content as bytes."""
    with open(path, "rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        yield cast(BinaryIO, GzipFile(fileobj=file)) if packed else file


def read_member_json(path: Path | str, member: str | None = None) -> Any:
    """Parsed JSON from a plain file, a gzipped file or a zip archive, told apart by their first bytes.

    Args:
        member: the file inside a zip archive; not needed where the archive holds one JSON file only.

    Raises:
        DataError: the file is missing, damaged or cut short, holds no such member, or that is not JSON.
    """
    with reading(path):
        if _is_zip(path):
            with _open_zip(path) as archive:
                data = archive.read(_json_member(archive, path, member))
        elif member is not None:
            raise DataError(f"{path}: not a zip archive, so it holds no {member}; {ANEW}")
        else:
            with opened(path) as file:
                data = file.read()
        try:
            return json.loads(decoded(data, path))
        except ValueError as error:
            why = disguise(data[:1024]) or error
            raise DataError(f"{path}: {member or 'the content'} is not valid JSON ({why}); {ANEW}") from error


def _json_member(archive: zipfile.ZipFile, path: Path | str, member: str | None) -> str:
    held = [name for name in archive.namelist() if name.endswith(".json")]
    if member is None and len(held) != 1:
        raise DataError(f"{path}: holds {len(held)} JSON files ({', '.join(held)}); say which one is meant")
    if member not in (None, *held):
        raise DataError(f"{path}: holds no {member}, but {', '.join(held) or 'no JSON file'}; check the file's name")
    return member or held[0]


def composed(name: str) -> str:
    """A name with its accents composed: macOS may write them as characters of their own, and both look the same."""
    return unicodedata.normalize("NFC", name)


def _open_zip(path: Path | str) -> zipfile.ZipFile:
    """A zip archive; names that do not say so are UTF-8, as macOS packs them, where they can be."""
    try:
        return zipfile.ZipFile(path, metadata_encoding="utf-8")
    except UnicodeDecodeError:
        return zipfile.ZipFile(path)


def read_members(store: Path | str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Where the named files of a folder, a zip or a tar archive (compressed or not) lie, and their content, in order.

    A name means the file of exactly this path, else the only one whose path ends with `/<name>`, accents composed or
    not. Memory holds one file at a time; of a tar archive, which is read from front to back, all the named files.

    Raises:
        DataError: the store is missing, damaged or cut short, lacks a file, or has several that a name may mean.
    """
    store = Path(store)
    with reading(store):
        if store.is_dir():
            held = set(names)
            if not all((store / name).is_file() for name in held):
                held = set(files_below(store))
            for member in _meant(store, names, held):
                yield str(store / member), (store / member).read_bytes()
        elif _is_zip(store):
            with _open_zip(store) as archive:
                for member in _meant(store, names, set(archive.namelist())):
                    yield f"{store}:{member}", archive.read(member)
        elif tarfile.is_tarfile(store):
            content = _tar_content(store, set(map(composed, names)))
            for member in _meant(store, names, content):
                yield f"{store}:{member}", content[member]
        else:
            raise DataError(f"{store}: neither a folder nor a zip or tar archive; {ANEW}")


def _tar_content(store: Path, wanted: set[str]) -> dict[str, bytes]:
    """{path in the archive: content} of all files that one of the names may mean."""
    content = {}
    with tarfile.open(store, "r:*") as archive:
        for member in archive:
            meant = member.isfile() and not wanted.isdisjoint(_endings(composed(member.name)))
            if meant and (file := archive.extractfile(member)):
                content[member.name] = file.read()
        while archive.fileobj and archive.fileobj.read(2**20):  # the checksum of a compressed archive stands at its end
            pass
    return content


def _meant(store: Path, names: Sequence[str], held: Collection[str]) -> list[str]:
    """The files of the store that the names mean, in their order; see `read_members`."""
    wanted, ending = set(map(composed, names)), defaultdict(list)
    for path in held:
        for name in wanted.intersection(_endings(composed(path))):
            ending[name].append(path)
    paths = {name: [name] if name in held else ending[composed(name)] for name in names}
    if absent := [name for name in names if not paths[name]]:
        raise DataError(
            f"{store}: lacks {len(absent)} of {len(names)} listed files, the first {absent[0]}; "
            "the store and the list do not belong together, or the store is not whole"
        )
    for name, several in paths.items():
        if len(several) > 1:
            raise DataError(f"{store}: {name} may mean {' or '.join(sorted(several))}; keep only the right one")
    return [paths[name][0] for name in names]


def _endings(path: str) -> list[str]:
    """Of a/b/c: a/b/c, b/c and c."""
    parts = path.split("/")
    return ["/".join(parts[begin:]) for begin in range(len(parts))]


def unpack(archive: Path | str, folder: Path | str, members: Sequence[str]) -> list[Path]:
    """Unpack the members of a zip that match any of the shell patterns into `folder`, with their paths, in its order.

    Raises:
        DataError: the archive is missing, damaged or encrypted, a pattern matches nothing, or a member is a symbolic
            link or would leave the folder; of the member at fault nothing is written.
        EnvironmentProblem: the disk is too small.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with reading(archive), _open_zip(archive) as zipped:
        files = [member for member in zipped.infolist() if not member.is_dir()]
        chosen = [member for member in files if any(fnmatchcase(member.filename, pattern) for pattern in members)]
        for pattern in members:
            if not any(fnmatchcase(member.filename, pattern) for member in chosen):
                raise DataError(f"{archive}: has no member {pattern}; it is another archive than expected")
        for member in chosen:
            if stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(f"{archive}: member {member.filename!r} is a symbolic link; do not trust this archive")
            if not stays_inside(member.filename):
                raise DataError(
                    f"{archive}: member {member.filename!r} would leave the folder; do not trust this archive"
                )
        require_space(folder, sum(member.file_size for member in chosen), f"{archive}: unpacking")
        for member in chosen:
            with atomic(folder / member.filename) as part, zipped.open(member) as source, part.open("wb") as out:
                shutil.copyfileobj(source, out)
    return [folder / member.filename for member in chosen]


def _is_zip(path: Path | str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_ZIP)) == _ZIP
