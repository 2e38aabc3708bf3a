"""Chosen members of a zip archive, unpacked without trusting it."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ..core.artifacts import atomic, require_space, stays_inside
from ..core.errors import DataError


def unpack(archive: Path | str, folder: Path | str, members: Sequence[str]) -> list[Path]:
    """Unpack the members that match any of the shell patterns into `folder`, with their paths, in the archive's order.

    Raises:
        DataError: the archive is missing, damaged or encrypted, a pattern matches nothing, or a member is a symbolic
            link or would leave the folder; of the member at fault nothing is written.
        EnvironmentProblem: the disk is too small.
    """
    archive, folder = Path(archive), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as zipped:
            chosen = _chosen(zipped, archive, members)
            require_space(folder, sum(member.file_size for member in chosen), f"{archive}: unpacking")
            for member in chosen:
                with atomic(folder / member.filename) as part, zipped.open(member) as source, part.open("wb") as out:
                    shutil.copyfileobj(source, out)
    except FileNotFoundError as error:
        raise DataError(f"{archive}: no such file; download it first") from error
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{archive}: half or damaged zip archive ({error}); delete it and download it again") from error
    except (RuntimeError, NotImplementedError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error})") from error
    return [folder / member.filename for member in chosen]


def _chosen(zipped: zipfile.ZipFile, archive: Path, patterns: Sequence[str]) -> list[zipfile.ZipInfo]:
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
