"""The project's folder: its profiles, which of them is the default, and the configuration that each stands for."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from .dotted import leaves
from .errors import ConfigError, EnvironmentProblem, MaccapError, flat
from .settings import complete
from .yaml_file import read_yaml

CONFIG = Path("config/config.yaml")
BASE = CONFIG.with_name("base.yaml")
PACKAGE = Path(__file__).parents[2]  # where the package lies: in a checkout, the project's folder


def own(path: str) -> str:
    """A path in the working directory or, where nothing is there, of what lies beside the package; else as it is."""
    beside = str(PACKAGE / path)
    return beside if not os.path.exists(path) and os.path.exists(beside) else path  # False where a name is too long


def located(value: Any) -> Any:
    """A config or a part of it, with the project's own files and folders where they are (`own`)."""
    if isinstance(value, dict):
        return {name: located(part) for name, part in value.items()}
    if isinstance(value, list):
        return [located(part) for part in value]
    return own(value) if isinstance(value, str) and "/" in value else value


def gone(config: dict[str, Any]) -> list[str]:
    """`key: path: fault` of each file of the user's own that a config names and that is not there, or is a folder.

    Images may be in a folder.
    """
    own = {key: path for key, path in leaves("", config).items() if key.endswith(".file")}
    missing = [
        f"{key}: {path}: no such file or folder; correct it" for key, path in own.items() if not os.path.exists(path)
    ]
    files = {key: path for key, path in own.items() if not key.endswith(".images.file")}
    return missing + [
        f"{key}: {path}: is a folder; name the file" for key, path in files.items() if os.path.isdir(path)
    ]


def default_profile(root: Path = Path()) -> str:
    """The profile of a plain `snakemake` call.

    Raises:
        EnvironmentProblem: the folder, by default the current one, is not the project's.
        ConfigError: its config/config.yaml names no profile.
    """
    path = root / CONFIG
    if not (path.is_file() and (root / "Snakefile").is_file()):
        where = "here; change to the project's folder" if root == Path() else f"in {root}; name the project's folder"
        raise EnvironmentProblem(f"no Snakefile and config/config.yaml {where}")
    try:
        return str(read_yaml(path)["profile"])
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: names no profile ({flat(error)}); write the line `profile: mini`") from error


def making(profile: str, root: Path = Path()) -> str:
    """The call of Snakemake that makes a profile."""
    try:
        default = profile == default_profile(root)
    except MaccapError:  # the checks name what is wrong with config/config.yaml
        default = False
    return "snakemake --cores all" + ("" if default else f" --configfile config/{profile}.yaml")


def pipeline_file(profile: str, root: Path = Path()) -> Path:
    """A profile's pipeline of DVC: `dvc.yaml` for the default one, else in its own folder under `pipelines/`."""
    return Path("dvc.yaml") if profile == default_profile(root) else Path("pipelines") / profile / "dvc.yaml"


def profiles() -> list[str]:
    """Every profile in `config/`, the default one first."""
    first = default_profile()
    others = sorted(path.stem for path in CONFIG.parent.glob("*.yaml") if path not in (CONFIG, BASE))
    return [first, *(name for name in others if name != first)]


def config_files(profile: str, root: Path = Path()) -> list[Path]:
    """The files that a profile is merged from, which Snakemake reads, too; a later one overrides an earlier one.

    Raises:
        ConfigError: a file is missing or no YAML, or profiles extend each other in a ring.
    """
    found: list[Path] = []
    if not re.fullmatch(r"\w[\w.-]*", profile) or profile in (CONFIG.stem, BASE.stem):
        raise ConfigError(f"config/{profile}.yaml: no such profile; give the name of a file there, without suffix")
    while profile:
        file = CONFIG.with_name(f"{profile}.yaml")
        if file in found:
            raise ConfigError(f"{file}: extends itself; correct the key `extends`")
        found.insert(0, file)
        profile = _content(root / file).get("extends") or ""
        if profile and not (root / CONFIG).with_name(f"{profile}.yaml").is_file():
            raise ConfigError(f"{file}: extends {profile!r}, but there is no config/{profile}.yaml")
    return [CONFIG, BASE, *found]


def check_name(file: Path) -> None:
    """Refuse a profile that is not called as its file: its results would take the place of another profile's.

    Raises:
        ConfigError: the key `profile` of a file in `config/` is another name, or missing.
    """
    name = _content(file).get("profile")
    if name != file.stem and file.resolve().parent == CONFIG.parent.resolve() and file.name != CONFIG.name:
        raise ConfigError(
            f"{file}: its key `profile` is {name!r}; write `profile: {file.stem!r}`, as the file is called"
        )


def read_config(profile: str, root: Path = Path(), over: dict[str, Any] | None = None) -> dict[str, Any]:
    """A profile's whole configuration, as every rule sees it: merged, with `over` on top, checked, with all defaults.

    Raises:
        ConfigError: a file is missing or no YAML, or the profile breaks the rules of `settings.Config`.
    """
    config: dict[str, Any] = {}
    for file in config_files(profile, root):
        config = _merged(config, _content(root / file))
    try:
        return complete(_merged(config, over or {}))
    except ConfigError as error:
        raise ConfigError(f"profile {profile} ({file}): {error}") from error


def _content(file: Path) -> dict[str, Any]:
    try:
        return {**(read_yaml(file) or {})}
    except (OSError, UnicodeError, TypeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file}: cannot be read ({flat(error)}); correct it or choose another profile") from error


def _merged(config: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Section by section, as Snakemake merges its files."""
    merged = config | over
    for name, value in over.items():
        if isinstance(value, dict) and isinstance(config.get(name), dict):
            merged[name] = _merged(config[name], value)
    return merged
