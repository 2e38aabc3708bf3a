"""What a profile will download, store and compute, estimated from its numbers before anything starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.dotted import leaves
from ..fetch.registry import Asset, HubAsset, folder_name
from .profile import Profile

FLOPS, BANDWIDTH = 100e12, 1e12  # assumed of one GPU: operations a second in bf16, bytes of memory a second
ASSUMED = f"{FLOPS / 1e12:g} TFLOP/s in bf16 and {BANDWIDTH / 1e12:g} TB/s of memory on one GPU"
VALUE_BYTES = 2  # of a stored feature, or of a parameter of the language model
SMALL = {
    "language_model_parameters": 1e6, "caption_tokens": 20, "question_tokens": 40,
    "encoder": {"text_parameters": 1e6, "image_parameters": 1e6, "image_tokens": 100, "dim": 512},
}  # fmt: skip


def feature_bytes(texts: int, images: int, image_tokens: int, dim: int) -> int:
    """Bytes of feature stores.

    An image's store holds its global feature, one per token (class token included) and the attention between tokens.
    """
    return (texts * dim + images * (dim + image_tokens * dim + image_tokens**2)) * VALUE_BYTES


def encoding_seconds(tokens: float, parameters: int) -> float:
    """Of an encoder with so many parameters, embedding tables left out: two operations per parameter and token."""
    return 2 * tokens * parameters / FLOPS


def training_seconds(parameters: int, tokens: float) -> float:
    """Of adaptors in front of a frozen language model: four operations per parameter and token, of all epochs and runs.

    Two are for the forward pass, two for the way back to the activations; the frozen weights get no gradient, and the
    adaptor is too small to count.
    """
    return 4 * parameters * tokens / FLOPS


@dataclass(frozen=True)
class Generation:
    """Captions or answers from a language model: `inputs` prompts, each with `draws` x `beams` running texts; all of
    them `seeds` times."""

    parameters: int
    inputs: int
    prompt_tokens: float
    new_tokens: int
    batch_size: int
    beams: int
    draws: int = 1
    seeds: int = 1

    @property
    def seconds(self) -> float:
        """A step of a batch computes one token of each running text and reads all weights; the slower one counts."""
        texts = self.inputs * self.draws * self.beams
        batches = -(-self.inputs // self.batch_size)
        computing = 2 * self.parameters * texts / FLOPS
        reading = batches * self.parameters * VALUE_BYTES / BANDWIDTH
        return self.seeds * (self.prompt_tokens * computing + self.new_tokens * max(computing, reading))


@dataclass(frozen=True)
class Estimate:
    """Bytes to download (without those `of_unknown_size`), bytes of feature stores, and seconds on one GPU, also of the
    longest job."""

    download_bytes: int
    of_unknown_size: tuple[str, ...]
    feature_bytes: int
    encoding_seconds: float
    training_seconds: float
    generation_seconds: float
    longest_seconds: float = 0.0

    @property
    def gpu_seconds(self) -> float:
        return self.encoding_seconds + self.training_seconds + self.generation_seconds

    def wall_seconds(self, gpus: int) -> float:
        """Of all jobs on so many GPUs, one on each, when no GPU ever waits."""
        return max(self.gpu_seconds / gpus, self.longest_seconds)

    def lines(self) -> list[str]:
        """For printing: an amount, that it is estimated, and on what assumption."""
        unknown = f", besides {', '.join(self.of_unknown_size)} of unknown size" if self.of_unknown_size else ""
        parts = {
            "encoding": self.encoding_seconds, "training": self.training_seconds, "generation": self.generation_seconds
        }  # fmt: skip
        return [
            f"download: {self.download_bytes / 1e9:,.1f} GB (estimate from the sizes in the registry{unknown})",
            f"features on disk: {self.feature_bytes / 1e9:,.1f} GB (estimate from the numbers of texts and images)",
            f"GPU time: {_hours(self.gpu_seconds)} "
            f"({', '.join(f'{name} {_hours(seconds)}' for name, seconds in parts.items())}; "
            f"estimate from operation counts, assuming {ASSUMED}, not measured)",
        ]


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h"


def announcement(profile: Profile, assets: dict[str, Asset], needed: set[str], downloads: Path) -> str:
    """Lines to print when the profile is planned, for the whole profile but what is downloaded already.

    Args:
        needed: names of the assets that the profile uses.
        downloads: the folder where they lie once downloaded.
    """
    missing, to_ask = missing_assets(profile, assets, needed, downloads)
    lines = [f"{name} must be supplied by you: {ask}" for name, ask in to_ask.items()]
    return "\n".join([f"The whole profile {profile.config['profile']}:", *estimate(profile, missing).lines(), *lines])


def used_assets(config: dict[str, Any], assets: dict[str, Asset]) -> set[str]:
    """Names of the assets, or of hub models, that a value of the config names."""
    named = {value for value in leaves("", config).values() if isinstance(value, str)}
    return {
        name for name, asset in assets.items() if {name, asset.hub if isinstance(asset, HubAsset) else name} & named
    }


def missing_assets(
    profile: Profile, assets: dict[str, Asset], needed: set[str], downloads: Path
) -> tuple[dict[str, int | None], dict[str, str | None]]:
    """Bytes by name of what is still to be downloaded, None if unknown; and where to ask for what the user supplies."""
    missing: dict[str, int | None] = {}
    to_ask: dict[str, str | None] = {}
    for name in sorted(needed):
        asset = assets[name]
        file = f"models/{folder_name(asset.hub)}/index.json" if isinstance(asset, HubAsset) else asset.file
        if name in profile.config["local"] or (downloads / file).exists():
            continue
        if isinstance(asset, HubAsset) or asset.urls:
            missing[name] = asset.size
        else:
            to_ask[name] = asset.ask
    return missing, to_ask


def estimate(profile: Profile, downloads: dict[str, int | None]) -> Estimate:
    """Everything that the profile's tables need, from the sizes that it states.

    Args:
        downloads: bytes by name of every asset that is not on disk yet; None where nobody knows.
    """
    numbers = assumed(profile)
    encoder = numbers["encoder"]
    texts, images = (sum(profile.size_of(name, kind) for name in profile.datasets) for kind in ("captions", "images"))
    trainings = {run: training_of(profile, *run) for run in profile.trained}
    known = {name: size for name, size in downloads.items() if size is not None}
    return Estimate(
        sum(known.values()),
        tuple(sorted(downloads.keys() - known)),
        feature_bytes(texts, images, encoder["image_tokens"], encoder["dim"]),
        encoding_seconds(texts * numbers["caption_tokens"], encoder["text_parameters"])
        + encoding_seconds(images * encoder["image_tokens"], encoder["image_parameters"]),
        sum(profile.run_repeats(run) * seconds for (_, run), seconds in trainings.items()),
        sum(generation.seconds for generation in generations(profile)),
        max(trainings.values(), default=0.0),
    )


def generations(profile: Profile) -> list[Generation]:
    """The captions and answers for the profile's tables."""
    captions = [
        captions_of(profile, trained, experiment, tested)
        for trained, experiment, tested in profile.predicted()
        if (run := profile.run_of(experiment)) and "adaptor" in profile.needs(run)
    ]
    answers = [
        answers_of(profile, vqa_method, dataset)
        for _, dataset, vqa_method in profile.answered()
        if profile.vqa_methods[vqa_method]["context"] != "majority"
    ]
    return captions + answers


def assumed(profile: Profile) -> dict[str, Any]:
    """The profile's `estimate`; without one, that of models as small as the embedded world's."""
    return profile.config.get("estimate", SMALL)


def training_of(profile: Profile, trained: str, run: str) -> float:
    """Seconds for one seed of a run."""
    numbers, training = assumed(profile), profile.training_settings(trained, run)
    texts = profile.size_of(trained, "captions") * training["epochs"]
    tokens = texts * (training["queries"] + numbers["caption_tokens"])
    return training_seconds(numbers["language_model_parameters"], tokens)


def captions_of(profile: Profile, trained: str, experiment: str, tested: str) -> Generation:
    """The captions of an experiment for a test set."""
    config, own, numbers = profile.config, profile.experiments[experiment], assumed(profile)
    run = profile.run_of(experiment)
    assert run
    queries = profile.training_settings(trained, run)["queries"]
    generation = profile.generation_settings(experiment)
    selection = config["selection"] | own.get("selection", {})
    return Generation(
        numbers["language_model_parameters"], profile.size_of(tested, "images"), queries + 1,
        generation["max_new_tokens"], generation["batch_size"], generation["beams"], selection["draws"],
        profile.repeats(experiment),
    )  # fmt: skip


def answers_of(profile: Profile, vqa_method: str, dataset: str) -> Generation:
    """The answers of a method to the questions about a data set."""
    numbers = assumed(profile)
    answering = profile.config["answering"] | profile.vqa_methods[vqa_method].get("answering", {})
    return Generation(
        numbers["language_model_parameters"], profile.size_of(dataset, "questions"), numbers["question_tokens"],
        answering["max_new_tokens"], answering["batch_size"], answering["beams"],
        seeds=profile.repeats(profile.vqa_methods[vqa_method]["experiment"]),
    )  # fmt: skip
