"""What a profile asks for: which cells its tables show, what must be trained and answered for them, in which shards.

A cell is here the row (trained on, experiment, tested on) of a table. Everything here is read off the configuration;
nothing is imported that takes long, because every call of Snakemake reads this.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..core.dotted import leaves
from ..core.errors import ConfigError
from ..core.settings import CAPTIONS_PER_SCENE, EXTENDED, FINDINGS, no_wildcard, swept
from ..data.formats import format_of
from ..figures.gap_legends import LEGENDS
from ..methods.registry import check_options, names, needs

Cell = tuple[str, str, str]
BASELINES = ("blind", "human")
TAKEN = {"numbers": "the file of all numbers in LaTeX", "reported": "the table of published numbers"}
DRAWN = ("captions", "sweep")  # kinds of tables that have a figure
FIGURES = ("training", "example", *LEGENDS)  # besides those of tables
BASELINES_NAME = "baselines"  # of the file that holds their captions
TIERS = ("", EXTENDED)  # of the targets: `all`, and what only `extended` makes besides


@dataclass(frozen=True)
class PredictionGroup:
    """What one job decodes together: all experiments of a run, one experiment, or `blind` and `human`.

    Attributes:
        name: of the run or the experiment, by the setting `predictions`; or BASELINES_NAME.
        tier: EXTENDED for what only the target `extended` asks for, else empty.
        run: None for captions that no run makes.
        experiments: {tested on: the experiments decoded there}, in the order of the tables.
    """

    trained: str
    name: str
    tier: str
    run: str | None
    experiments: dict[str, list[str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All experiments, each once."""
        return list(dict.fromkeys(name for own in self.experiments.values() for name in own))


class Profile:
    """A complete configuration (`core.project.read_config`) and its cross-references.

    Raises:
        ConfigError: a name that nothing defines (a run, a method, a data set, ...) or that has two meanings, or more
            seeds or shards than there are.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config, self.datasets = config, config["datasets"]
        self.experiments, self.vqa_methods = config["experiments"], config["vqa_methods"]
        self._check()

    def _check(self) -> None:
        for name, run in self.config["runs"].items():
            self._check_run(f"runs.{name}", run)
            self._check_repeats(f"runs.{name}", run, None)
        for name, about in self.datasets.items():
            format_of(about["format"], f"datasets.{name}.format").check(about, self.config, f"datasets.{name}")
            for kind, shards in about.get("shards", {}).items():
                if 0 < (size := self.size_of(name, kind)) < shards:
                    raise ConfigError(f"datasets.{name}.shards.{kind}: {shards} jobs for {size} {kind}; lower it")
        self._labels_differ(self.datasets, "datasets")
        for name, about in self.experiments.items():
            if "run" in about:
                self._known(about["run"], self.config["runs"], f"experiments.{name}.run")
            elif "published" not in about and name not in BASELINES:
                raise ConfigError(f"experiments.{name}: needs `run` or `published` (only {BASELINES} go without)")
            if "given" in about and "adaptor" not in (self.needs(about["run"]) if "run" in about else ()):
                raise ConfigError(f"experiments.{name}.given: needs a run whose method trains an adaptor")
            self._check_repeats(f"experiments.{name}", about, about.get("run"))
        for name, about in self.vqa_methods.items():
            if "experiment" in about:
                self._check_vqa_method(f"vqa_methods.{name}.experiment", about)
        for name, about in self.config["tables"].items():
            other = TAKEN.get(name) or (about["kind"] in DRAWN and name in FIGURES and "a figure")
            if other:
                raise ConfigError(f"tables.{name}: {other} has this name; rename the table")
            self._check_table(f"tables.{name}", about)
        for name in self.config["samples"]:
            self._known(name, self.datasets, "samples")
        self.groups()  # whose names must differ

    @staticmethod
    def _check_run(key: str, run: dict[str, Any]) -> None:
        if run["method"] not in names():
            raise ConfigError(f"{key}.method: there is no method {run['method']!r}; known: {', '.join(names())}")
        check_options(run["method"], run.get("options", {}), f"{key}.options")
        if "vocabulary" in needs(run["method"]):
            if "vocabulary" not in run.get("options", {}):
                raise ConfigError(f"{key}.options.vocabulary is missing: name a file of entities, one a line")
            try:
                no_wildcard(run["options"]["vocabulary"])
            except ValueError as error:
                raise ConfigError(f"{key}.options.vocabulary: {error}") from error

    def _check_repeats(self, key: str, about: dict[str, Any], run: str | None) -> None:
        most = self.run_repeats(run)
        if about.get("repeats", most) > most:
            whose = f"runs.{run}" if run else "the profile"
            raise ConfigError(f"{key}.repeats: {about['repeats']} seeds, but {whose} has {most}; name at most as many")
        if "published" in about and "repeats" in about:
            raise ConfigError(f"{key}.repeats: published captions have no seeds; take the key out")

    def _check_vqa_method(self, key: str, about: dict[str, Any]) -> None:
        self._known(about["experiment"], self.experiments, key)
        if not (run := self.run_of(about["experiment"])):
            raise ConfigError(
                f"{key}: {about['experiment']!r} has no run, so nothing of it can stand before a question"
            )
        if "given" in self.experiments[about["experiment"]]:
            raise ConfigError(f"{key}: {about['experiment']!r} sees references; name one that sees the image")
        if about["context"] == "prefix" and "adaptor" not in self.needs(run):
            raise ConfigError(
                f"{key}: the method of {about['experiment']!r} makes no soft tokens; use context: caption"
            )

    def _check_table(self, key: str, about: dict[str, Any]) -> None:
        for pair in about.get("pairs", []):
            for dataset in pair.split("-"):
                self._known(dataset, self.datasets, f"{key}.pairs")
        for kind, known in (("experiments", self.experiments), ("vqa_methods", self.vqa_methods)):
            for name in about.get(kind, []):
                self._known(name, known, f"{key}.{kind}")
            self._labels_differ({name: known[name] for name in about.get(kind, [])}, f"{key}.{kind}")
        for kind in ("trained", "dataset"):
            if kind in about:
                self._known(about[kind], self.datasets, f"{key}.{kind}")
        if "reference" in about:
            rows = dict.fromkeys(about.get("experiments", about.get("vqa_methods", ())))
            self._known(about["reference"], rows, f"{key}.reference")
            if about["kind"] == "comparison":
                self._check_comparison(key, about, rows)
        if "key" in about:
            self._check_sweep(key, about)

    def _check_comparison(self, key: str, about: dict[str, Any], rows: dict[str, Any]) -> None:
        """What the table says of its rows must be true of them: against which each is held, and its claim."""
        against = {name: self.experiments[name].get("against", about["reference"]) for name in rows}
        nearest, pair = "", about["pairs"][0]
        for name, other in against.items():
            self._known(other, rows, f"experiments.{name}.against, in {key}")
            if not self._has(other, *pair.split("-")):
                raise ConfigError(f"{key}: {other!r} has no captions for {pair}, so no row can be held against it")
            if name in against.values():
                nearest = name
                claim = {"lowers", "raises"} & self.experiments[name].keys()
                if claim and about["claims"] and name != about["reference"]:
                    raise ConfigError(
                        f"experiments.{name}.{claim.pop()}: in {key} other rows are held against {name!r}, so it has "
                        "no difference to judge a claim by; take the key out"
                    )
            elif other != nearest and set(against.values()) != {about["reference"]}:
                raise ConfigError(
                    f"{key}.experiments: {name!r} is held against {other!r}, but {nearest!r} is the nearest row above "
                    f"that rows are held against; put {name!r} right below {other!r}"
                )

    def _check_sweep(self, key: str, about: dict[str, Any]) -> None:
        known, varied = leaves("", self.config), about["key"]
        if varied not in known:
            raise ConfigError(f"{key}.key: there is no setting {varied!r}; docs/config.md lists them")
        if own := [name for name in self.datasets if f"datasets.{name}.{varied}" in known]:
            raise ConfigError(f"{key}.key: datasets.{own[0]} sets {varied} for itself; let runs of the sweep set it")
        rows: dict[float, str] = {}
        for name in about["experiments"]:
            try:
                value = swept(known, name, varied)
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(f"{key}.experiments: {name} has no run, or {varied} is no number") from error
            if (other := rows.setdefault(value, name)) != name:
                raise ConfigError(f"{key}.experiments: {other} and {name} both have {varied} {value:g}; leave one out")

    @staticmethod
    def _labels_differ(rows: dict[str, Any], key: str) -> None:
        labelled: dict[str, str] = {}
        for name, about in rows.items():
            if (other := labelled.setdefault(about["label"], name)) != name:
                raise ConfigError(f"{key}: {other} and {name} have the same label; change one")

    @staticmethod
    def _known(name: str, known: dict[str, Any], key: str) -> None:
        if name not in known:
            raise ConfigError(f"{key}: {name!r} does not exist; there are {', '.join(known)}")

    def run_of(self, experiment: str) -> str | None:
        return self.experiments[experiment].get("run")

    def run_repeats(self, run: str | None) -> int:
        """How many seeds a run has; without a run, as many as the profile."""
        return int(self.config["runs"].get(run, {}).get("repeats", self.config["repeats"]))

    def repeats(self, *experiments: str) -> int:
        """How many seeds an experiment has, the first ones of its run; of several experiments, the largest number."""
        found = (self.experiments.get(name, {}) for name in experiments)
        return max(int(about.get("repeats", self.run_repeats(about.get("run")))) for about in found)

    def cells_of(self, table: str) -> list[Cell] | None:
        """The cells of a table of captions, in the order of its rows; None for tables without such rows."""
        about = self.config["tables"][table]
        if about["kind"] in FINDINGS:
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
        """(trained on, asked about, vqa_method) of each row of a table of answers."""
        about = self.config["tables"][table]
        return [(about["trained"], about["dataset"], vqa_method) for vqa_method in about.get("vqa_methods", [])]

    def tables(self, tier: str = "") -> list[str]:
        """The tables of one of the TIERS."""
        return [name for name, about in self.config["tables"].items() if about.get("extended", False) == bool(tier)]

    def evaluated(self, tier: str = "") -> list[Cell]:
        """All cells that these tables show, each once; the extended ones without those of the others."""
        cells = [cell for table in self.tables(tier) for cell in self.cells_of(table) or []]
        known = set(self.evaluated()) if tier else set()
        return [cell for cell in dict.fromkeys(cells) if cell not in known]

    def answered(self, tier: str = "") -> list[tuple[str, str, str]]:
        """All (trained on, asked about, vqa_method) of these tables, as for `evaluated`."""
        rows = [row for table in self.tables(tier) for row in self.answers_of(table)]
        known = set(self.answered()) if tier else set()
        return [row for row in dict.fromkeys(rows) if row not in known]

    def predicted(self, tier: str = "") -> list[Cell]:
        """All cells that need captions, to be scored or as the context of questions, as for `evaluated`."""
        contexts = [
            (trained, self.vqa_methods[vqa_method]["experiment"], dataset)
            for trained, dataset, vqa_method in self.answered(tier)
            if self.vqa_methods[vqa_method]["context"] == "caption"
        ]
        known = set(self.predicted()) if tier else set()
        return [cell for cell in dict.fromkeys([*self.evaluated(tier), *contexts]) if cell not in known]

    def runs(self, tier: str = "") -> list[tuple[str, str]]:
        """(trained on, run) of what makes these captions or stands before these questions, in the data sets' order."""
        shown = [(trained, experiment) for trained, experiment, _ in self.predicted(tier)]
        asked = [
            (trained, self.vqa_methods[vqa_method]["experiment"])
            for trained, _, vqa_method in self.answered(tier)
            if self.vqa_methods[vqa_method]["context"] == "prefix"
        ]
        found = {(trained, run) for trained, name in (*shown, *asked) if (run := self.run_of(name))}
        return sorted(found, key=lambda pair: (list(self.datasets).index(pair[0]), pair[1]))

    def needs(self, run: str) -> tuple[str, ...]:
        """What a run's method must be given."""
        return needs(self.config["runs"][run]["method"])

    @property
    def trained(self) -> list[tuple[str, str]]:
        """(trained on, run) of everything that the target `all` must train."""
        return [(trained, run) for trained, run in self.runs() if "adaptor" in self.needs(run)]

    def formatted(self, format_: str) -> list[str]:
        """Data sets of a format."""
        return [name for name, about in self.datasets.items() if about["format"] == format_]

    @property
    def captioned(self) -> list[str]:
        """Data sets with captions."""
        return [name for name, about in self.datasets.items() if format_of(about["format"]).splits]

    @property
    def captioned_tests(self) -> list[str]:
        """Data sets with captions and images."""
        return [name for name in self.captioned if format_of(self.datasets[name]["format"]).images]

    def size_of(self, dataset: str, kind: str) -> int:
        """Number of a data set's `captions`, `images` or `questions`; 0 where the profile does not say."""
        about, scenes = self.datasets[dataset], self.config.get("scenes", {})
        if about["format"] == "scenes":
            captions, images = scenes["train"] * CAPTIONS_PER_SCENE, scenes["test"]
            return int({"captions": captions, "images": images, "questions": images * scenes["questions"]}[kind])
        return int(about.get("size", {}).get(kind, 0))

    def training_settings(self, trained: str, run: str) -> dict[str, Any]:
        """A run's own training settings on a data set."""
        own = self.datasets[trained].get("training", {}), self.config["runs"][run].get("training", {})
        return {**self.config["training"], **own[0], **own[1]}

    def generation_settings(self, experiment: str) -> dict[str, Any]:
        """An experiment's own settings of `generation`."""
        own: dict[str, Any] = self.experiments[experiment].get("generation", {})
        return {**self.config["generation"], **own}

    def shards(self, dataset: str, kind: str) -> int:
        """In how many files the features of the training `captions` or the test `images` come."""
        return int(self.datasets[dataset].get("shards", {}).get(kind, 1))

    @cached_property
    def _groups(self) -> dict[tuple[str, str, str], PredictionGroup]:
        """All groups by trained on, name and tier."""
        groups: dict[tuple[str, str, str], PredictionGroup] = {}
        for tier in TIERS:
            for trained, experiment, tested in self.predicted(tier):
                run = self.run_of(experiment)
                if run is None:
                    name = experiment if "published" in self.experiments[experiment] else BASELINES_NAME
                else:
                    name = run if self.config["predictions"] == "run" else experiment
                group = groups.setdefault((trained, name, tier), PredictionGroup(trained, name, tier, run))
                if group.run != run or (name == BASELINES_NAME) != (experiment in BASELINES):
                    taken = "of blind and human" if name == BASELINES_NAME else f"published as experiments.{name}"
                    raise ConfigError(f"a run or experiment has the name {name} of the predictions {taken}; rename it")
                group.experiments.setdefault(tested, []).append(experiment)
        return groups

    def groups(self, tier: str = "") -> list[PredictionGroup]:
        """What makes captions, one entry for each job (or, of sharded test sets, each job of one shard)."""
        return [group for group in self._groups.values() if group.tier == tier]

    def group(self, trained: str, name: str, tier: str) -> PredictionGroup:
        """The group of these names."""
        return self._groups[trained, name, tier]

    def shards_of(self, group: PredictionGroup) -> int:
        """How many files a group's predictions come in: as many as its test set with most shards has."""
        return max(self.shards(tested, "images") for tested in group.experiments) if group.run else 1

    def tests_of(self, group: PredictionGroup, number: int) -> list[str]:
        """The test sets that have a shard of this number, from 1, sorted."""
        return sorted(tested for tested in group.experiments if number <= self.shards(tested, "images"))

    def context_group(self, trained: str, experiment: str, tested: str) -> PredictionGroup:
        """The group that holds an experiment's captions of a test set."""
        for group in self._groups.values():
            if group.trained == trained and experiment in group.experiments.get(tested, []):
                return group
        raise ConfigError(f"experiments.{experiment}: nothing asks for its captions of {tested}")

    def answer_shards(self, vqa_method: str, dataset: str) -> int:
        """How many files a VQA method's answers come in."""
        return 1 if self.vqa_methods[vqa_method]["context"] == "majority" else self.shards(dataset, "images")
