"""Noise injection: the modality gap modelled as zero-mean Gaussian noise on an embedding."""

import hashlib

import torch
from torch.nn import functional as F


def inject_noise(
    features: torch.Tensor,
    variance: float,
    *,
    noise: torch.Tensor | None = None,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Add N(0, variance) to every dimension and L2-normalise: [..., d] -> [..., d].

    The input is not normalised first, as in the released `noise_injection`; with variance 0 it only normalises.

    Args:
        features: any float tensor whose last dimension is the embedding.
        variance: variance per dimension, not below 0.
        noise: a standard normal draw of the same shape; drawn from `generator` on the CPU when absent.
        generator: a CPU generator, so that a run draws the same noise on every device.

    Raises:
        ValueError: a negative variance, or noise of another shape.
    """
    if variance < 0:
        raise ValueError(f"noise variance is {variance}: it must be 0 or more")
    if noise is None:
        noise = torch.randn(features.shape, generator=generator).to(features)
    elif noise.shape != features.shape:
        raise ValueError(f"noise has shape {tuple(noise.shape)}, features have {tuple(features.shape)}")
    return F.normalize(features + variance**0.5 * noise, dim=-1)


def image_noise(seed: int, ids: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """A standard normal draw [B, *shape] on the CPU, one generator per image, seeded by `seed` and the image's id.

    So an image's draw depends neither on its batch nor on its shard.
    """
    draws = torch.empty(len(ids), *shape)
    generator = torch.Generator()
    for row, image_id in enumerate(ids.tolist()):
        digest = hashlib.blake2b(f"{seed} {image_id}".encode(), digest_size=7).digest()
        draws[row].normal_(generator=generator.manual_seed(int.from_bytes(digest)))
    return draws
