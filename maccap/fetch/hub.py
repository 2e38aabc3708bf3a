"""Models of the Hugging Face hub: pinned by commit, every file checked, through the same downloader as all else."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.artifacts import read_json, require_space, sha256, stays_inside, write_json
from ..core.errors import ConfigError, DataError
from .download import MIRROR_VARIABLE, Unobtainable, fill_mirror, mirrored, obtain
from .lock import AssetLock, exclusive
from .registry import UNPINNED, HubAsset
from .transfer import PATIENT, Patience, bytes_of

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

INDEX = "index.json"


@dataclass(frozen=True)
class _File:
    """A file of the repository; size in bytes and sha256 where the source tells them."""

    name: str
    source: str
    size: int | None
    sha256: str | None


@dataclass(frozen=True)
class _Listing:
    """What a source has of the asset; the commit is None where a mirror does not know it."""

    commit: str | None
    files: list[_File]
    headers: Mapping[str, str] = field(default_factory=dict)


def fetch_model(
    asset: HubAsset,
    folder: Path | str,
    lock: AssetLock,
    *,
    mirror: str | None = None,
    patience: Patience = PATIENT,
) -> Path:
    """`folder`, with the model's files and, written last, `index.json`: `[{"name", "size", "sha256"}]`.

    The commit and every file's sha256 are recorded in the lock on the first download; later ones must match. Files that
    are there and right are not fetched again, and nothing is asked when all are.

    Args:
        mirror: folder or URL that serves everything (default: the environment's MACCAP_MIRROR); nothing else is asked.

    Raises:
        ConfigError: the repository, the revision or a file does not exist.
        DataError: a file cannot be had or is not what it was; the message says what to do.
        EnvironmentProblem: the disk is too small.
    """
    folder = Path(folder)
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    with exclusive(f"{folder}.lock"):
        entry = lock.entry(asset.name)
        _check_entry(asset, entry, lock)
        known: dict[str, str] = entry.get("files", {})
        whole = known and entry["patterns"] == list(asset.patterns)
        if not whole or not all(_is_right(folder / name, digest) for name, digest in known.items()):
            known = _fetch_files(asset, folder, lock, known, entry.get("commit"), mirror, patience)
        write_json(
            folder / INDEX,
            [{"name": name, "size": bytes_of(folder / name), "sha256": known[name]} for name in sorted(known)],
        )
    return folder


def mirror_folder(asset: HubAsset) -> str:
    """Where a mirror keeps the model."""
    return f"models/{asset.hub}/{asset.revision or UNPINNED}"


def _check_entry(asset: HubAsset, entry: dict[str, Any], lock: AssetLock) -> None:
    for what, wanted in (("hub", asset.hub), ("commit", asset.revision)):
        if wanted and entry.get(what) not in (None, wanted):
            raise lock.mismatch(asset.name, what, entry[what], wanted)


def _fetch_files(
    asset: HubAsset,
    folder: Path,
    lock: AssetLock,
    known: Mapping[str, str],
    commit: str | None,
    mirror: str | None,
    patience: Patience,
) -> dict[str, str]:
    """Fetch what is missing or wrong and record it; {name: sha256} of all files."""
    listing = _of_mirror(asset, mirror, patience) if mirror else _of_hub(asset, commit, patience)
    for file in listing.files:
        if file.sha256 and known.get(file.name, file.sha256) != file.sha256:
            raise lock.mismatch(asset.name, f"sha256 of {file.name}", known[file.name], file.sha256)
    missing = [file for file in listing.files if not _is_right(folder / file.name, known.get(file.name, file.sha256))]
    folder.mkdir(parents=True, exist_ok=True)
    begun = sum(bytes_of(folder / f"{file.name}.part") for file in missing)
    require_space(folder, sum(file.size or 0 for file in missing) - begun, asset.name)
    found = {file.name: known.get(file.name) or file.sha256 or "" for file in listing.files}
    for file in missing:
        try:
            found[file.name] = obtain(
                [file.source],
                folder / file.name,
                f"{asset.name}/{file.name}",
                file.size,
                found[file.name] or None,
                headers=listing.headers,
                patience=patience,
            )
        except Unobtainable as error:
            raise DataError(f"{error}\n{_advice(asset, lock, file, known, mirror, error.mismatch)}") from error
    lock.record(
        asset.name,
        {"hub": asset.hub, "commit": listing.commit, "patterns": list(asset.patterns), "files": found},
    )
    return found


def _advice(
    asset: HubAsset, lock: AssetLock, file: _File, known: Mapping[str, str], mirror: str | None, mismatch: bool
) -> str:
    resume = "Run again to resume; a private or gated repository needs an access token in HF_TOKEN."
    advice = fill_mirror(mirror, asset.name) if mirror else resume
    if mismatch and file.name in known:
        advice = f"The first download was another file. {lock.advice(asset.name)}\n{advice}"
    return advice


def _of_mirror(asset: HubAsset, mirror: str, patience: Patience) -> _Listing:
    base = mirror_folder(asset)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / INDEX
        try:
            obtain([mirrored(mirror, f"{base}/{INDEX}")], copy, asset.name, patience=patience)
        except Unobtainable as error:
            raise DataError(f"{error}\n{fill_mirror(mirror, asset.name)}") from error
        rows = read_json(copy)
    try:
        files = [
            _File(row["name"], mirrored(mirror, f"{base}/{row['name']}"), row["size"], row["sha256"])
            for row in rows
            if any(fnmatchcase(row["name"], pattern) for pattern in asset.patterns)
        ]
    except (KeyError, TypeError) as error:
        text = f"{mirrored(mirror, f'{base}/{INDEX}')}: must list name, size and sha256 of each file"
        raise DataError(f"{text}\n{fill_mirror(mirror, asset.name)}") from error
    _check_names(asset, files, mirrored(mirror, base))
    return _Listing(asset.revision, files)


def _of_hub(asset: HubAsset, commit: str | None, patience: Patience) -> _Listing:
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers

    info = _ask_hub(asset, asset.revision or commit, patience)
    files = [
        _File(
            file.rfilename,
            hf_hub_url(asset.hub, file.rfilename, revision=info.sha),
            file.size,
            file.lfs.sha256 if file.lfs else None,
        )
        for file in info.siblings or []
        if any(fnmatchcase(file.rfilename, pattern) for pattern in asset.patterns)
    ]
    _check_names(asset, files, f"{asset.hub} at commit {info.sha}")
    token = build_hf_headers().get("authorization")
    return _Listing(info.sha, files, {"authorization": token} if token else {})


def _ask_hub(asset: HubAsset, revision: str | None, patience: Patience) -> ModelInfo:
    """The repository's commit and files; a hub that is out of order is asked again."""
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    failures = 0
    while True:
        try:
            return HfApi().model_info(asset.hub, revision=revision, files_metadata=True, timeout=patience.stall)
        except RevisionNotFoundError as error:
            text = f"{asset.name}: {asset.hub} has no revision {revision}; correct `revision` in the registry"
            raise ConfigError(text) from error
        except RepositoryNotFoundError as error:
            text = f"{asset.name}: the hub has no model {asset.hub}, or it is private or gated"
            raise ConfigError(
                f"{text}: correct `hub` in the registry, or set HF_TOKEN to a token with access"
            ) from error
        except OfflineModeIsEnabled as error:
            text = f"{asset.name}: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"
            raise DataError(f"{text}; unset it, or serve the model from a mirror ({MIRROR_VARIABLE})") from error
        except (httpx2.TransportError, HfHubHTTPError) as error:
            failures += 1
            passing = not isinstance(error, HfHubHTTPError) or error.response.status_code in (429, *range(500, 600))
            if failures == patience.tries or not passing:
                text = f"{asset.name}: the hub does not answer for {asset.hub} ({str(error).splitlines()[0]})"
                raise DataError(f"{text}; run again later, or use a mirror ({MIRROR_VARIABLE})") from error
            time.sleep(patience.wait(failures))


def _check_names(asset: HubAsset, files: list[_File], where: str) -> None:
    """The files stay in their folder and there are some; a name without wildcards that is not among them is told."""
    names = {file.name for file in files}
    for name in sorted(names):
        if not stays_inside(name):
            raise DataError(f"{where}: the file name {name!r} would leave the folder; do not trust this source")
    for pattern in asset.patterns:
        if pattern not in names and not set(pattern) & set("*?["):
            print(f"{asset.name}: {where} has no file {pattern}; going on without it", file=sys.stderr, flush=True)
    if not names:
        raise ConfigError(f"{asset.name}: {where} has no file like {', '.join(asset.patterns)}; correct `patterns`")


def _is_right(path: Path, digest: str | None) -> bool:
    return bool(digest) and path.is_file() and sha256(path) == digest
