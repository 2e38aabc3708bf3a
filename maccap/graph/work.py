"""What a profile will download, store and compute, as `maccap.estimate` wants it: printed before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..fetch.registry import Asset, HubAsset, slug
from .estimate import Encoding, Generation, Training, Work, estimate
from .profile import Profile


def announcement(profile: Profile, assets: dict[str, Asset], needed: set[str], downloads: Path) -> str:
    """Lines to print when the profile is planned, for the whole profile but what is downloaded already.

    Args:
        needed: names of the assets that the profile uses.
        downloads: the folder where they lie once downloaded.
    """
    missing, to_ask = missing_assets(profile, assets, needed, downloads)
    lines = [f"{name} must be supplied by you: {ask}" for name, ask in to_ask.items()]
    return "\n".join(
        [f"The whole profile {profile.config['profile']}:", *estimate(work(profile, missing)).lines(), *lines]
    )


def missing_assets(
    profile: Profile, assets: dict[str, Asset], needed: set[str], downloads: Path
) -> tuple[dict[str, int | None], dict[str, str | None]]:
    """Bytes by name of what is still to be downloaded, None if unknown; and where to ask for what the user supplies."""
    missing: dict[str, int | None] = {}
    to_ask: dict[str, str | None] = {}
    for name in sorted(needed):
        asset = assets[name]
        if isinstance(asset, HubAsset):
            if not (downloads / "models" / slug(asset.hub) / "index.json").exists():
                missing[name] = asset.size
        elif name not in profile.config["local"] and not (downloads / asset.file).exists():
            if asset.urls:
                missing[name] = asset.size
            else:
                to_ask[name] = asset.ask
    return missing, to_ask


def work(profile: Profile, downloads: dict[str, int | None]) -> Work:
    """Everything that the profile's tables need, from the sizes that it states."""
    numbers, config = profile.config["estimate"], profile.config
    seeds = config["repeats"]
    caption_tokens = config["training"]["queries"] + numbers["caption_tokens"]
    trainings = [
        Training(
            numbers["language_model_parameters"], _size(profile, trained, "captions"), caption_tokens,
            _training(config, trained, run)["epochs"], seeds,
        )
        for trained, run in profile.trained
    ]  # fmt: skip
    captions = [
        _generation(config, numbers, _size(profile, tested, "images"), experiment)
        for _, experiment, tested in profile.predicted()
        if (run := profile.run_of(experiment)) and "adaptor" in profile.needs(run)
    ]
    answers = [
        Generation(
            numbers["language_model_parameters"], _size(profile, dataset, "questions"), numbers["question_tokens"],
            config["answering"]["max_new_tokens"], config["answering"]["batch_size"], config["answering"]["beams"],
            runs=seeds,
        )
        for _, dataset, vqa_method in profile.answered()
        if profile.vqa_methods[vqa_method]["context"] != "majority"
    ]  # fmt: skip
    return Work(downloads, [_encoding(profile, numbers)], trainings, [*captions, *answers])


def _size(profile: Profile, dataset: str, kind: str) -> int:
    return int(profile.datasets[dataset].get("size", {}).get(kind, 0))


def _training(config: dict[str, Any], trained: str, run: str) -> dict[str, Any]:
    """The training settings of a run, as far as they are plain overrides."""
    own = config["datasets"][trained].get("training", {}), config["runs"][run].get("training", {})
    return config["training"] | own[0] | own[1]


def _generation(config: dict[str, Any], numbers: dict[str, Any], images: int, experiment: str) -> Generation:
    own = config["experiments"][experiment]
    generation = config["generation"] | own.get("generation", {})
    selection = config["selection"] | own.get("selection", {})
    return Generation(
        numbers["language_model_parameters"], images, config["training"]["queries"] + 1, generation["max_new_tokens"],
        generation["batch_size"], generation["beams"], selection["draws"], config["repeats"],
    )  # fmt: skip


def _encoding(profile: Profile, numbers: dict[str, Any]) -> Encoding:
    encoder = numbers["encoder"]
    return Encoding(
        texts=sum(_size(profile, name, "captions") for name in profile.datasets),
        text_tokens=numbers["caption_tokens"],
        text_parameters=encoder["text_parameters"],
        images=sum(_size(profile, name, "images") for name in profile.datasets),
        image_tokens=encoder["image_tokens"],
        image_parameters=encoder["image_parameters"],
        dim=encoder["dim"],
    )
