# Frozen models by name are brought into one form, a folder of safetensors, whatever the download looked like.
NAMES = [config["language_model"]["name"], *(about.get("language_model") for about in config["answerers"].values())]
NAMED_MODELS = {slug(name): name for name in NAMES if name and not Path(name).is_dir()}
STANDARD_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # of a repository that the registry does not know
HUB_ASSETS = {entry.hub: entry for entry in ASSETS.values() if isinstance(entry, HubAsset)}
USED_ASSETS |= {HUB_ASSETS[name].name for name in NAMED_MODELS.values() if name in HUB_ASSETS}


def hub_asset(model):
    """The registry's entry of a model, or, for any other of the hub, its standard files at the commit first seen."""
    name = NAMED_MODELS[model]
    return HUB_ASSETS.get(name, HubAsset(slug(name), name, None, STANDARD_FILES))


def model_source(wildcards):
    """The user's own .gguf file, or the index of the downloaded files."""
    name = NAMED_MODELS[wildcards.model]
    return name if Path(name).is_file() else f"{DOWNLOADS}/models/{wildcards.model}/index.json"


rule download_model:
    input:
        code=code("download"),
    output:
        f"{DOWNLOADS}/models/{{model}}/index.json",
    log:
        f"{LOGS}/download/{{model}}.log",
    wildcard_constraints:
        model="|".join(NAMED_MODELS) or "none",
    priority: 1000
    localrule: True
    conda:
        "../../environment.yml"
    resources:
        downloads=1,
    params:
        cfg=lambda wildcards: hub_asset(wildcards.model).parameters() | {"lock": config["lock"]},
    shell:
        step("download")


rule language_model:
    input:
        code=code("language_model"),
        source=model_source,
    output:
        expand(
            f"{ARTIFACTS}/models/{{{{model}}}}/{{file}}",
            file=[
                "index.json",
                "config.json",
                "generation_config.json",
                "model.safetensors",
                "tokenizer.json",
                "tokenizer_config.json",
            ],
        ),
    log:
        f"{LOGS}/models/{{model}}.log",
    wildcard_constraints:
        model="|".join(NAMED_MODELS) or "none",
    conda:
        "../../environment.yml"
    params:
        cfg=lambda wildcards: {
            "language_model.name": NAMED_MODELS[wildcards.model],
            "language_model.dtype": config["language_model"]["dtype"],
        },
    shell:
        step("language-model", "source")


rule encoder:
    input:
        code=code("encoder"),
        weights=[asset(config["encoder"]["weights"])] if "weights" in config["encoder"] else [],
    output:
        expand(
            f"{ARTIFACTS}/models/encoder/{{file}}",
            file=["index.json", "open_clip_config.json", "open_clip_model.safetensors"],
        ),
    log:
        f"{LOGS}/models/encoder.log",
    conda:
        "../../environment.yml"
    params:
        cfg=pick("encoder.name", "encoder.pretrained"),
    shell:
        step("encoder", "weights")
