"""Models of the Hugging Face hub: pinned by commit, every file checked, through the same downloader as all else.

`huggingface_hub` says what a repository holds, and with which token to ask; its `snapshot_download` is not used: a
file that a crash or an error of the server cuts short begins anew there, and no hash is checked.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.artifacts import require_space, sha256, stays_inside, write_json
from ..core.errors import ConfigError, DataError, EnvironmentProblem, flat
from ..core.holding import held
from .download import MIRROR_VARIABLE, Expected, Options, Unobtainable, fill_mirror, mirrored, obtain
from .registry import UNPINNED, HubAsset
from .transfer import SOCKS, WORTH_A_RETRY, Part

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

INDEX = "index.json"
Files = dict[str, tuple[str, Expected]]  # by name: the source, and what is known of the file


def fetch_model(asset: HubAsset, folder: Path | str, options: Options) -> Path:
    """`folder`, with the model's files and, written last, `index.json`: `[{"name", "size", "sha256"}]`.

    The commit and every file's sha256 are recorded in the lock on the first download; later ones must match. Files that
    are there and right are not fetched again, and nothing is asked when all are.

    Raises:
        ConfigError: the repository, the revision or a file does not exist.
        DataError: a file cannot be had or is not what it was; the message says what to do.
        EnvironmentProblem: the disk is too small.
    """
    folder, lock = Path(folder), options.lock
    with held(f"{folder}.lock"):
        entry = lock.entry(asset.name)
        for what, wanted in (("hub", asset.hub), ("commit", asset.revision)):
            if wanted and entry.get(what) not in (None, wanted):
                raise lock.mismatch(asset.name, what, entry[what], wanted)
        known = {name: digest for name, digest in entry.get("files", {}).items() if _wanted(asset, name)}
        whole = known and entry["patterns"] == list(asset.patterns)
        if not whole or not all(_is_right(folder / name, digest) for name, digest in known.items()):
            if options.mirror:
                commit, files = asset.revision, _of_mirror(asset, options)
            else:
                commit, files = _of_hub(asset, asset.revision or entry.get("commit"), options)
            _check_names(asset, files, options.mirror or f"{asset.hub} at commit {commit}", options)
            known = _fetch_files(asset, folder, files, known, options)
            record = {"hub": asset.hub, "commit": commit, "patterns": list(asset.patterns), "files": known}
            lock.record(asset.name, record)
        rows = [{"name": n, "size": (folder / n).stat().st_size, "sha256": known[n]} for n in sorted(known)]
        write_json(folder / INDEX, rows)
    return folder


def mirror_folder(asset: HubAsset) -> str:
    """Where a mirror keeps the model."""
    return f"models/{asset.hub}/{asset.revision or UNPINNED}"


def _fetch_files(
    asset: HubAsset, folder: Path, files: Files, known: Mapping[str, str], options: Options
) -> dict[str, str]:
    """Fetch what is missing or wrong; {name: sha256} of all files."""
    found, missing = {}, {}
    for name, (source, expected) in files.items():
        digest = known.get(name) or expected.sha256
        if expected.sha256 not in (None, digest):
            raise options.lock.mismatch(asset.name, f"sha256 of {name}", known[name], str(expected.sha256))
        if digest and _is_right(folder / name, digest):
            found[name] = digest
        else:
            missing[name] = source, replace(expected, sha256=digest)
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum((expected.size or 0) - Part(folder / name).size for name, (_, expected) in missing.items())
    require_space(folder, needed, asset.name)
    headers = {}
    if not options.mirror:
        from huggingface_hub.utils import build_hf_headers

        headers = {name: value for name, value in build_hf_headers().items() if name == "authorization"}
    for name, (source, expected) in missing.items():
        label = f"{asset.name}/{name}"
        try:
            found[name] = obtain([source], folder / name, label, expected, options.patience, headers)
        except Unobtainable as error:
            advice = "Run again to resume; a private or gated repository needs an access token in HF_TOKEN."
            if options.mirror:
                advice = fill_mirror(options.mirror, asset.name)
            if error.mismatch and name in known:
                advice = options.lock.changed(asset.name, advice)
            raise DataError(f"{error}\n{advice}") from error
    return found


def _of_mirror(asset: HubAsset, options: Options) -> Files:
    mirror, base = str(options.mirror), mirror_folder(asset)
    index = mirrored(mirror, f"{base}/{INDEX}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / INDEX
        try:
            obtain([index], copy, asset.name, Expected(), options.patience)
            return {
                row["name"]: (mirrored(mirror, f"{base}/{row['name']}"), Expected(row["size"], row["sha256"]))
                for row in json.loads(copy.read_bytes())
                if _wanted(asset, row["name"])
            }
        except (Unobtainable, ValueError, KeyError, TypeError) as error:
            text = error if isinstance(error, DataError) else f"{index}: must list name, size and sha256 of each file"
            raise DataError(f"{text}\n{fill_mirror(mirror, asset.name)}") from error


def _of_hub(asset: HubAsset, revision: str | None, options: Options) -> tuple[str | None, Files]:
    from huggingface_hub import hf_hub_url

    info, files = _ask_hub(asset, revision, options), {}
    for file in info.siblings or []:
        if _wanted(asset, file.rfilename):
            known = Expected(file.size, file.lfs.sha256) if file.lfs else Expected(file.size, git_id=file.blob_id)
            files[file.rfilename] = hf_hub_url(asset.hub, file.rfilename, revision=info.sha), known
    return info.sha, files


def _ask_hub(asset: HubAsset, revision: str | None, options: Options) -> ModelInfo:
    """The repository's commit and files; a hub that is out of order is asked again."""
    import httpx2
    from huggingface_hub import HfApi, errors

    patience, failures = options.patience, 0
    while True:
        try:
            return HfApi().model_info(asset.hub, revision=revision, files_metadata=True, timeout=patience.stall)
        except errors.RevisionNotFoundError as error:
            text = f"{asset.hub} has no revision {revision}; correct `revision` in {options.registry}"
            raise ConfigError(f"{asset.name}: {text}") from error
        except errors.RepositoryNotFoundError as error:
            text = f"{asset.name}: the hub has no model {asset.hub}, or it is private or gated: correct `hub`"
            raise ConfigError(f"{text} in {options.registry}, or set HF_TOKEN to a token with access") from error
        except errors.OfflineModeIsEnabled as error:
            text = f"{asset.name}: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"
            raise DataError(f"{text}; unset it, or serve the model from a mirror ({MIRROR_VARIABLE})") from error
        except ImportError as error:
            raise EnvironmentProblem(f"{asset.name}: {error} {SOCKS}") from error
        except ValueError as error:
            if "proxy" not in str(error):
                raise
            text = (
                f"{asset.name}: {flat(error)}; correct ALL_PROXY, HTTPS_PROXY or HTTP_PROXY, such as socks5://HOST:PORT"
            )
            raise EnvironmentProblem(text) from error
        except (httpx2.TransportError, errors.HfHubHTTPError) as error:
            failures += 1
            final = isinstance(error, errors.HfHubHTTPError) and error.response.status_code not in WORTH_A_RETRY
            if final or failures == patience.tries:
                text = f"{asset.name}: the hub does not answer for {asset.hub} ({str(error).splitlines()[0]})"
                raise DataError(f"{text}; run again later, or use a mirror ({MIRROR_VARIABLE})") from error
            time.sleep(patience.wait(failures))


def _wanted(asset: HubAsset, name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in asset.patterns)


def _check_names(asset: HubAsset, names: Mapping[str, Any], where: str, options: Options) -> None:
    """The files stay in their folder and there are some; a name without wildcards that is not among them is told."""
    for name in names:
        if not stays_inside(name):
            raise DataError(f"{where}: the file name {name!r} would leave the folder; do not trust this source")
    for pattern in asset.patterns:
        if pattern not in names and not set(pattern) & set("*?["):
            print(f"{asset.name}: {where} has no file {pattern}; going on without it", file=sys.stderr, flush=True)
    if not names:
        patterns = ", ".join(asset.patterns)
        raise ConfigError(
            f"{asset.name}: {where} has no file like {patterns}; correct `patterns` in {options.registry}"
        )


def _is_right(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest
