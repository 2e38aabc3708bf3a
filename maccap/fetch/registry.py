"""The registry of everything that is downloaded: one typed, frozen object per entry of `assets.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..core.artifacts import stays_inside
from ..core.errors import ConfigError

DOWNLOADS = Path("artifacts/downloads")
REGISTRY = Path("workflow/resources/assets.yaml")
UNPINNED = "unpinned"
ABOUT = {"licence", "citation", "seen"}
OPTIONAL = {"unverified"}
FILE_KEYS = {"file", "urls", "size", "sha256"}
HUB_KEYS = {"hub", "revision", "patterns"}


@dataclass(frozen=True)
class FileAsset:
    """One file, below the folder of downloads.

    Attributes:
        file: where it lies, relative, with `/`.
        urls: tried in order; none when the user must supply it.
        size: bytes, if known.
        sha256: 64 hex digits; None when unpinned.
        ask: where to ask for it when there are no URLs.
    """

    name: str
    file: str
    urls: tuple[str, ...]
    size: int | None
    sha256: str | None
    ask: str | None = None

    def parameters(self) -> dict[str, Any]:
        """What a download depends on, as dotted keys; `from_parameters` reads them back."""
        return {
            "asset.name": self.name,
            "asset.file": self.file,
            "asset.urls": list(self.urls),
            "asset.size": self.size,
            "asset.sha256": self.sha256 or UNPINNED,
            "asset.ask": self.ask,
        }


@dataclass(frozen=True)
class HubAsset:
    """Files of one model repository of the Hugging Face hub.

    Attributes:
        revision: the commit, 40 hex digits; None when unpinned.
        patterns: shell patterns of the files to fetch.
        size: bytes of all of them, if known.
    """

    name: str
    hub: str
    revision: str | None
    patterns: tuple[str, ...]
    size: int | None = None

    def parameters(self) -> dict[str, Any]:
        """What a download depends on, as dotted keys; `from_parameters` reads them back."""
        return {
            "asset.name": self.name,
            "asset.hub": self.hub,
            "asset.revision": self.revision or UNPINNED,
            "asset.patterns": list(self.patterns),
        }


Asset = FileAsset | HubAsset


def from_parameters(cfg: dict[str, Any]) -> Asset:
    """The asset whose `parameters()` are among these dotted keys.

    Raises:
        ConfigError: they do not describe an asset.
    """
    entry = {key.removeprefix("asset."): value for key, value in cfg.items() if key.startswith("asset.")}
    name = entry.pop("name", None)
    if not isinstance(name, str):
        raise ConfigError("config key asset.name is missing: pass the parameters() of one asset of the registry")
    return _asset(name, {key: value for key, value in entry.items() if (key, value) != ("ask", None)})


def read_registry(path: Path | str = REGISTRY) -> dict[str, Asset]:
    """All assets by name, in the file's order.

    Raises:
        ConfigError: the file is missing or not YAML, or an entry is wrong; the message names it.
    """
    try:
        entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; name the registry of assets with --registry") from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML ({error})") from error
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(f"{path}: must be a mapping of asset names to entries")
    assets: dict[str, Asset] = {}
    owner: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            _check_described(entry)
            assets[name] = asset = _asset(name, {key: entry[key] for key in entry if key not in ABOUT | OPTIONAL})
            if isinstance(asset, FileAsset) and owner.setdefault(asset.file, name) != name:
                raise ConfigError(f"`file: {asset.file}` is taken by {owner[asset.file]}; give it a path of its own")
        except ConfigError as error:
            raise ConfigError(f"{path}: asset {name}: {error}") from error
    return assets


def slug(model: str) -> str:
    """A model's name, or a path to one, as the name of a folder."""
    return model.strip("/").replace("/", "--")


def looks_like_a_path(model: str) -> bool:
    """Whether a model's name cannot be one of the hub, which are `name` or `owner/name`."""
    return model.count("/") > 1 or model[0] in "./~"


def _check_described(entry: Any) -> None:
    if not isinstance(entry, dict):
        raise ConfigError("must be a mapping with `file` and `urls`, or with `hub` and `revision`")
    for key in ("licence", "citation"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise ConfigError(f"`{key}` must be a text")
    _texts(entry, "seen", "where its URL, size or hash were seen")
    if not isinstance(entry.get("unverified", ""), str):
        raise ConfigError("`unverified` must be a text: what could not be verified")


def _asset(name: str, entry: dict[str, Any]) -> Asset:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError("its name must consist of letters, digits, `.`, `_` and `-`")
    kind, required, optional = ("hub", HUB_KEYS, {"size"}) if "hub" in entry else ("file", FILE_KEYS, {"ask"})
    if unknown := sorted(set(map(str, entry)) - required - optional):
        known = ", ".join(sorted(required | optional | ABOUT | OPTIONAL))
        raise ConfigError(f"`{unknown[0]}` is not a key of a {kind} asset; known: {known}")
    if missing := sorted(required - set(entry)):
        raise ConfigError(f"`{missing[0]}` is missing")
    size = entry.get("size")
    if size is not None and (type(size) is not int or size <= 0):
        raise ConfigError(f"`size: {size}` must be a number of bytes, or null when unknown")
    return _hub_asset(name, entry) if kind == "hub" else _file_asset(name, entry)


def _file_asset(name: str, entry: dict[str, Any]) -> FileAsset:
    file, ask = entry["file"], entry.get("ask")
    if not isinstance(file, str) or not stays_inside(file):
        raise ConfigError(f"`file: {file}` must be a relative path that stays in the folder of downloads")
    urls = _texts(entry, "urls", "addresses, [] if the user must supply the file", empty=True)
    for url in urls:
        if not re.match(r"https?://[^/\s]+", url):
            raise ConfigError(f"`urls` has {url!r}, which does not begin with http:// or https:// and a host")
    if not urls and not (isinstance(ask, str) and ask.strip()):
        raise ConfigError("has no `urls` and no `ask`: say there where a user can ask for the file")
    if urls and ask is not None:
        raise ConfigError("has `urls` and `ask`; `ask` is for files that cannot be downloaded")
    return FileAsset(name, file, urls, entry["size"], _hash(entry, "sha256", 64), ask)


def _hub_asset(name: str, entry: dict[str, Any]) -> HubAsset:
    hub = entry["hub"]
    if not isinstance(hub, str) or not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", hub):
        raise ConfigError(f"`hub: {hub}` must be the name of a model repository, like facebook/opt-125m")
    patterns = _texts(entry, "patterns", 'patterns of file names, like "*.json"')
    return HubAsset(name, hub, _hash(entry, "revision", 40), patterns, entry.get("size"))


def _hash(entry: dict[str, Any], key: str, digits: int) -> str | None:
    value = entry[key]
    if value == UNPINNED:
        return None
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        raise ConfigError(f"`{key}: {value}` must be {digits} lower-case hex digits (in quotes), or `{UNPINNED}`")
    return value


def _texts(entry: dict[str, Any], key: str, what: str, *, empty: bool = False) -> tuple[str, ...]:
    values = entry.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ConfigError(f"`{key}` must be a list of texts: {what}")
    if not values and not empty:
        raise ConfigError(f"`{key}` is empty: {what}")
    return tuple(values)
