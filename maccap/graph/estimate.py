"""What a profile will download, store and compute, estimated from its numbers before anything starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Throughput:
    """What one GPU is assumed, not measured, to reach: operations per second in bf16, bytes of memory per second."""

    flops: float = 100e12
    bandwidth: float = 1e12

    def __str__(self) -> str:
        return f"{self.flops / 1e12:g} TFLOP/s in bf16 and {self.bandwidth / 1e12:g} TB/s of memory on one GPU"


@dataclass(frozen=True)
class Encoding:
    """Features of `texts` texts and `images` images from one encoder, each `dim` wide.

    An image's store holds its global feature, one per token (class token included) and the attention between tokens;
    parameters count without embedding tables.
    """

    texts: int
    text_tokens: float
    text_parameters: int
    images: int
    image_tokens: int
    image_parameters: int
    dim: int
    value_bytes: int = 2

    @property
    def stored_bytes(self) -> int:
        per_image = self.dim + self.image_tokens * self.dim + self.image_tokens**2
        return (self.texts * self.dim + self.images * per_image) * self.value_bytes

    def seconds(self, throughput: Throughput) -> float:
        """Two operations per parameter and token."""
        text = self.texts * self.text_tokens * self.text_parameters
        image = self.images * self.image_tokens * self.image_parameters
        return 2 * (text + image) / throughput.flops


@dataclass(frozen=True)
class Training:
    """Adaptors trained in front of a frozen language model: `runs` in all, every seed counted."""

    parameters: int
    captions: int
    tokens: float  # of one caption, soft tokens included
    epochs: int
    runs: int = 1

    def seconds(self, throughput: Throughput) -> float:
        """Four operations per parameter and token: two forwards, two backwards to the activations.

        The frozen weights get no gradient, and the adaptor is too small to count.
        """
        return 4 * self.parameters * self.captions * self.tokens * self.epochs * self.runs / throughput.flops


@dataclass(frozen=True)
class Generation:
    """Captions or answers from a language model: `inputs` prompts, each with `draws` x `beams` running texts."""

    parameters: int
    inputs: int
    prompt_tokens: float
    new_tokens: float
    batch_size: int
    beams: int = 1
    draws: int = 1
    runs: int = 1
    weight_bytes: int = 2  # of one parameter

    def seconds(self, throughput: Throughput) -> float:
        """A step of a batch computes one token of each running text and reads all weights; the slower one counts."""
        texts = self.inputs * self.draws * self.beams
        batches = -(-self.inputs // self.batch_size)
        per_token = 2 * self.parameters / throughput.flops
        reading = batches * self.parameters * self.weight_bytes / throughput.bandwidth
        return self.runs * (texts * self.prompt_tokens * per_token + self.new_tokens * max(texts * per_token, reading))


@dataclass(frozen=True)
class Work:
    """All that a profile will do.

    Attributes:
        downloads: bytes by name of every asset that is not on disk yet; None where nobody knows.
    """

    downloads: Mapping[str, int | None]
    encodings: Sequence[Encoding] = ()
    trainings: Sequence[Training] = ()
    generations: Sequence[Generation] = ()


@dataclass(frozen=True)
class Estimate:
    """Bytes to download (without those `of_unknown_size`), bytes of feature stores, and seconds on one GPU."""

    download_bytes: int
    of_unknown_size: tuple[str, ...]
    feature_bytes: int
    encoding_seconds: float
    training_seconds: float
    generation_seconds: float
    throughput: Throughput

    @property
    def gpu_seconds(self) -> float:
        return self.encoding_seconds + self.training_seconds + self.generation_seconds

    def lines(self) -> list[str]:
        """For printing: an amount, that it is estimated, and on what assumption."""
        unknown = f", besides {', '.join(self.of_unknown_size)} of unknown size" if self.of_unknown_size else ""
        parts = {
            "encoding": self.encoding_seconds,
            "training": self.training_seconds,
            "generation": self.generation_seconds,
        }
        return [
            f"download: {_gigabytes(self.download_bytes)} (estimate from the sizes in the registry{unknown})",
            f"features on disk: {_gigabytes(self.feature_bytes)} (estimate from the numbers of texts and images)",
            f"GPU time: {_hours(self.gpu_seconds)} "
            f"({', '.join(f'{name} {_hours(seconds)}' for name, seconds in parts.items())}; "
            f"estimate from operation counts, assuming {self.throughput}, not measured)",
        ]


def estimate(work: Work, throughput: Throughput | None = None) -> Estimate:
    throughput = throughput or Throughput()
    known = {name: size for name, size in work.downloads.items() if size is not None}
    return Estimate(
        sum(known.values()),
        tuple(sorted(work.downloads.keys() - known)),
        sum(encoding.stored_bytes for encoding in work.encodings),
        sum(encoding.seconds(throughput) for encoding in work.encodings),
        sum(training.seconds(throughput) for training in work.trainings),
        sum(generation.seconds(throughput) for generation in work.generations),
        throughput,
    )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h"
