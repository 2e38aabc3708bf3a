"""The registry of everything that is downloaded: one typed, frozen object per entry of `assets.yaml`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from ..core.artifacts import stays_inside
from ..core.errors import ConfigError, flat
from ..core.yaml_file import read_yaml

DOWNLOADS = Path("artifacts/downloads")
REGISTRY = Path("workflow/resources/assets.yaml")
UNPINNED = "unpinned"
ONLY_THESE = ConfigDict(extra="forbid")


def _inside(path: str) -> str:
    if not stays_inside(path):
        raise ValueError
    return path


# A description ends the message about a wrong value: "`size: 0` must be a number of bytes, ...".
Text = Annotated[str, Field(pattern=r"\S", description="a text")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", description="a name of letters, digits, `.`, `_` and `-`")]
Size = Annotated[int | None, Field(gt=0, strict=True, description="a number of bytes, or null when unknown")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]")]
HEX = "lower-case hex digits (in quotes), or `unpinned`"


class About(BaseModel):
    """What an entry tells to people; a download does not depend on it."""

    licence: Text
    citation: Text
    seen: Annotated[tuple[Text, ...], Field(min_length=1, description="a list of where its facts were seen")]
    unverified: Text = ""


class _Asset:
    def parameters(self: Any) -> dict[str, Any]:
        """What a download depends on, as dotted keys; `from_parameters` reads them back."""
        values = asdict(self)
        pinned = {key: values[key] or UNPINNED for key in ("sha256", "revision") if key in values}
        return {f"asset.{key}": list(v) if isinstance(v, tuple) else v for key, v in (values | pinned).items()}


@dataclass(frozen=True, config=ONLY_THESE)
class FileAsset(_Asset):
    """One file, below the folder of downloads; its size is None when unknown, its sha256 when unpinned."""

    name: Name
    file: Annotated[str, AfterValidator(_inside), Field(description="a relative path inside the folder of downloads")]
    urls: Annotated[tuple[Url, ...], Field(description="a list of http(s) addresses; [] if the user has to ask for it")]
    size: Size
    sha256: Annotated[str | None, Field(pattern="^[0-9a-f]{64}$", description=f"64 {HEX}")]
    ask: Annotated[Text | None, Field(description="a text: where a user can ask for a file without `urls`")] = None

    @model_validator(mode="after")
    def _has_one_origin(self) -> FileAsset:
        if not self.urls and not self.ask:
            raise ValueError("has no `urls` and no `ask`: say there where a user can ask for the file")
        if self.urls and self.ask:
            raise ValueError("has `urls` and `ask`; `ask` is for files that cannot be downloaded")
        return self


@dataclass(frozen=True, config=ONLY_THESE)
class HubAsset(_Asset):
    """Files of one model repository of the Hugging Face hub; its revision is None when unpinned.

    The size is that of all the files together, None when unknown.
    """

    name: Name
    hub: Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)?$", description="a name like facebook/opt-125m")]
    revision: Annotated[str | None, Field(pattern="^[0-9a-f]{40}$", description=f"a commit of 40 {HEX}")]
    patterns: Annotated[tuple[Text, ...], Field(min_length=1, description='a list of file names, like "*.json"')]
    size: Size = None

    def parameters(self) -> dict[str, Any]:
        """As for a file, but for the size, which serves planning only."""
        return {key: value for key, value in super().parameters().items() if key != "asset.size"}


Asset = FileAsset | HubAsset


def from_parameters(settings: dict[str, Any]) -> Asset:
    """The asset whose `parameters()` are among these dotted keys.

    Raises:
        ConfigError: they do not describe an asset.
    """
    return _asset({key.removeprefix("asset."): value for key, value in settings.items() if key.startswith("asset.")})


def read_registry(path: Path | str = REGISTRY) -> dict[str, Asset]:
    """All assets by name, in the file's order.

    Raises:
        ConfigError: the file is missing or not YAML, or an entry is wrong; the message names it.
    """
    try:
        entries = read_yaml(path)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such file; correct `registry` in the config, or `--registry` of `maccap mirror`"
        ) from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML ({flat(error)}); correct it") from error
    if not isinstance(entries, dict) or not entries:
        raise ConfigError(f"{path}: must be a mapping of asset names to entries")
    assets: dict[str, Asset] = {}
    owner: dict[str, str] = {}
    for name, entry in entries.items():
        try:
            assets[name] = asset = _described(name, entry)
            if isinstance(asset, FileAsset) and owner.setdefault(asset.file, name) != name:
                raise ConfigError(f"`file: {asset.file}` is taken by {owner[asset.file]}; give it a path of its own")
        except ConfigError as error:
            raise ConfigError(f"{path}: asset {name}: {error}") from error
    return assets


def folder_name(model: str) -> str:
    """A model's name, or a path to one, as the name of a folder."""
    return model.strip("/").replace("/", "--")


def looks_like_a_path(model: str) -> bool:
    """Whether a model's name cannot be one of the hub, which are `name` or `owner/name`."""
    return model.count("/") > 1 or model[0] in "./~"


def _described(name: Any, entry: Any) -> Asset:
    if not isinstance(entry, dict):
        raise ConfigError("must be a mapping with `file` and `urls`, or with `hub` and `revision`")
    about = About.model_fields
    _checked(About, {key: value for key, value in entry.items() if key in about})
    return _asset({"name": name} | {key: value for key, value in entry.items() if key not in about})


def _asset(entry: dict[str, Any]) -> Asset:
    hashes = {key: entry[key] for key in ("sha256", "revision") if key in entry}
    read = {key: None if value == UNPINNED else value or "" for key, value in hashes.items()}
    return _checked(HubAsset if "hub" in entry else FileAsset, entry | read)


def _checked(kind: Any, entry: dict[str, Any]) -> Any:
    adapter = TypeAdapter(kind)
    try:
        return adapter.validate_python(entry)
    except ValidationError as error:
        fault, fields = error.errors()[0], adapter.json_schema()["properties"]
        key = str(fault["loc"][0]) if fault["loc"] else None
        if key is None:
            text = fault["msg"].removeprefix("Value error, ")
        elif key not in fields:
            text = f"`{key}` is not a key of {'a model' if 'hub' in entry else 'a file'}; known: {', '.join(fields)}"
        else:
            given = f"{key}: {entry[key]}" if key in entry else key
            text = f"`{given}` {'must be' if key in entry else 'is missing:'} {fields[key]['description']}"
        raise ConfigError(text) from error
