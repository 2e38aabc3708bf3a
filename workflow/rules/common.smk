"""Helpers shared by every rule."""

from pathlib import Path

from maccap.keys import leaves
from maccap.modules import closure

ARTIFACTS = f"artifacts/{config['profile']}"
RESULTS = f"results/{config['profile']}"
SEEDS = [f"s{config['seed'] + i}" for i in range(config["repeats"])]

# glibc hands large freed tensors back to the system at once and pays in page faults; keeping them saves a fifth.
shell.prefix("export MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296; ")


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    trained="|".join(config["datasets"]),
    run="|".join(config["runs"]),
    form="prefix|caption",
    answers="prefix|caption|majority",
    table="[a-z_]+",


def pick(*keys):
    """A params function giving {dotted config key: value}, so that Snakemake tracks names as well as values."""

    def params(wildcards):
        picked = {}
        for key in keys:
            key = key.format(**wildcards)
            value = config
            for part in key.split("."):
                value = value[part]
            picked |= leaves(key, value)
        return picked

    return params


def step(name, *inputs):
    """Shell command of one step with its named inputs; the log keeps what it says."""
    named = " ".join(f"--input {i} {{input.{i}}}" for i in inputs)
    return f"python -m maccap {name} {named} --output {{output}} --cfg {{params.cfg:q}} > {{log}} 2>&1"


def code(name, *methods):
    """Source files that a step runs, as an input: editing one of them reruns the step."""
    return closure("steps.runner", f"steps.{name}", *(f"methods.{method}" for method in methods))


def model_files(name):
    """The files of a model in a local folder; nothing for a model from a hub."""
    return sorted(str(path) for path in Path(name).glob("*") if path.suffix != ".md")


def run_of(experiment):
    """The run that an experiment decodes with; None for the baselines `blind` and `human`."""
    return config["experiments"][experiment].get("run")


def decoding_of(experiments):
    """Config keys of what differs from `decoding` in each experiment; labels and claims are the tables' business."""
    return [f"experiments.{name}.decoding" for name in experiments if "decoding" in config["experiments"][name]]


def asked():
    """Every (trained on, experiment, tested on) that a table shows, in order, each once."""
    cells = [
        (*pair.split("-"), experiment)
        for spec in config["tables"].values()
        for pair in spec.get("pairs", [])
        for experiment in spec["experiments"]
    ]
    return list(dict.fromkeys((trained, experiment, tested) for trained, tested, experiment in cells))


ASKED = asked()
RUNS = sorted({(trained, run_of(experiment)) for trained, experiment, _ in ASKED if run_of(experiment)})


def adaptors(trained, run):
    return [f"{ARTIFACTS}/runs/{trained}/{run}/{seed}/adaptor.safetensors" for seed in SEEDS]


def predictions(cells):
    """Files of the predictions of (trained on, experiment, tested on), two per seed."""
    return [
        f"{ARTIFACTS}/predictions/{trained}/{experiment}/{tested}/{seed}{suffix}"
        for trained, experiment, tested in cells
        for seed in SEEDS
        for suffix in (".json", ".features.safetensors")
    ]


def metrics(cells):
    return [
        f"{RESULTS}/metrics/captions/{trained}/{experiment}/{tested}/{seed}.json"
        for trained, experiment, tested in cells
        for seed in SEEDS
    ]


def table_metrics(wildcards):
    """The metric files behind a table, in the order of its rows."""
    spec, datasets = config["tables"][wildcards.table], config["datasets"]
    if wildcards.table in ("nearness", "gap"):
        return expand(f"{RESULTS}/metrics/gap/{{dataset}}.json", dataset=datasets)
    if "forms" in spec:
        return expand(f"{RESULTS}/metrics/vqa/{spec['dataset']}/{{form}}/{{seed}}.json", form=spec["forms"], seed=SEEDS)
    pairs = [pair.split("-") for pair in spec["pairs"]]
    return metrics((trained, experiment, tested) for trained, tested in pairs for experiment in spec["experiments"])


def all_logs(wildcards):
    return [f"{ARTIFACTS}/runs/{trained}/{run}/{seed}/log.jsonl" for trained, run in RUNS for seed in SEEDS]
