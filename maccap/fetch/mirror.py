"""A folder that holds every asset, to be served to machines without internet through MACCAP_MIRROR."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

from ..core.artifacts import require_space
from ..core.errors import ConfigError, DataError, MaccapError
from .download import MIRROR_VARIABLE, fetch
from .hub import INDEX, fetch_model, mirror_folder
from .lock import AssetLock
from .registry import Asset, FileAsset, HubAsset, read_registry
from .transfer import PATIENT, Patience, bytes_of

AT_ONCE = 4


def build_mirror(
    folder: Path | str, registry: Path | str, names: Sequence[str] = (), *, patience: Patience = PATIENT
) -> None:
    """Fetch assets (default: all of the registry), several at a time, and print what the folder has and lacks.

    What is there and right is kept; what is there in part is resumed.

    Raises:
        ConfigError: a name is not in the registry, or the registry is wrong.
        DataError: some assets could not be fetched; all others are there.
        EnvironmentProblem: the disk is too small for what is missing.
    """
    folder = Path(folder)
    assets = read_registry(registry)
    if unknown := sorted(set(names) - set(assets)):
        raise ConfigError(f"{registry}: has no asset {unknown[0]}; known: {', '.join(assets)}")
    wanted = [asset for name, asset in assets.items() if not names or name in names]
    supplied = [asset for asset in wanted if isinstance(asset, FileAsset) and _only_by_hand(asset, folder)]
    fetched = [asset for asset in wanted if asset not in supplied]
    folder.mkdir(parents=True, exist_ok=True)
    require_space(folder, sum(_missing_bytes(asset, folder) for asset in fetched), str(folder))
    lock = AssetLock.beside(registry)
    failures = []
    with ThreadPool(AT_ONCE) as pool:
        for asset, failure in pool.imap(lambda asset: (asset, _fetched(asset, folder, lock, patience)), fetched):
            print(f"{'missing' if failure else 'there'}\t{asset.name}", flush=True)
            failures += [failure] if failure else []
    for asset in supplied:
        print(f"by hand\t{asset.name}\tput it at {folder / asset.file}. {asset.ask}")
    if failures:
        raise DataError(
            "\n".join([f"{len(failures)} of {len(wanted)} assets are missing; run again to resume", *failures])
        )
    print(f"Use it with {MIRROR_VARIABLE}={folder.resolve()}, or serve the folder over HTTP and give its URL.")


def _only_by_hand(asset: FileAsset, folder: Path) -> bool:
    return not asset.urls and not (folder / asset.file).exists()


def _missing_bytes(asset: Asset, folder: Path) -> int:
    """Bytes still to come, as far as the registry knows."""
    if isinstance(asset, HubAsset):
        home = folder / mirror_folder(asset)
        there = 0 if (home / INDEX).exists() else sum(bytes_of(path) for path in home.rglob("*") if path.is_file())
        return 0 if (home / INDEX).exists() else max((asset.size or 0) - there, 0)
    target = folder / asset.file
    there = bytes_of(target) or bytes_of(target.with_name(f"{target.name}.part"))
    return max((asset.size or 0) - there, 0)


def _fetched(asset: Asset, folder: Path, lock: AssetLock, patience: Patience) -> str | None:
    """Fetch one asset; the message if it fails."""
    try:
        if isinstance(asset, HubAsset):
            fetch_model(asset, folder / mirror_folder(asset), lock, patience=patience)
        else:
            fetch(asset, folder, lock, patience=patience)
    except MaccapError as error:
        return str(error)
    return None
