"""Files out of what data sets come in: a folder, a zip or a tar archive, plain or gzipped; nothing in it is trusted."""

from __future__ import annotations

import json
import shutil
import stat
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from gzip import GzipFile
from pathlib import Path
from typing import Any, BinaryIO, cast

from ..core.artifacts import atomic, require_space, stays_inside
from ..core.errors import DataError, MaccapError

ANEW = "if it was downloaded, delete it and run again to download it anew"
_ZIP, _GZIP = b"PK", b"\x1f\x8b"


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn whatever a library raises at a missing or damaged file into a DataError that names the file."""
    try:
        yield
    except MaccapError:
        raise
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file; check the path, or run the rule that makes it (snakemake {path})"
        ) from error
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except Exception as error:
        raise DataError(f"{path}: damaged or cut short ({type(error).__name__}: {error}); {ANEW}") from error


@contextmanager
def expecting(path: Path | str, form: str) -> Iterator[None]:
    """Turn a missing key, or a value of another type, into a DataError that says which form was expected."""
    try:
        yield
    except KeyError as error:
        raise DataError(f"{path}: not {form} (no key {error}); check that this is the right file") from error
    except (TypeError, AttributeError) as error:
        raise DataError(f"{path}: not {form} ({error}); check that this is the right file") from error


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
            with zipfile.ZipFile(path) as archive:
                data = archive.read(_json_member(archive, path, member))
        elif member is not None:
            raise DataError(f"{path}: not a zip archive, so it holds no {member}; {ANEW}")
        else:
            with opened(path) as file:
                data = file.read()
        try:
            return json.loads(data.decode("utf-8-sig"))
        except ValueError as error:
            raise DataError(f"{path}: {member or 'the content'} is not valid JSON ({error}); {ANEW}") from error


def _json_member(archive: zipfile.ZipFile, path: Path | str, member: str | None) -> str:
    held = [name for name in archive.namelist() if name.endswith(".json")]
    if member is None and len(held) == 1:
        return held[0]
    if member is None:
        raise DataError(f"{path}: holds {len(held)} JSON files ({', '.join(held)}); say which one is meant")
    if member not in held:
        raise DataError(f"{path}: holds no {member}, but {', '.join(held) or 'no JSON file'}; check the file's name")
    return member


def read_members(store: Path | str, names: Sequence[str]) -> Iterator[bytes]:
    """The content of the named files of a folder, a zip or a tar archive (compressed or not), in the order of names.

    A name means the file of exactly this path, else the only one whose path ends with `/<name>`. Memory holds one file
    at a time; of a tar archive, which can be read from front to back only, all the named files.

    Raises:
        DataError: the store is missing, damaged or cut short, lacks a file, or has several that a name may mean.
    """
    store = Path(store)
    with reading(store):
        if store.is_dir():
            yield from _from_folder(store, names)
        elif _is_zip(store):
            yield from _from_zip(store, names)
        elif tarfile.is_tarfile(store):
            yield from _from_tar(store, names)
        else:
            raise DataError(f"{store}: neither a folder nor a zip or tar archive; {ANEW}")


def unpack(archive: Path | str, folder: Path | str, members: Sequence[str]) -> list[Path]:
    """Unpack the members of a zip that match any of the shell patterns into `folder`, with their paths, in its order.

    Raises:
        DataError: the archive is missing, damaged or encrypted, a pattern matches nothing, or a member is a symbolic
            link or would leave the folder; of the member at fault nothing is written.
        EnvironmentProblem: the disk is too small.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with reading(archive), zipfile.ZipFile(archive) as zipped:
        chosen = _chosen(zipped, archive, members)
        require_space(folder, sum(member.file_size for member in chosen), f"{archive}: unpacking")
        for member in chosen:
            with atomic(folder / member.filename) as part, zipped.open(member) as source, part.open("wb") as out:
                shutil.copyfileobj(source, out)
    return [folder / member.filename for member in chosen]


def _from_folder(store: Path, names: Sequence[str]) -> Iterator[bytes]:
    held = set(names)
    if not all((store / name).is_file() for name in held):
        held = {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}
    paths = _matched(store, names, held)
    for name in names:
        yield (store / paths[name]).read_bytes()


def _from_zip(store: Path, names: Sequence[str]) -> Iterator[bytes]:
    with zipfile.ZipFile(store) as archive:
        members = _matched(store, names, set(archive.namelist()))
        for name in names:
            yield archive.read(members[name])


def _from_tar(store: Path, names: Sequence[str]) -> Iterator[bytes]:
    wanted, held = set(names), {}
    with tarfile.open(store, "r:*") as archive:
        for member in archive:
            meant = member.isfile() and not wanted.isdisjoint((member.name, *_endings(member.name)))
            if meant and (file := archive.extractfile(member)):
                held[member.name] = file.read()
        while archive.fileobj and archive.fileobj.read(2**20):  # the checksum of a compressed archive stands at its end
            pass
    members = _matched(store, names, held)
    for name in names:
        yield held[members[name]]


def _matched(store: Path, names: Sequence[str], held: Collection[str]) -> dict[str, str]:
    """{name: the file of the store that it means}; see `read_members`."""
    meant = {name: [name] for name in names if name in held}
    others = set(names) - meant.keys()
    endings = defaultdict(list, meant)
    for path in held if others else ():
        for ending in _endings(path):
            if ending in others:
                endings[ending].append(path)
    if absent := [name for name in names if not endings[name]]:
        raise DataError(
            f"{store}: lacks {len(absent)} of {len(names)} listed files, the first {absent[0]}; "
            "the store and the list do not belong together, or the store is not whole"
        )
    for name, paths in endings.items():
        if len(paths) > 1:
            raise DataError(f"{store}: {name} may mean {' or '.join(sorted(paths))}; keep only the right one")
    return {name: paths[0] for name, paths in endings.items()}


def _endings(path: str) -> Iterator[str]:
    """What follows each slash of a path: of a/b/c, b/c and c."""
    at = path.find("/")
    while at >= 0:
        yield path[at + 1 :]
        at = path.find("/", at + 1)


def _chosen(zipped: zipfile.ZipFile, archive: Path | str, patterns: Sequence[str]) -> list[zipfile.ZipInfo]:
    files = [member for member in zipped.infolist() if not member.is_dir()]
    for pattern in patterns:
        if not any(fnmatchcase(member.filename, pattern) for member in files):
            raise DataError(f"{archive}: has no member {pattern}; it is another archive than expected")
    chosen = [member for member in files if any(fnmatchcase(member.filename, pattern) for pattern in patterns)]
    for member in chosen:
        if not stays_inside(member.filename):
            raise DataError(f"{archive}: member {member.filename!r} would leave the folder; do not trust this archive")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{archive}: member {member.filename!r} is a symbolic link; do not trust this archive")
    return chosen


def _is_zip(path: Path | str) -> bool:
    with open(path, "rb") as file:
        return file.read(len(_ZIP)) == _ZIP
