"""A folder that holds every asset, to be served to machines without internet through MACCAP_MIRROR."""

from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import requests

from ..core.artifacts import disguised, require_space
from ..core.errors import ConfigError, DataError, MaccapError
from ..core.records import size_of
from .download import MIRROR_VARIABLE, Options, fetch, is_url, mirrored
from .hub import INDEX, fetch_model, mirror_folder
from .lock import AssetLock
from .registry import Asset, FileAsset, HubAsset, read_registry
from .transfer import PATIENT, Part, Patience

AT_ONCE = 4
SOON = 1.5  # seconds for a mirror to say what it has


def build_mirror(
    folder: Path | str, registry: Path | str, names: Sequence[str] = (), *, patience: Patience = PATIENT
) -> None:
    """Fetch assets (default: all of the registry), several at a time, and print what the folder has and lacks.

    What is there and right is kept; what is there in part is resumed. The lock lies beside the registry: `assets.yaml`
    has `assets.lock.json`.

    Raises:
        ConfigError: a name is not in the registry, or the registry is wrong.
        DataError: some assets could not be fetched; all others are there.
        EnvironmentProblem: the disk is too small for what is missing.
    """
    folder, assets = Path(folder), read_registry(registry)
    options = Options(AssetLock(Path(registry).with_suffix(".lock.json")), None, patience, registry)
    if unknown := sorted(set(names) - set(assets)):
        raise ConfigError(f"{registry}: has no asset {unknown[0]}; known: {', '.join(assets)}")
    wanted = [asset for name, asset in assets.items() if not names or name in names]
    by_hand = [a for a in wanted if isinstance(a, FileAsset) and not a.urls and not (folder / a.file).exists()]
    fetched = [asset for asset in wanted if asset not in by_hand]
    folder.mkdir(parents=True, exist_ok=True)
    require_space(folder, sum(_missing_bytes(asset, folder) for asset in fetched), str(folder))

    def failure(asset: Asset) -> str | None:
        try:
            if isinstance(asset, HubAsset):
                fetch_model(asset, folder / mirror_folder(asset), options)
            else:
                fetch(asset, folder, options)
        except MaccapError as error:
            return str(error)
        return None

    failures = []
    with ThreadPool(AT_ONCE) as pool:
        for asset, text in zip(fetched, pool.imap(failure, fetched)):
            print(f"{'missing' if text else 'there'}\t{asset.name}", flush=True)
            failures += [text] if text else []
    for asset in by_hand:
        print(f"by hand\t{asset.name}\tput it at {folder / asset.file}. {asset.ask}")
    if failures:
        raise DataError(
            "\n".join([f"{len(failures)} of {len(wanted)} assets are missing; run again to resume", *failures])
        )
    print(f"Use it with {MIRROR_VARIABLE}={folder.resolve()}, or serve the folder over HTTP and give its URL.")


def lacking(mirror: str, assets: Sequence[Asset]) -> list[str]:
    """The names of the assets that a mirror, a folder or an address, does not have, or of another size."""
    with ThreadPool(AT_ONCE) as pool:
        there = pool.map(lambda asset: _has(mirror, asset), assets)
    return [asset.name for asset, known in zip(assets, there, strict=True) if not known]


def _has(mirror: str, asset: Asset) -> bool:
    """Where an address says neither yes nor no, it is supposed to."""
    file = f"{mirror_folder(asset)}/{INDEX}" if isinstance(asset, HubAsset) else asset.file
    size = asset.size if isinstance(asset, FileAsset) else None
    if not is_url(mirror):
        path = Path(mirror, file)
        return path.is_file() and not disguised(path) and size in (None, path.stat().st_size)
    try:
        answer = requests.head(mirrored(mirror, file), timeout=SOON, allow_redirects=True)
    except requests.RequestException:
        return True
    told = answer.headers.get("Content-Length") if answer.ok else None
    return answer.status_code not in (404, 410) and (None in (size, told) or str(size) == told)


def _missing_bytes(asset: Asset, folder: Path) -> int:
    """Bytes still to come, as far as the registry knows."""
    home = folder / (mirror_folder(asset) if isinstance(asset, HubAsset) else asset.file)
    if (home / INDEX).exists() or home.is_file():
        return 0
    return max((asset.size or 0) - (size_of(home) if home.is_dir() else Part(home).size), 0)
