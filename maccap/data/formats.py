"""Data formats by name. A format is one file of this folder; adding one touches no other.

Its file has a constant FORMAT, a dict with the fields of `Format` but the name, which is the file's; and, where there
are captions, `read_splits(files, members)`. What FORMAT says is read without importing the file, as every plan asks.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from .captions import Caption


@dataclass(frozen=True)
class Format:
    """What a format's file says of it.

    Attributes:
        description: for readers of the report.
        keys: what a data set's entry in the config must have.
        splits: those with captions; none where there are only questions.
        images: whether the test split has images.
        names: of the data sets that there can be; none for any.
        section: the config's section that the workflow draws the data from, for data that are not released by anybody.
    """

    name: str
    description: str
    keys: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    images: bool = True
    section: str | None = None
    names: tuple[str, ...] = ()

    def check(self, entry: dict[str, Any], config: dict[str, Any], key: str) -> None:
        """Refuse an entry of the config that lacks something.

        Args:
            key: of the entry, for the message.

        Raises:
            ConfigError: a key or the section is missing, or there is no such data set.
        """
        if missing := [name for name in self.keys if name not in entry]:
            raise ConfigError(f"{key}.{missing[0]} is missing: the format {self.name} needs {', '.join(self.keys)}")
        if self.section and self.section not in config:
            raise ConfigError(f"{key}: the format {self.name} needs the section `{self.section}`; see docs/config.md")
        if self.names and key.rpartition(".")[2] not in self.names:
            raise ConfigError(f"{key}: the format {self.name} has only the data sets {', '.join(self.names)}")


@cache
def formats() -> dict[str, Format]:
    """The formats that there are, by name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        text = path.read_text(encoding="utf-8")
        if "\nFORMAT = " in text:
            nodes = [node for node in ast.parse(text, str(path)).body if isinstance(node, ast.Assign)]
            (value,) = [node.value for node in nodes if ast.unparse(node.targets[0]) == "FORMAT"]
            found[path.stem] = Format(path.stem, **ast.literal_eval(value))
    return found


def format_of(name: str, key: str = "format") -> Format:
    """A format by its name.

    Args:
        key: of the config, for the message.

    Raises:
        ConfigError: there is no such format.
    """
    if name not in formats():
        raise ConfigError(f"{key}: there is no format {name!r}; known: {', '.join(formats())}")
    return formats()[name]


def read_splits(name: str, files: dict[str, Path], members: dict[str, str]) -> dict[str, Iterable[Caption]]:
    """{split: its captions} of a data set, for the splits that its format has.

    Args:
        files: by the config's keys, such as `captions` or `train`.
        members: which file is meant inside those that are archives, by the same keys.

    Raises:
        ConfigError: there is no such format, or it has no captions.
        DataError: a file is missing or damaged, or a split has no captions.
    """
    about = format_of(name)
    if not about.splits:
        raise ConfigError(f"the format {name} has no captions")
    found: dict[str, Iterable[Caption]] = import_module(f".{name}", __package__).read_splits(files, members)
    for split in about.splits:
        if not found[split]:
            source = ", ".join(str(path) for path in files.values())
            raise DataError(f"{source}: no captions of split {split}; check that this is the right file")
    return found
