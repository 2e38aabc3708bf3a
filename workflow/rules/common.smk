"""Helpers shared by every rule."""

from pathlib import Path

from maccap.fetch.registry import DOWNLOADS, HubAsset, looks_like_a_path, read_registry, slug
from maccap.core.errors import ConfigError
from maccap.figures.gap_legends import LEGENDS
from maccap.core.dotted import leaves
from maccap.graph.sources import closure
from maccap.graph.profile import Profile
from snakemake.exceptions import WorkflowError

ARTIFACTS = f"artifacts/{config['profile']}"
RESULTS = f"results/{config['profile']}"
LOGS = f"logs/{config['profile']}"

try:
    PROFILE = Profile(config)
    ASSETS = read_registry(config["registry"]) if "registry" in config else {}
except ConfigError as error:
    raise WorkflowError(str(error))
SEEDS = PROFILE.seeds
GAP_FIGURES = list(LEGENDS)
FIGURES = [*GAP_FIGURES, "training"]
TIERS = {
    False: "",
    True: "_extended",
}  # of tables, with the ending of their rules: of the target `all`, and of `extended`
ANSWERED = PROFILE.answered() + PROFILE.answered(extended=True)
RESOURCES = ("memory", "memory_captions", "pairs", "vocabulary", "adaptors")  # what methods need to make captions
USED_ASSETS = set()  # filled by `asset` while the rules are read

# glibc hands large freed tensors back to the system at once and pays in page faults; keeping them saves a fifth.
shell.prefix("export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296; ")


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    trained="|".join(config["datasets"]),
    run="|".join(config["runs"]),
    shard=r"\d+-of-\d+",


def pick(*keys, optional=()):
    """A params function giving {dotted config key: value}, so that Snakemake tracks names as well as values.

    Snakemake tracks their order, too: that in which the keys are asked for has no part in it.
    """

    def params(wildcards):
        picked = {}
        for key in sorted({*keys, *optional}):
            name = key.format(**wildcards)
            value = config
            for part in name.split("."):
                if key in optional and part not in value:
                    break
                value = value[part]
            else:
                picked |= leaves(name, value)
        return picked

    return params


def step(name, *inputs):
    """Shell command of one step with its named inputs; the log keeps what it says."""
    named = " ".join(f"--input {i} {{input.{i}}}" for i in inputs)
    return f"python -m maccap {name} {named} --output {{output}} --cfg {{params.cfg:q}} > {{log}} 2>&1"


def code(name, *methods):
    """Source files that a step runs, as an input: editing one of them reruns the step."""
    return closure("steps.runner", f"steps.{name}", *(f"methods.{method}" for method in methods))


def asset(name):
    """The file of an asset, where the rule `download` puts it; or the user's own folder of its files."""
    local = config.get("local", {}).get(name)
    if local and Path(local).is_dir():
        return local
    if name not in ASSETS:
        raise WorkflowError(f"asset {name!r} is not in {config.get('registry', 'a registry: name one in the profile')}")
    USED_ASSETS.add(name)
    return f"{DOWNLOADS}/{ASSETS[name].file}"


def source(about):
    """The file that a config entry `{asset: NAME}` or `{file: PATH}` means."""
    return asset(about["asset"]) if "asset" in about else about["file"]


def folder_files(folder):
    """The files of a model in a local folder."""
    return sorted(str(path) for path in Path(folder).glob("*") if path.suffix != ".md")


def encoder():
    """What jobs depend on for the profile's encoder: its files, or the index of those that were made.

    Snakemake hashes every input of a job once per output, and weights may be gigabytes; the index holds their hashes.
    """
    if Path(config["encoder"]["name"]).is_dir():
        return folder_files(config["encoder"]["name"])
    return [f"{ARTIFACTS}/models/encoder/index.json"]


def language_model(name=config["language_model"]["name"]):
    """What jobs depend on for a language model, as for the encoder."""
    if Path(name).is_dir():
        return folder_files(name)
    if not Path(name).is_file() and looks_like_a_path(name):
        raise WorkflowError(f"language model {name}: no such folder or .gguf file; correct `language_model.name`")
    return [f"{ARTIFACTS}/models/{slug(name)}/index.json"]


def text_features(dataset, split):
    return [
        f"{ARTIFACTS}/features/{dataset}/captions.{split}.{shard}.safetensors"
        for shard in PROFILE.text_shards(dataset, split)
    ]


def image_features(dataset):
    return [
        f"{ARTIFACTS}/features/{dataset}/images.test.{shard}.safetensors" for shard in PROFILE.image_shards(dataset)
    ]


def adaptors(trained, run):
    return [f"{ARTIFACTS}/runs/{trained}/{run}/{seed}/adaptor.safetensors" for seed in SEEDS]


def pairs(trained, run):
    """Statistics of image-text pairs, for a run whose method reads them."""
    return f"{ARTIFACTS}/features/{trained}/pairs.val.safetensors" if "pairs" in PROFILE.needs(run) else []


def vocabulary(run):
    """The entities of a run whose method names some."""
    return config["runs"][run]["options"]["vocabulary"] if "vocabulary" in PROFILE.needs(run) else []


def resources(trained, run):
    """What a run's method needs, as named inputs of the jobs that make captions with it."""
    needed = PROFILE.needs(run)
    return {
        "memory": text_features(trained, "train") if "memory" in needed else [],
        "memory_captions": f"{ARTIFACTS}/data/{trained}/captions.train.jsonl" if "memory" in needed else [],
        "pairs": pairs(trained, run),
        "vocabulary": vocabulary(run),
        "adaptors": adaptors(trained, run) if "adaptor" in needed else [],
    }


def predictions(cells, shard=None):
    """Files of the predictions of (trained on, experiment, tested on), two each: of every shard, or of number `shard`."""
    return [
        f"{ARTIFACTS}/predictions/{trained}/{experiment}/{tested}/{part}{suffix}"
        for trained, experiment, tested in cells
        for part in PROFILE.prediction_parts(experiment, tested, shard)
        for suffix in (".json", ".features.safetensors")
    ]


def metrics(cells):
    return [
        f"{RESULTS}/metrics/captions/{trained}/{experiment}/{tested}/{seed}.json"
        for trained, experiment, tested in cells
        for seed in PROFILE.seeds_of(experiment)
    ]


def answers(trained, dataset, answerer):
    """VQA results of every seed and shard."""
    return [
        f"{ARTIFACTS}/answers/{trained}/{dataset}/{answerer}/{part}.json"
        for part in PROFILE.answer_parts(answerer, dataset)
    ]


def answer_metrics(trained, dataset, answerer):
    return [f"{RESULTS}/metrics/vqa/{trained}/{answerer}/{dataset}/{seed}.json" for seed in SEEDS]


def table_metrics(table):
    """The metric files behind a table, in the order of its rows."""
    cells = PROFILE.cells_of(table)
    if cells is None:
        return [f"{RESULTS}/metrics/gap/{dataset}.json" for dataset in PROFILE.captioned_tests]
    return metrics(cells) + [path for cell in PROFILE.answers_of(table) for path in answer_metrics(*cell)]


def all_logs(wildcards):
    return [f"{ARTIFACTS}/runs/{trained}/{run}/{seed}/log.jsonl" for trained, run in PROFILE.trained for seed in SEEDS]


# Frozen models by name are brought into one form, a folder of safetensors, whatever the download looked like.
NAMES = [config["language_model"]["name"], *(about.get("language_model") for about in config["answerers"].values())]
NAMED_MODELS = {slug(name): name for name in NAMES if name and not Path(name).is_dir()}
STANDARD_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # of a repository that the registry does not know
HUB_ASSETS = {entry.hub: entry for entry in ASSETS.values() if isinstance(entry, HubAsset)}
USED_ASSETS |= {HUB_ASSETS[name].name for name in NAMED_MODELS.values() if name in HUB_ASSETS}


def download_cfg(wildcards):
    """The registry's entry of a file, where first downloads are recorded, and the user's own copy, if any."""
    (entry,) = (entry for entry in ASSETS.values() if getattr(entry, "file", None) == wildcards.file)
    local = {key: path for key, path in [("local", config["local"].get(entry.name))] if path}
    return entry.parameters() | {"lock": config["lock"]} | local


def hub_asset(model):
    """The registry's entry of a model, or, for any other of the hub, its standard files at the commit first seen."""
    name = NAMED_MODELS[model]
    return HUB_ASSETS.get(name, HubAsset(slug(name), name, None, STANDARD_FILES))


def model_source(wildcards):
    """The user's own .gguf file, or the index of the downloaded files."""
    name = NAMED_MODELS[wildcards.model]
    return name if Path(name).is_file() else f"{DOWNLOADS}/models/{wildcards.model}/index.json"


def table_cfg(wildcards):
    """What a table needs to name its rows and to judge the claims behind them."""
    about = config["tables"][wildcards.table]
    rows = [f"experiments.{name}" for name in about.get("experiments", [])]
    rows += [f"answerers.{name}" for name in about.get("answerers", [])]
    labels = [f"{key}.label" for key in (*(f"datasets.{name}" for name in config["datasets"]), *rows)]
    claims = [f"{key}.{claim}" for key in rows for claim in ("lowers", "raises", "note")]
    swept = []
    if "key" in about:
        runs = sorted({config["experiments"][name]["run"] for name in about["experiments"]})
        swept = [*rows, *(f"runs.{run}" for run in runs), about["key"]]
    return pick("profile", "reduced", "seed", "tables.{table}", *labels, *swept, optional=claims)(wildcards)


def of_first_seed(paths):
    """The files of the first seed; published predictions have none."""
    return [path for path in paths if Path(path).name.split(".")[0] in (SEEDS[0], "published")]
