"""Checked downloads: from a user's own file, a mirror or the publisher, into place only when whole and right."""

import hashlib
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from ..core.artifacts import disguised, link_or_copy, require_space
from ..core.artifacts import sha256 as digest_of
from ..core.errors import DataError
from ..core.holding import held
from .lock import AssetLock
from .registry import REGISTRY, FileAsset
from .transfer import PATIENT, Part, Patience, Refused, download

MIRROR_VARIABLE = "MACCAP_MIRROR"


class Wrong(Refused):
    """What has come is damaged or something else."""


class Unobtainable(DataError):
    """No source gave the file; `mismatch` if one gave another file."""

    def __init__(self, text: str, mismatch: bool) -> None:
        super().__init__(text)
        self.mismatch = mismatch


@dataclass(frozen=True)
class Options:
    """How to fetch, and the user's own files that messages name.

    Attributes:
        lock: what the first downloads were.
        mirror: folder or URL that serves everything, so that nothing else is asked; the environment's MACCAP_MIRROR.
        profile: the file where a user says `local`; the environment's MACCAP_PROFILE.
    """

    lock: AssetLock
    mirror: str | None = field(default_factory=lambda: os.environ.get(MIRROR_VARIABLE))
    patience: Patience = PATIENT
    registry: Path | str = REGISTRY
    profile: str = field(default_factory=lambda: os.environ.get("MACCAP_PROFILE", "your profile"))


@dataclass(frozen=True)
class Expected:
    """What is known of a file beforehand: its bytes, its sha256, its id in git (hex digits)."""

    size: int | None = None
    sha256: str | None = None
    git_id: str | None = None


def fetch(asset: FileAsset, folder: Path | str, options: Options, local: Path | str | None = None) -> Path:
    """Path of the asset's file below `folder`, fetched unless it is there and right.

    Args:
        local: the user's own copy, used in place of any download: linked, or copied from another disk.

    Raises:
        DataError: no source gives the right file; the message names each and what to do.
        EnvironmentProblem: the disk is too small.
    """
    target = Path(folder) / asset.file
    mirror = options.mirror
    with held(f"{target}.lock"):
        expected = Expected(asset.size, asset.sha256 or options.lock.entry(asset.name).get("sha256"))
        digest, fault = None, asset.name
        if target.is_file():
            try:
                digest = check(target, target.name, expected)
            except Refused as error:
                fault = f"{target}: {error}"
                print(f"{asset.name}: {fault}; fetching it again", file=sys.stderr, flush=True)
        if digest is None:
            sources = [str(local)] if local else [mirrored(mirror, asset.file)] if mirror else asset.urls
            if not sources:
                raise DataError(
                    f"{fault}: cannot be downloaded by a program. {asset.ask}\nThen point to your copy in "
                    f"{options.profile}:\nlocal:\n  {asset.name}: /path/to/{target.name}"
                )
            try:
                digest = obtain(sources, target, asset.name, expected, options.patience)
            except Unobtainable as error:
                raise DataError(f"{error}\n{_advice(asset, options, local, error.mismatch)}") from error
        if asset.sha256 is None:
            options.lock.record(asset.name, {"sha256": digest})
    return target


def obtain(
    sources: Sequence[str],
    target: Path,
    label: str,
    expected: Expected,
    patience: Patience,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Put the first right file of the sources (URLs or paths) at `target`; return its sha256.

    Raises:
        Unobtainable: no source gave the right file.
        EnvironmentProblem: the disk is too small.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Part(target)
    mismatch, reasons = False, []
    queue = sorted(sources, key=lambda source: not part.is_from(source))
    while queue:
        source = queue.pop(0)
        continued = part.is_from(source)
        try:
            if is_url(source):
                require_space(target.parent, (expected.size or 0) - part.size, label)
                download(source, part, label=label, size=expected.size, headers=headers, patience=patience)
            else:
                _take(Path(source), part, label)
            digest = check(part.path, target.name, expected)
        except Refused as error:
            if isinstance(error, Wrong) or not is_url(source):
                part.forget()
            if isinstance(error, Wrong) and continued:
                print(f"{label}: begun earlier, {error}; beginning anew", file=sys.stderr, flush=True)
                queue.insert(0, source)
            else:
                mismatch |= error.mismatch
                reasons.append(f"  {source}: {error}")
        else:
            part.path.replace(target)
            part.forget()
            return digest
    raise Unobtainable("\n".join([f"{label}: no source gives {target}:", *reasons]), mismatch)


def check(path: Path, name: str, expected: Expected) -> str:
    """The sha256 of a file that is to be called `name`.

    Raises:
        Wrong: it is an HTML page, a pointer of Git LFS or not a whole zip, or has another size or hash.
    """
    size = path.stat().st_size
    if size and (what := disguised(path)):
        raise Wrong(what)
    if expected.size not in (None, size):
        raise Wrong(f"it has {size:,} bytes instead of {expected.size:,}", mismatch=True)
    digest = digest_of(path)
    if expected.sha256 not in (None, digest):
        raise Wrong(f"its sha256 is {digest} instead of {expected.sha256}", mismatch=True)
    if expected.git_id:
        found = hashlib.sha1(b"blob %d\0" % size + path.read_bytes()).hexdigest()
        if found != expected.git_id:
            raise Wrong(f"its id in git is {found} instead of {expected.git_id}", mismatch=True)
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
    return (
        f"{MIRROR_VARIABLE} is {mirror}, so nothing else is asked. On a machine with internet, "
        f"`maccap mirror {'DIR' if is_url(mirror) else mirror} {name}` puts it there."
    )


def _advice(asset: FileAsset, options: Options, local: Path | str | None, mismatch: bool) -> str:
    name = asset.name
    if local:
        advice = f"Correct `local: {{{name}: {local}}}` in {options.profile}."
    elif options.mirror:
        advice = fill_mirror(options.mirror, name)
    elif not mismatch:
        advice = f"Run again to resume, or fetch it by hand and set `local: {{{name}: PATH}}` in {options.profile}."
    elif asset.sha256 or not options.lock.entry(name):
        return f"If the publisher has changed the file, correct `size` and `sha256` of {name} in {options.registry}."
    else:
        advice = ""
    return options.lock.changed(name, advice) if mismatch and not asset.sha256 else advice


def _take(source: Path, part: Part, label: str) -> None:
    """Link a file as the part; copy it when it is on another disk."""
    if source.is_dir():
        raise Refused(f"it is a folder; pack it: (cd {source} && zip -0 -r /path/to/{part.path.stem} .)")
    if not source.is_file():
        raise Refused("no such file")
    part.forget()
    link_or_copy(source, part.path, label)
