"""Where the files of a profile lie, and which of them each job reads: what the rules of the workflow ask.

Methods that take `wildcards` are input functions of rules. Nothing is read off a path: what a file is about stands in
the file.
"""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from ..core.artifacts import disguised
from ..core.errors import ConfigError
from ..core.project import gone
from ..data.folders import KNOWN, folder_hash, names_below
from ..data.vocabulary import read_vocabulary
from ..fetch.registry import DOWNLOADS, Asset, FileAsset, HubAsset, folder_name, looks_like_a_path
from ..methods.registry import needs
from ..models.weights import SUFFIXES, model_files
from .profile import BASELINES_NAME, DRAWN, TIERS, PredictionGroup, Profile
from .room import check_room
from .sources import members

METRIC_FILES = (".jsonl", ".items.jsonl")  # of whole sets, and of single images or questions
DECODING = ("generation", "selection", "given")  # what an experiment may set for itself
STANDARD_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # of a repository that the registry does not know
WEIGHTS = {".bin", ".safetensors"}  # of a model's folder
NOT_SHOWN = ("pretraining", "estimate", "local", "registry", "lock")  # by the report
REPORT = ("report{}.html", "trace{}.html", "tables/numbers{}.tex")  # with the tier in their names

METRIC_MODULES = members("metrics.caption_metrics")  # which scoring and tables find by their names

Wildcards = Any


class Files:
    """The files of one profile.

    Attributes:
        artifacts, results: the profile's folders.

    Raises:
        ConfigError: a file of the user's own is gone after results were made; `local` names an asset that the registry
            does not have, or what cannot stand for it; or a setting asks for more than a frozen model has room for.
        DataError: a run's vocabulary cannot be read.
    """

    def __init__(self, profile: Profile, assets: dict[str, Asset]) -> None:
        self.profile, self.config, self.assets = profile, profile.config, assets
        name = self.config["profile"]
        self.artifacts, self.results = f"artifacts/{name}", f"results/{name}"
        self.local: dict[str, str] = self.config["local"]  # the user's own files and folders, by asset
        self.hub_assets = {entry.hub: entry for entry in assets.values() if isinstance(entry, HubAsset)}
        self.folder_hash = cache(folder_hash)  # of the folders as they are when the workflow is planned
        for run in self.config["runs"].values():
            if "vocabulary" in needs(run["method"]):
                read_vocabulary(run["options"]["vocabulary"])
        check_room(profile)
        if told := gone(self.config):
            raise ConfigError(told[0])  # Snakemake would keep what was once made of it in silence
        for name, path in self.local.items():
            if fault := self._unfit(name, path):
                raise ConfigError(f"local.{name}: {fault}")

    def _unfit(self, name: str, path: str) -> str | None:
        """Why the user's own file or folder cannot stand for an asset; None where it can."""
        asset, folder = self.assets.get(name), path != "" and Path(path).is_dir()
        if asset is None:
            return f"there is no asset {name!r}; known: {', '.join(self.assets) or 'none'}"
        if isinstance(asset, HubAsset):
            if not folder:
                return f"{path}: no such folder; correct it"
            kinds = {Path(own).suffix for own in self.own_model(asset)}
            return None if kinds & WEIGHTS else f"{path}: holds no weights ({', '.join(sorted(WEIGHTS))}); correct it"
        if folder:
            images = (about.get("images", {}).get("asset") for about in self.config["datasets"].values())
            if name not in images:
                return f"{path}: it is a folder; name the file, as it is downloaded"
            return None if next(names_below(Path(path)), None) else f"{path}: holds no files; correct it"
        if path == "" or not Path(path).exists():
            return f"{path}: no such file or folder; correct it"
        if what := disguised(path):
            return f"{path}: {what}"
        if asset.size not in (None, size := Path(path).stat().st_size):
            return f"{path}: it has {size:,} bytes instead of {asset.size:,}; copy or download it again"
        return None

    # --- data ------------------------------------------------------------------------------------------------------
    def asset(self, name: str) -> str:
        """The file of an asset, where the rule `download` puts it; or the user's own folder of its files.

        Raises:
            ConfigError: the registry has no such asset, or it is a model.
        """
        local, entry = self.local.get(name), self.assets.get(name)
        if local and Path(local).is_dir():
            return str(local)
        if not isinstance(entry, FileAsset):
            place = self.config.get("registry", "a registry: name one in the profile")
            raise ConfigError(f"asset {name!r} is no file in {place}")
        return f"{DOWNLOADS}/{entry.file}"

    def source(self, about: dict[str, str]) -> str:
        """The file that a config entry `{asset: NAME}` or `{file: PATH}` means."""
        return self.asset(about["asset"]) if "asset" in about else about["file"]

    def caption_keys(self, wildcards: Wildcards) -> list[str]:
        """Keys of the caption files of a data set, of which its format needs some."""
        return [f"datasets.{wildcards.dataset}.{key}" for key in ("captions", "train", "val", "test")]

    def format_modules(self, wildcards: Wildcards) -> list[str]:
        """The module of the format that a data set's caption files are in."""
        return [f"data.{self.config['datasets'][wildcards.dataset]['format']}"]

    def released(self, *keys: str) -> Any:
        """An input function: the file behind a key of a data set's entry, such as `captions`; none if it has none."""

        def file(wildcards: Wildcards) -> str | list[str]:
            about = self.config["datasets"][wildcards.dataset]
            if keys == ("captions",) and about["format"] == "scenes":
                return f"{self.artifacts}/data/{wildcards.dataset}/dataset.json"
            for key in keys:
                about = about.get(key, {})
            return self.source(about) if about else []

        return file

    def contents(self, dataset: str) -> list[str]:
        """The file that tells what is in the test images of a drawn data set; none of others."""
        drawn = self.config["datasets"][dataset]["format"] == "scenes"
        return [f"{self.artifacts}/data/{dataset}/contents.test.json"] if drawn else []

    def image_store(self, wildcards: Wildcards) -> str:
        """The folder or archive with the images of all splits of a data set."""
        about = self.config["datasets"][wildcards.dataset]
        folder = f"{self.artifacts}/data/{wildcards.dataset}"
        return self.source(about["images"]) if "images" in about else f"{folder}/images.zip"

    def image_archive(self, wildcards: Wildcards) -> str | list[str]:
        """The same as an input, if it is an archive; a user's own folder is named in the settings, with its hash."""
        store = self.image_store(wildcards)
        return [] if Path(store).is_dir() else store

    def image_folder(self, wildcards: Wildcards) -> str | None:
        """The hash of a user's own folder of images; None for an archive."""
        store = self.image_store(wildcards)
        return self.folder_hash(store, KNOWN) if Path(store).is_dir() else None

    # --- frozen models ---------------------------------------------------------------------------------------------
    @property
    def named_models(self) -> dict[str, str]:
        """{name of its folder: name} of the language models that are no folders: they are brought into one form."""
        vqa_methods = (about.get("language_model") for about in self.config["vqa_methods"].values())
        names = [self.config["language_model"]["name"], *vqa_methods]
        return {folder_name(name): name for name in names if name and not Path(name).is_dir()}

    def hub_asset(self, model: str) -> HubAsset:
        """The registry's entry of a model; for any other of the hub, its standard files at the commit first seen."""
        name = self.named_models[model]
        return self.hub_assets.get(name, HubAsset(folder_name(name), name, None, STANDARD_FILES))

    def downloaded(self, file: str) -> dict[str, Any]:
        """The settings of the download of a file: its registry entry, and the user's own copy, if there is one."""
        (entry,) = (entry for entry in self.assets.values() if getattr(entry, "file", None) == file)
        own = {"local": self.local[entry.name]} if entry.name in self.local else {}
        return entry.parameters() | self._registered | own

    def model_settings(self, model: str) -> dict[str, Any]:
        """The settings of the job that brings a language model into its folder."""
        about = self.config["language_model"] | {"name": self.named_models[model]}
        return {f"language_model.{key}": about[key] for key in ("name", "dtype")}

    def model_download(self, model: str) -> dict[str, Any]:
        """The settings of the download of a model."""
        return self.hub_asset(model).parameters() | self._registered

    @property
    def _registered(self) -> dict[str, str]:
        """The files that messages about downloads name."""
        return {key: self.config[key] for key in ("registry", "lock") if key in self.config}

    def model_source(self, wildcards: Wildcards) -> list[str]:
        """The user's own .gguf file or folder of a model, by its files; or the index of the downloaded ones."""
        name, asset = self.named_models[wildcards.model], self.hub_asset(wildcards.model)
        if Path(name).is_file():
            return [name]
        if asset.name in self.local:
            return self.own_model(asset)
        return [f"{DOWNLOADS}/models/{wildcards.model}/index.json"]

    def own_model(self, asset: HubAsset) -> list[str]:
        """The files of a model in the user's own folder that are downloaded elsewhere, and its weights in other forms.

        Raises:
            DataError: one of them is empty, a pointer of Git LFS or an HTML page.
        """
        likes = (*asset.patterns, *STANDARD_FILES)
        return [
            path
            for path in model_files(self.local[asset.name])
            if any(fnmatch(Path(path).name, like) for like in likes)
        ]

    @property
    def own_weights(self) -> str | None:
        """The user's own file with the weights of a CLIP by name, where `encoder.pretrained` is no tag of open_clip."""
        own = self.config["encoder"].get("pretrained", "")
        if Path(own).is_file():
            return str(own)
        if "/" in own or Path(own).suffix in SUFFIXES:
            raise ConfigError(f"encoder.pretrained: {own}: no such file; correct it")
        return None

    def encoder_weights(self) -> list[str]:
        """The weights file of a CLIP by name: the downloaded one, or the user's own; none for a tag of open_clip.

        Raises:
            ConfigError: `encoder.pretrained` looks like a path, but nothing is there.
            DataError: the user's own is empty, a pointer of Git LFS or an HTML page.
        """
        if own := self.own_weights:
            return model_files(own)
        return [self.asset(self.config["encoder"]["weights"])] if "weights" in self.config["encoder"] else []

    def encoder(self) -> list[str]:
        """What jobs depend on for the profile's encoder: its files, or the index of those that were made.

        Snakemake hashes every input of a job once per output, and weights may be gigabytes; the index has their
        hashes.

        Raises:
            ConfigError: the name looks like a path, but nothing is there; or a model's name comes without weights.
            DataError: a file is empty, a pointer of Git LFS or an HTML page.
        """
        about = self.config["encoder"]
        if Path(about["name"]).is_dir():
            return model_files(about["name"])
        if ":" not in about["name"]:  # of a hub
            if "/" in about["name"]:
                raise ConfigError(f"encoder.name: {about['name']}: no such folder; correct it")
            if not {"pretrained", "weights"} & about.keys():
                raise ConfigError("encoder.pretrained is missing: name the weights, a tag of open_clip or a file")
        return [f"{self.artifacts}/models/encoder/index.json"]

    def language_model(self, name: str | None = None) -> list[str]:
        """What jobs depend on for a language model, the profile's unless another is named; see `encoder`."""
        name = name or str(self.config["language_model"]["name"])
        if Path(name).is_dir():
            return model_files(name)
        if Path(name).is_file():
            model_files(name)
        elif looks_like_a_path(name):
            raise ConfigError(f"language model {name}: no such folder or .gguf file; correct `language_model.name`")
        return [f"{self.artifacts}/models/{folder_name(name)}/index.json"]

    def answering_model(self, wildcards: Wildcards) -> list[str]:
        """The same for the language model of a VQA method, the profile's unless it has one of its own."""
        return self.language_model(self.config["vqa_methods"][wildcards.vqa_method].get("language_model"))

    # --- features and runs -----------------------------------------------------------------------------------------
    def text_features(self, dataset: str, split: str) -> list[str]:
        """Stores of a split's text features; only training captions come in shards."""
        folder = f"{self.artifacts}/features/{dataset}"
        if split != "train":
            return [f"{folder}/captions.held_out.safetensors"]
        shards = self.profile.shards(dataset, "captions")
        return [f"{folder}/captions.train.{i}.safetensors" for i in range(1, shards + 1)]

    def image_features(self, dataset: str) -> list[str]:
        """Stores of the test images' features, one for each shard."""
        return [self.image_shard(dataset, i) for i in range(1, self.profile.shards(dataset, "images") + 1)]

    def shard_of(self, kind: str) -> Callable[[Wildcards], dict[str, int]]:
        """Which of the shards of the training `captions` or the test `images` a job encodes, from 1."""
        of = self.profile.shards
        return lambda wildcards: {"number": int(getattr(wildcards, "shard", 1)), "of": of(wildcards.dataset, kind)}

    def image_shard(self, dataset: str, shard: int | str) -> str:
        return f"{self.artifacts}/features/{dataset}/images.test.{shard}.safetensors"

    def run(self, trained: str, run: str, file: str, repeats: int) -> list[str]:
        """A file of the first seeds of a run."""
        first = self.config["seed"]
        return [f"{self.artifacts}/runs/{trained}/{run}/s{first + i}/{file}" for i in range(repeats)]

    def trained(self, file: str) -> list[str]:
        """A file of every run and seed that the target `all` trains."""
        return [
            path
            for trained, run in self.profile.trained
            for path in self.run(trained, run, file, self.profile.run_repeats(run))
        ]

    @staticmethod
    def run_keys(run: str) -> list[str]:
        """Keys of what a run sets for itself, but its number of seeds: a job is given its own seeds."""
        return [f"runs.{run}.{part}" for part in ("method", "options", "training")]

    def resources(self, trained: str, run: str, experiments: Sequence[str] = ()) -> dict[str, Any]:
        """What a run's method needs beside images and models, as named inputs; of the adaptors those of the
        seeds that some experiments have."""
        repeats = self.profile.repeats(*experiments) if experiments else 0
        needed, about = self.profile.needs(run), self.config["runs"][run]
        return {
            "memory": self.text_features(trained, "train") if "memory" in needed else [],
            "memory_captions": f"{self.artifacts}/data/{trained}/captions.train.jsonl" if "memory" in needed else [],
            "pairs": f"{self.artifacts}/features/{trained}/pairs.val.safetensors" if "pairs" in needed else [],
            "vocabulary": about["options"]["vocabulary"] if "vocabulary" in needed else [],
            "adaptors": self.run(trained, run, "adaptor.safetensors", repeats) if "adaptor" in needed else [],
        }

    def method_modules(self, run: str) -> list[str]:
        """The module of a run's method."""
        return [f"methods.{self.config['runs'][run]['method']}"]

    # --- predictions -----------------------------------------------------------------------------------------------
    def group_names(self, kind: str) -> list[str]:
        """The names of groups by where their captions come from: `run` or `published`."""
        groups = [group for tier in TIERS for group in self.profile.groups(tier) if group.name != BASELINES_NAME]
        return list(dict.fromkeys(group.name for group in groups if bool(group.run) == (kind == "run")))

    def group(self, wildcards: Wildcards) -> PredictionGroup:
        return self.profile.group(wildcards.trained, wildcards.group, wildcards.tier)

    def fewer_repeats(self, experiments: Sequence[str]) -> dict[str, int] | None:
        """How many seeds those of a job's experiments have that have fewer than the job; None if all have as many."""
        most, found = self.profile.repeats(*experiments), {name: self.profile.repeats(name) for name in experiments}
        return {name: n for name, n in found.items() if n < most} or None

    def tests(self, wildcards: Wildcards) -> list[str]:
        """The test sets that a job of one shard decodes, sorted."""
        return self.profile.tests_of(self.group(wildcards), int(getattr(wildcards, "shard", 1)))

    def captioned(self, wildcards: Wildcards) -> list[str]:
        """Those of a group's test sets that have captions."""
        return [tested for tested in self.tests(wildcards) if tested in self.profile.captioned]

    def references(self, tests: Iterable[str]) -> list[str]:
        """The captions of some test sets."""
        return [f"{self.artifacts}/data/{tested}/captions.test.jsonl" for tested in tests]

    def reference_features(self, tests: Iterable[str]) -> list[str]:
        """The text features of the captions of some test sets."""
        return [path for tested in tests for path in self.text_features(tested, "test")]

    def decoding_keys(self, wildcards: Wildcards) -> list[str]:
        """Keys of what a group's experiments, its run, and the data of that set for themselves."""
        group = self.group(wildcards)
        assert group.run
        return self._own_keys(wildcards.trained, group.run, group.names)

    def _own_keys(self, trained: str, run: str, experiments: Iterable[str]) -> list[str]:
        own = [f"experiments.{name}.{part}" for name in experiments for part in DECODING]
        return [*self.run_keys(run), f"datasets.{trained}.training", *own]

    def decoded(self, wildcards: Wildcards) -> list[list[str]]:
        """The experiments to decode on each test set of `tests`."""
        experiments = self.group(wildcards).experiments
        return [experiments[tested] for tested in self.tests(wildcards)]

    def published(self, wildcards: Wildcards) -> list[str]:
        """The files of published captions, one for each test set."""
        about = self.config["experiments"][wildcards.group]["published"]
        return [self.asset(about[f"{wildcards.trained}-{tested}"]) for tested in self.tests(wildcards)]

    def predictions(self, tested: str, tiers: Iterable[str]) -> list[str]:
        """Files with predictions of a test set that some targets ask for."""
        return [
            path
            for tier in tiers
            for group in self.profile.groups(tier)
            if tested in group.experiments
            for path in self._of_group(group, range(1, self.profile.shards_of(group) + 1))
        ]

    def _of_group(self, group: PredictionGroup, shards: Iterable[int | str]) -> list[str]:
        folder = f"{self.artifacts}/predictions/{group.trained}"
        return [f"{folder}/{group.name}{group.tier}.{shard}.jsonl.gz" for shard in shards]

    # --- answers and metrics ---------------------------------------------------------------------------------------
    def answering_experiment(self, wildcards: Wildcards) -> str:
        """The experiment whose soft tokens or captions stand before a VQA method's questions."""
        return str(self.config["vqa_methods"][wildcards.vqa_method]["experiment"])

    def own_answering_keys(self, wildcards: Wildcards) -> list[str]:
        """Keys of what a VQA method, its experiment, the run of that, and its data set for themselves."""
        experiment, run = self.answering_experiment(wildcards), self.answering_run(wildcards)
        own = self._own_keys(wildcards.trained, run, [experiment])
        return [f"vqa_methods.{wildcards.vqa_method}.answering", *own]

    def answering_run(self, wildcards: Wildcards) -> str:
        """The run of `answering_experiment`."""
        run = self.profile.run_of(self.answering_experiment(wildcards))
        assert run
        return run

    def context(self, wildcards: Wildcards) -> list[str]:
        """The captions that stand before a VQA method's questions about one shard of the images, if any do."""
        about = self.config["vqa_methods"][wildcards.vqa_method]
        if about["context"] != "caption":
            return []
        group = self.profile.context_group(wildcards.trained, about["experiment"], wildcards.tested)
        return self._of_group(group, [wildcards.shard])

    def answers(self, tested: str, tiers: Iterable[str]) -> list[str]:
        """Files with answers about a data set that some targets ask for."""
        return [
            f"{self.artifacts}/answers/{trained}/{dataset}/{vqa_method}.{shard}.jsonl.gz"
            for tier in tiers
            for trained, dataset, vqa_method in self.profile.answered(tier)
            if dataset == tested
            for shard in range(1, self.profile.answer_shards(vqa_method, dataset) + 1)
        ]

    def metrics(self, cells: Iterable[tuple[str, str, str]]) -> list[str]:
        """The files that hold the caption metrics of some cells (trained on, experiment, tested on)."""
        tiers = {cell: tier for tier in TIERS for cell in self.profile.evaluated(tier)}
        return self._metric_files("captions", (cell[2] + tiers[cell] for cell in cells))

    def answer_metrics(self, rows: Iterable[tuple[str, str, str]]) -> list[str]:
        """The files that hold the accuracy of some rows (trained on, asked about, vqa_method)."""
        tiers = {row: tier for tier in TIERS for row in self.profile.answered(tier)}
        return self._metric_files("vqa", (row[1] + tiers[row] for row in rows))

    def _metric_files(self, kind: str, names: Iterable[str]) -> list[str]:
        distinct = dict.fromkeys(names)
        return [f"{self.results}/metrics/{kind}/{name}{ending}" for name in distinct for ending in METRIC_FILES]

    def sampled(self, captioned: Iterable[str], asked: Iterable[str]) -> dict[str, Any]:
        """What samples of captioned images and of questions are taken from, as named inputs for each data set."""
        found: dict[str, Any] = {}
        for name in captioned:
            found[f"captions_{name}"] = f"{self.artifacts}/data/{name}/captions.test.jsonl"
            found[f"features_{name}"] = self.image_features(name)
        for name in asked:
            for part in ("questions", "annotations"):
                found[f"{part}_{name}"] = f"{self.artifacts}/data/{name}/vqa_{part}.test.json"
        for name in dict.fromkeys((*captioned, *asked)):
            found[f"images_{name}"] = f"{self.artifacts}/data/{name}/images.jsonl"
            found[f"store_{name}"] = f"{self.artifacts}/data/{name}/images.zip"
        return found

    def sample_labels(self, experiments: Iterable[str]) -> list[str]:
        """Keys of the labels of experiments and of all VQA methods."""
        asked = [f"vqa_methods.{row[2]}.label" for row in self.profile.answered()]
        return [*(f"experiments.{name}.label" for name in experiments), *asked]

    def sample_settings(self, experiments: Iterable[str]) -> list[str]:
        """Keys of how experiments were decoded, as far as samples show it."""
        found = []
        for name in experiments:
            run = self.config["experiments"][name].get("run")
            found += [f"experiments.{name}.{key}" for key in ("run", "given", "generation")]
            found.append(f"runs.{run}.method")
        return found

    def gap_reports(self) -> list[str]:
        return [f"{self.results}/metrics/gap/{dataset}.json" for dataset in self.profile.captioned_tests]

    # --- tables and pages ------------------------------------------------------------------------------------------
    def table_metrics(self, wildcards: Wildcards) -> list[str]:
        """The metric files behind a table."""
        cells = self.profile.cells_of(wildcards.table)
        if cells is not None:
            return self.metrics(cells) + self.answer_metrics(self.profile.answers_of(wildcards.table))
        if self.config["tables"][wildcards.table]["kind"] != "instruments":
            return self.gap_reports()
        tests = self.profile.captioned_tests
        return self.gap_reports() + [f"{self.results}/metrics/instruments/{dataset}.json" for dataset in tests]

    def table_cells(self, wildcards: Wildcards) -> list[list[str]]:
        """The rows of a table: trained on, experiment or vqa_method, tested on."""
        answers = self.profile.answers_of(wildcards.table)
        return [list(cell) for cell in self.profile.cells_of(wildcards.table) or []] + [
            [trained, vqa_method, tested] for trained, tested, vqa_method in answers
        ]

    def table_rows(self, wildcards: Wildcards, *names: str) -> list[str]:
        """Keys of the entries behind a table's rows, such as `label` or `note`."""
        about = self.config["tables"][wildcards.table]
        rows = [f"experiments.{name}" for name in about.get("experiments", [])]
        rows += [f"vqa_methods.{name}" for name in about.get("vqa_methods", [])]
        return [f"{row}.{name}" for row in rows for name in names]

    def table_keys(self, wildcards: Wildcards) -> list[str]:
        """What a table needs to name its rows; a sweep over one setting also needs that setting in all its rows."""
        about = self.config["tables"][wildcards.table]
        keys = ["profile", "reduced", "seed", f"tables.{wildcards.table}", *self.dataset_labels]
        keys += self.table_rows(wildcards, "label")
        if "key" not in about:
            return keys
        rows = [f"experiments.{name}" for name in about["experiments"]]
        runs = sorted({self.config["experiments"][name]["run"] for name in about["experiments"]})
        return [*keys, *rows, *(f"runs.{run}" for run in runs), about["key"]]

    @property
    def drawn_runs(self) -> dict[str, str]:
        """The trained runs of tables that compare methods, each with the label of its first row there; or all runs."""
        trained = dict.fromkeys(run for _, run in self.profile.trained)
        rows = [name for table in self.tables_of("captions") for name in self.config["tables"][table]["experiments"]]
        found: dict[str, str] = {}
        for experiment in rows:
            if (run := self.profile.run_of(experiment)) in trained:
                found.setdefault(run, self.config["experiments"][experiment]["label"])
        return found or {run: run for run in trained}

    def drawn(self, tier: str = "") -> list[str]:
        """The tables of a target that have a figure."""
        wanted = set(self.tables(tier))
        return [table for kind in DRAWN for table in self.tables_of(kind) if table in wanted]

    def tables_of(self, kind: str) -> list[str]:
        return [name for name, about in self.config["tables"].items() if about["kind"] == kind]

    def shown_sections(self, wildcards: Wildcards) -> list[str]:
        """What the report shows of the config: of runs, experiments and VQA methods only those of its tables."""
        tiers = self.reported_tiers(wildcards)
        answered = {name for tier in tiers for *_, name in self.profile.answered(tier)}
        experiments = {name for tier in tiers for _, name, _ in self.profile.evaluated(tier)}
        experiments |= {self.config["vqa_methods"][name].get("experiment") for name in answered}
        runs = {self.config["experiments"][name].get("run") for name in experiments if name}
        shown = {"runs": runs, "experiments": experiments, "vqa_methods": answered}
        found = [key for key in self.config if key not in (*NOT_SHOWN, *shown)]
        return [*found, *(f"{key}.{name}" for key, used in shown.items() for name in self.config[key] if name in used)]

    @staticmethod
    def reported_tiers(wildcards: Wildcards) -> list[str]:
        """The targets whose tables a report shows: that of `extended` has those of `all` as well."""
        return [tier for tier in TIERS if tier in ("", wildcards.tier)]

    def reported_tables(self, wildcards: Wildcards) -> list[str]:
        return [
            f"{self.results}/tables/{table}.json"
            for tier in self.reported_tiers(wildcards)
            for table in self.tables(tier)
        ]

    def reported_figures(self, wildcards: Wildcards, others: Iterable[str]) -> list[str]:
        """The figures of a report as PNG and SVG: those of its tables, and others."""
        drawn = [figure for tier in self.reported_tiers(wildcards) for figure in self.drawn(tier)]
        return [f"{self.results}/figures/{name}.{suffix}" for name in [*drawn, *others] for suffix in ("png", "svg")]

    def not_reported(self, wildcards: Wildcards, figures: Sequence[str]) -> list[str]:
        """What a target ends with beside its report and what that shows."""
        shown = {*self.report_files(wildcards.tier), *self.reported_figures(wildcards, figures)}
        return [path for path in self.ends(wildcards.tier, figures) if path not in shown]

    @property
    def dataset_labels(self) -> list[str]:
        return [f"datasets.{name}.label" for name in self.config["datasets"]]

    def tables(self, tier: str = "") -> list[str]:
        """The tables of a target; published numbers beside ours are one of the target `all`."""
        compared = ["reported"] if "reported" in self.config and not tier else []
        return [*self.profile.tables(tier), *compared]

    def ends(self, tier: str, figures: Iterable[str]) -> list[str]:
        """The files that a target ends with; the target `all` has figures, samples and descriptions of runs as well."""
        tables = self.tables(tier)
        found = [f"{self.results}/figures/{table}.png" for table in self.drawn(tier)]
        found += [f"{self.results}/tables/{table}.md" for table in tables]
        if not tier:
            found += [f"{self.results}/figures/{figure}.png" for figure in figures]
            found += [f"{self.results}/samples.html", *self.trained("run.json")]
        if tables:
            found += self.report_files(tier)
        return found

    def report_files(self, tier: str) -> list[str]:
        """The report, its trace and the macros of its numbers."""
        return [f"{self.results}/{name.format(tier)}" for name in REPORT]
