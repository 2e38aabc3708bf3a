"""One call of a step."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """One call of a step: named inputs, outputs in the rule's order, and dotted config keys."""

    inputs: dict[str, list[Path]] = field(default_factory=dict)
    outputs: list[Path] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def input(self, name: str) -> Path:
        """The only file of a named input."""
        (path,) = self.inputs[name]
        return path

    def folder(self, name: str) -> Path:
        """The folder of a named input's files, such as a model's."""
        return self.inputs[name][0].parent

    @property
    def seeds(self) -> list[int]:
        """The run seeds: the config's seed and its successors, one per repeat."""
        return [self.settings["seed"] + i for i in range(self.settings["repeats"])]

    def seeds_of(self, experiment: str) -> list[int]:
        """The seeds of one of the job's experiments, the first ones of the job's."""
        return self.seeds[: self.settings.get("fewer_repeats", {}).get(experiment)]
