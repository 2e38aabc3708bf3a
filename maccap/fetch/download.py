"""Checked downloads: from a user's own file, a mirror or the publisher, into place only when whole and right."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from ..core.artifacts import require_space
from ..core.artifacts import sha256 as digest_of
from ..core.errors import DataError
from .lock import AssetLock, exclusive
from .registry import REGISTRY, FileAsset
from .transfer import PATIENT, Patience, Refused, begun_from, bytes_of, download, forget, looks_like_html

MIRROR_VARIABLE = "MACCAP_MIRROR"


class Wrong(Refused):
    """What has come is damaged or something else."""


class Mismatch(Wrong):
    """What has come is whole, but has another size or hash."""


class Unobtainable(DataError):
    """No source gave the file; `mismatch` if one gave another file."""

    def __init__(self, text: str, mismatch: bool) -> None:
        super().__init__(text)
        self.mismatch = mismatch


def fetch(
    asset: FileAsset,
    folder: Path | str,
    lock: AssetLock,
    *,
    mirror: str | None = None,
    local: Path | str | None = None,
    patience: Patience = PATIENT,
) -> Path:
    """Path of the asset's file below `folder`, fetched unless it is there and right.

    Args:
        mirror: folder or URL that serves everything (default: the environment's MACCAP_MIRROR); nothing else is asked.
        local: the user's own copy, used in place of any download: linked, or copied from another disk.

    Raises:
        DataError: no source gives the right file; the message names each and what to do.
        EnvironmentProblem: the disk is too small.
    """
    target = Path(folder) / asset.file
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    with exclusive(f"{target}.lock"):
        expected = asset.sha256 or lock.entry(asset.name).get("sha256")
        digest, fault = None, None
        if target.is_file():
            try:
                digest = check(target, target.name, asset.size, expected)
            except Refused as error:
                fault = f"{target}: {error}"
                print(f"{asset.name}: {fault}; fetching it again", file=sys.stderr, flush=True)
        if digest is None:
            try:
                sources = _sources(asset, mirror, local, fault)
                digest = obtain(sources, target, asset.name, asset.size, expected, patience=patience)
            except Unobtainable as error:
                raise DataError(f"{error}\n{_advice(asset, lock, mirror, local, error.mismatch)}") from error
        if asset.sha256 is None:
            lock.record(asset.name, {"sha256": digest})
    return target


def obtain(
    sources: Sequence[str],
    target: Path,
    label: str,
    size: int | None = None,
    sha256: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    patience: Patience = PATIENT,
) -> str:
    """Put the first right file of the sources (URLs or paths) at `target`; return its sha256.

    Raises:
        Unobtainable: no source gave the right file.
        EnvironmentProblem: the disk is too small.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    mismatch, reasons = False, []
    queue = sorted(sources, key=lambda url: url != begun_from(part))
    while queue:
        source = queue.pop(0)
        continued = begun_from(part) == source
        try:
            if is_url(source):
                require_space(target.parent, (size or 0) - bytes_of(part), label)
                download(source, part, label=label, size=size, headers=headers, patience=patience)
            else:
                _take(Path(source), part, label)
            digest = check(part, target.name, size, sha256)
        except Refused as error:
            if isinstance(error, Wrong) or not is_url(source):
                forget(part)
            if isinstance(error, Wrong) and continued:
                print(f"{label}: begun earlier, {error}; beginning anew", file=sys.stderr, flush=True)
                queue.insert(0, source)
            else:
                mismatch |= isinstance(error, Mismatch)
                reasons.append(f"  {source}: {error}")
        else:
            _place(part, target)
            return digest
    raise Unobtainable("\n".join([f"{label}: no source gives {target}:", *reasons]), mismatch)


def check(path: Path, name: str, size: int | None, sha256: str | None) -> str:
    """The sha256 of a file that is to be called `name`.

    Raises:
        Wrong: it is an HTML page or not a whole zip; Mismatch: it has another size (bytes) or hash.
    """
    with path.open("rb") as file:
        if looks_like_html(file.read(1024)):
            raise Wrong("it is an HTML page, not the file")
    if size is not None and bytes_of(path) != size:
        raise Mismatch(f"it has {bytes_of(path):,} bytes instead of {size:,}")
    digest = digest_of(path)
    if sha256 and digest != sha256:
        raise Mismatch(f"its sha256 is {digest} instead of {sha256}")
    if name.endswith(".zip") and not zipfile.is_zipfile(path):
        raise Wrong("it is not a whole zip archive")
    return digest


def is_url(source: str) -> bool:
    """Whether a source is asked over HTTP; else it is a path."""
    return source.startswith(("http://", "https://"))


def mirrored(mirror: str, file: str) -> str:
    """Where a mirror (folder or URL) has a file."""
    return f"{mirror.rstrip('/')}/{quote(file)}" if is_url(mirror) else str(Path(mirror) / file)


def fill_mirror(mirror: str, name: str) -> str:
    """How to mend a mirror that lacks something."""
    folder = "DIR" if is_url(mirror) else mirror
    return (
        f"{MIRROR_VARIABLE} is {mirror}, so nothing else is asked. On a machine with internet, "
        f"`maccap mirror {folder} {name}` puts it there."
    )


def _sources(asset: FileAsset, mirror: str | None, local: Path | str | None, fault: str | None) -> Sequence[str]:
    if local:
        return [str(local)]
    if mirror:
        return [mirrored(mirror, asset.file)]
    if not asset.urls:
        raise DataError(
            f"{fault or asset.name}: cannot be downloaded by a program. {asset.ask}\n"
            f"Then point to your copy in config/paper.yaml:\n"
            f"local:\n  {asset.name}: /path/to/{Path(asset.file).name}"
        )
    return asset.urls


def _advice(asset: FileAsset, lock: AssetLock, mirror: str | None, local: Path | str | None, mismatch: bool) -> str:
    changed = bool(mismatch and not asset.sha256 and lock.entry(asset.name))
    if local:
        advice = f"Correct `local: {{{asset.name}: {local}}}` in the config."
    elif mirror:
        advice = fill_mirror(mirror, asset.name)
    elif changed:
        return f"The first download was another file. {lock.advice(asset.name)}"
    elif mismatch:
        advice = f"If the publisher has changed the file, correct `size` and `sha256` of {asset.name} in {REGISTRY}."
    else:
        advice = (
            f"Run again to resume, or fetch it by hand and set `local: {{{asset.name}: PATH}}` in config/paper.yaml."
        )
    return f"The first download was another file. {lock.advice(asset.name)}\n{advice}" if changed else advice


def _take(source: Path, part: Path, label: str) -> None:
    """Link a file as the part; copy it when it is on another disk."""
    if source.is_dir():
        raise Refused(f"it is a folder; pack it: (cd {source} && zip -0 -r /path/to/{part.stem} .)")
    if not source.is_file():
        raise Refused("no such file")
    forget(part)
    try:
        os.link(source.resolve(), part)
    except OSError:
        require_space(part.parent, bytes_of(source), label)
        shutil.copyfile(source, part)


def _place(part: Path, target: Path) -> None:
    """Move a checked part to its final name, so that a crash leaves all or nothing."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    forget(part)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
