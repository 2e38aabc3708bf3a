"""Helpers shared by every rule."""

import sys
from pathlib import Path

sys.path.insert(0, str(workflow.current_basedir.get_path_or_uri(secret_free=False)) + "/../..")

from maccap.modules import closure

ARTIFACTS = f"artifacts/{config['profile']}"
RESULTS = f"results/{config['profile']}"
SEEDS = [f"s{config['seed'] + i}" for i in range(config["repeats"])]


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    trained="|".join(config["datasets"]),
    run="|".join(config["runs"]),
    experiment="|".join(config["experiments"]),
    form="prefix|caption|blind|majority",
    table="[a-z_]+",


def leaves(prefix, value):
    """{dotted key: value} of everything below a config value."""
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for key, below in value.items() for k, v in leaves(f"{prefix}.{key}", below).items()}


def pick(*keys):
    """A params function giving {dotted config key: value}, so that Snakemake tracks names as well as values.

    A key may be a function of the wildcards; a key that is None is left out.
    """

    def params(wildcards):
        picked = {}
        for key in keys:
            key = key(wildcards) if callable(key) else key.format(**wildcards)
            if key is not None:
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


def method_of(run):
    return config["runs"][run]["method"]


def run_of(experiment):
    """The run that an experiment decodes with; None for the human baseline."""
    return config["experiments"][experiment].get("run")


def adaptors(trained, run):
    return expand(f"{ARTIFACTS}/runs/{trained}/{run}/{{seed}}/adaptor.safetensors", seed=SEEDS)
