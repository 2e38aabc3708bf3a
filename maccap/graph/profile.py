"""What a profile asks for: which cells its tables show, what must be trained and answered for them, in which shards.

A cell is (trained on, experiment, tested on). Everything here is read off the configuration; nothing is imported that
takes long, because every call of Snakemake reads this.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import ConfigError
from ..methods.registry import METHODS, needs, options

Cell = tuple[str, str, str]
BASELINES = ("blind", "human")
WITHOUT_PICTURES = ("conceptual",)
GAP_TABLES = ("nearness", "gap", "gap_repairs")


class Profile:
    """A validated configuration and its cross-references.

    Raises:
        ConfigError: a name that nothing defines: a run, an experiment, a method, a data set, an answerer.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.datasets = config, config["datasets"]
        self.experiments, self.answerers = config["experiments"], config["answerers"]
        self._check()

    def _check(self) -> None:
        for name, run in self.config["runs"].items():
            if not (METHODS / f"{run['method']}.py").is_file():
                raise ConfigError(f"runs.{name}.method: {run['method']!r} is no file of maccap/methods/; correct it")
            for key in run.get("options", {}):
                self._known(key, dict.fromkeys(options(run["method"])), f"runs.{name}.options")
        for name, about in self.datasets.items():
            if about["format"] == "scenes" and "scenes" not in self.config:
                raise ConfigError(f"datasets.{name}: drawn scenes need the section `scenes`; see config/mini.yaml")
        for name, about in self.experiments.items():
            if "run" in about:
                self._known(about["run"], self.config["runs"], f"experiments.{name}.run")
            elif "published" not in about and name not in BASELINES:
                raise ConfigError(f"experiments.{name}: needs `run` or `published` (only {BASELINES} go without)")
        for name, about in self.answerers.items():
            if about["context"] != "majority":
                self._known(about.get("experiment"), self.experiments, f"answerers.{name}.experiment")
            if about["context"] == "prefix" and "language_model" in about:
                raise ConfigError(
                    f"answerers.{name}: soft tokens fit only the language model that the run was trained with; "
                    "remove `language_model` or choose context: caption"
                )
        for table, about in self.config["tables"].items():
            for pair in about.get("pairs", []):
                for dataset in pair.split("-"):
                    self._known(dataset, self.datasets, f"tables.{table}.pairs")
            for key, known in (("experiments", self.experiments), ("answerers", self.answerers)):
                for name in about.get(key, []):
                    self._known(name, known, f"tables.{table}.{key}")
            for key in ("trained", "dataset"):
                if key in about:
                    self._known(about[key], self.datasets, f"tables.{table}.{key}")

    @staticmethod
    def _known(name: str | None, known: dict[str, Any], key: str) -> None:
        if name not in known:
            raise ConfigError(f"{key}: {name!r} does not exist; there are {', '.join(known)}")

    @property
    def seeds(self) -> list[str]:
        return [f"s{self.config['seed'] + i}" for i in range(self.config["repeats"])]

    def seeds_of(self, experiment: str) -> list[str]:
        """The seeds of an experiment; predictions that others published have none."""
        return ["published"] if "published" in self.experiments[experiment] else self.seeds

    def run_of(self, experiment: str) -> str | None:
        return self.experiments[experiment].get("run")

    def cells_of(self, table: str) -> list[Cell] | None:
        """The cells of a table of captions, in the order of its rows; None for tables about the gap."""
        about = self.config["tables"][table]
        if about["kind"] in GAP_TABLES:
            return None
        pairs = [tuple(pair.split("-")) for pair in about.get("pairs", [])]
        return [
            (trained, experiment, tested)
            for trained, tested in pairs
            for experiment in about["experiments"]
            if self._has(experiment, trained, tested)
        ]

    def _has(self, experiment: str, trained: str, tested: str) -> bool:
        """Published predictions exist for some pairs only; the ends of the scale know nothing of a second data set."""
        if "published" in self.experiments[experiment]:
            return f"{trained}-{tested}" in self.experiments[experiment]["published"]
        return experiment not in BASELINES or trained == tested

    def answers_of(self, table: str) -> list[tuple[str, str, str]]:
        """(trained on, asked about, answerer) of each row of a table of answers."""
        about = self.config["tables"][table]
        return [(about["trained"], about["dataset"], answerer) for answerer in about.get("answerers", [])]

    def tables(self, *, extended: bool = False) -> list[str]:
        """The tables of the target `all`, or those that only the target `extended` makes."""
        return [name for name, about in self.config["tables"].items() if about.get("extended", False) == extended]

    def evaluated(self, *, extended: bool = False) -> list[Cell]:
        """All cells that these tables show, each once; the extended ones without those of the others."""
        cells = [cell for table in self.tables(extended=extended) for cell in self.cells_of(table) or []]
        known = set(self.evaluated()) if extended else set()
        return [cell for cell in dict.fromkeys(cells) if cell not in known]

    def answered(self, *, extended: bool = False) -> list[tuple[str, str, str]]:
        """All (trained on, asked about, answerer) of these tables, as for `evaluated`."""
        rows = [row for table in self.tables(extended=extended) for row in self.answers_of(table)]
        known = set(self.answered()) if extended else set()
        return [row for row in dict.fromkeys(rows) if row not in known]

    def predicted(self, *, extended: bool = False) -> list[Cell]:
        """All cells that need captions, to be scored or as the context of questions, as for `evaluated`."""
        contexts = [
            (trained, self.answerers[answerer]["experiment"], dataset)
            for trained, dataset, answerer in self.answered(extended=extended)
            if self.answerers[answerer]["context"] != "majority"
        ]
        known = set(self.predicted()) if extended else set()
        return [cell for cell in dict.fromkeys([*self.evaluated(extended=extended), *contexts]) if cell not in known]

    def runs(self, *, extended: bool = False) -> list[tuple[str, str]]:
        """(trained on, run) of everything that makes these captions."""
        cells = self.predicted(extended=extended)
        return sorted({(trained, run) for trained, experiment, _ in cells if (run := self.run_of(experiment))})

    def needs(self, run: str) -> tuple[str, ...]:
        """What a run's method must be given."""
        return needs(self.config["runs"][run]["method"])

    @property
    def trained(self) -> list[tuple[str, str]]:
        """(trained on, run) of everything that the target `all` must train."""
        return [(trained, run) for trained, run in self.runs() if "adaptor" in self.needs(run)]

    @property
    def captioned(self) -> list[str]:
        """Data sets with captions."""
        return [name for name, about in self.datasets.items() if about["format"] != "vqa"]

    @property
    def captioned_tests(self) -> list[str]:
        """Data sets with captions and pictures."""
        return [name for name in self.captioned if self.datasets[name]["format"] not in WITHOUT_PICTURES]

    def splits(self, dataset: str) -> list[str]:
        return ["train", "val", "test"] if dataset in self.captioned_tests else ["train", "val"]

    def _shards(self, dataset: str, kind: str) -> list[str]:
        count = self.datasets[dataset].get("shards", {}).get(kind, 1)
        return [f"{i}-of-{count}" for i in range(1, count + 1)]

    def text_shards(self, dataset: str, split: str) -> list[str]:
        """Shards of a split's text features; only training captions are many."""
        return self._shards(dataset, "captions") if split == "train" else ["1-of-1"]

    def image_shards(self, dataset: str) -> list[str]:
        return self._shards(dataset, "images")

    def prediction_parts(self, experiment: str, tested: str, shard: int | None = None) -> list[str]:
        """`<seed>.<shard>` of an experiment's predictions: of every shard, or of number `shard` (from 0), if there."""
        if "published" in self.experiments[experiment]:
            return ["published"]
        shards = ["1-of-1"] if experiment in BASELINES else self.image_shards(tested)
        if shard is not None:
            shards = shards[shard : shard + 1]
        return [f"{seed}.{part}" for seed in self.seeds for part in shards]

    def answer_parts(self, answerer: str, dataset: str) -> list[str]:
        """`<seed>.<shard>` of an answerer's results."""
        whole = self.answerers[answerer]["context"] == "majority"
        shards = ["1-of-1"] if whole else self.image_shards(dataset)
        return [f"{seed}.{part}" for seed in self.seeds for part in shards]
