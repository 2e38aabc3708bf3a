"""The paper's second assumption, measured: is the gap a zero-mean, Gaussian, isotropic random vector?

Every measure of the gap is taken again on simulated sets of vectors that obey the assumption and are as many, so that
it stands beside what sampling alone would give: an effect size, where a p-value only grows with the number of images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .measures import Array, Measures, Vectors, curves, mean_measures, shape_measures, spread_measures

SIMULATIONS = 40


def gap_measures(gap: Vectors) -> Measures:
    """All measures of gap vectors; `length` and `variance_per_dimension` are means."""
    sizes: Measures = {
        "length": float(np.linalg.norm(gap.vectors, axis=1).mean()),
        "variance_per_dimension": float((gap.sd**2).mean()),
    }
    return sizes | mean_measures(gap) | shape_measures(gap, gap.leading) | spread_measures(gap)


def gap_statistics(vectors: Array, noise_variance: float, seed: int, simulations: int = SIMULATIONS) -> dict[str, Any]:
    """All measures of gap vectors [N, d], and what each would be if the assumption held.

    Returns:
        `measures`: {name: `value`, and the mean (`expected`) and standard deviation (`sd`) over the simulated sets}.
        For the spread these are Gaussian and isotropic, for the rest zero-mean Gaussian with the gap's own covariance.
        Sizes are set against the noise that training injects; `mean_in_noise_sd` is the mean's length in that noise's
        standard deviations.
        `curves`: {name: `value`, `expected`} of `curves`; and `mean` [d], for which `expected` is its standard error.
        `vectors`, `dimensions`, `simulations` and `leading_directions`: how many there were.
    """
    gap = Vectors(vectors)
    variances, directions = gap.principal
    root = np.sqrt(variances)[:, None] * directions.T
    generator = np.random.default_rng(seed)
    measured: list[Measures] = []
    drawn: list[dict[str, Array]] = []
    for _ in range(simulations):
        standard = generator.standard_normal(vectors.shape)
        gaussian, isotropic = Vectors(standard @ root), Vectors(standard)
        measured.append(mean_measures(gaussian) | shape_measures(gaussian, gap.leading) | spread_measures(isotropic))
        drawn.append(curves(gaussian, gap.leading) | {"spectrum": isotropic.shares})
    report = {name: _beside(value, [m.get(name) for m in measured]) for name, value in gap_measures(gap).items()}
    shown = {
        name: {"value": value.tolist(), "expected": np.mean([d[name] for d in drawn], axis=0).tolist()}
        for name, value in curves(gap, gap.leading).items()
    }
    return {
        "vectors": gap.count,
        "dimensions": gap.dimensions,
        "simulations": simulations,
        "leading_directions": gap.leading,
        "measures": report | _against_noise(report, noise_variance, gap.dimensions),
        "curves": shown | {"mean": {"value": gap.mean.tolist(), "expected": (gap.sd / gap.count**0.5).tolist()}},
    }


def _beside(value: float | None, simulated: list[float | None]) -> dict[str, float | None]:
    """A value with the mean and the standard deviation of the same measure over simulated sets, where there are any."""
    others = [number for number in simulated if number is not None]
    if value is None or len(others) < 2:
        return {"value": value}
    return {"value": value, "expected": float(np.mean(others)), "sd": float(np.std(others, ddof=1))}


def _against_noise(report: dict[str, Any], variance: float, dimensions: int) -> dict[str, Any]:
    """The gap's sizes beside those of noise of this variance per dimension."""
    sizes = {"length": (variance * dimensions) ** 0.5, "variance_per_dimension": variance}
    found = {name: report[name] | {"expected": expected} for name, expected in sizes.items()}
    if variance:
        scaled = {key: number / variance**0.5 for key, number in report["mean_norm"].items()}
        found["mean_in_noise_sd"] = scaled
    return found
