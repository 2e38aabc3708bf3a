"""The paper's second assumption, measured: is the gap a zero-mean, Gaussian, isotropic random vector?

Every measure of the gap is taken again on simulated sets of vectors that obey the assumption and are as many, so that
it stands beside what sampling alone would give: an effect size, where a p-value only grows with the number of images.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]
Measures = dict[str, float | None]

SIMULATIONS = 40
LEVEL = 0.05  # of the tests of single dimensions
ENOUGH = 20  # vectors for scipy's test of kurtosis
LEADING_SHARE = 0.9  # of the variance lies in the directions that multivariate normality is measured in ...
VECTORS_PER_DIRECTION = 4  # ... of which there are at most a quarter of the vectors
TOP = 10
ROWS = 500  # of the N x N scalar products held at once
SPANNED = 1e-12  # of the largest variance; a direction with less is not spanned by the vectors
PERCENTS = np.arange(1, 100) / 100


class Vectors:
    """Vectors [N, d] with their mean and principal directions; N > 1."""

    def __init__(self, vectors: Array) -> None:
        self.vectors = vectors
        self.count, self.dimensions = vectors.shape
        self.mean: Array = vectors.mean(axis=0)
        self.centred: Array = vectors - self.mean
        self.sd: Array = self.centred.std(axis=0, ddof=1)

    @cached_property
    def principal(self) -> tuple[Array, Array]:
        """Variances [d], largest first, and their directions [d, d], one a column."""
        values, directions = np.linalg.eigh(self.centred.T @ self.centred / (self.count - 1))
        return values[::-1].clip(min=0), directions[:, ::-1]

    @property
    def shares(self) -> Array:
        """Share [d] of the variance in each principal direction, largest first."""
        values = self.principal[0]
        return values / values.sum()

    @property
    def leading(self) -> int:
        """How many principal directions hold 90 % of the variance, at most a quarter of the number of vectors."""
        enough = int(np.searchsorted(np.cumsum(self.shares), LEADING_SHARE)) + 1
        return max(1, min(enough, self.count // VECTORS_PER_DIRECTION))

    def scores(self, directions: int) -> Array:
        """Coordinates [N, q] of the centred vectors in the first q principal directions."""
        return np.asarray(self.centred @ self.principal[1][:, :directions])


def mean_measures(gap: Vectors) -> Measures:
    """Is the mean zero?

    `mean_norm` is its length; `mean_share` the part of the squared length that all vectors have in common;
    `same_direction` the share of vectors at an acute angle to the mean of the others; `mean_in_own_sd` the mean's
    length in standard deviations along it; `dimensions_off_zero` the share of dimensions whose t-test rejects a zero
    mean at 5 %; `hotelling_f` the F statistic (d, N - d degrees of freedom) of Hotelling's test, where N > d.
    """
    squares = (gap.vectors**2).sum(axis=1)
    along = gap.vectors @ gap.mean
    length = float(np.linalg.norm(gap.mean))
    t = gap.mean / (gap.sd / np.sqrt(gap.count))
    return {
        "mean_norm": length,
        "mean_share": float(length**2 / squares.mean()),
        "same_direction": float((along * gap.count > squares).mean()),
        "mean_in_own_sd": float(length**2 / along.std(ddof=1)),
        "dimensions_off_zero": float((np.abs(t) > stats.t.isf(LEVEL / 2, gap.count - 1)).mean()),
        "hotelling_f": hotelling_f(gap) if gap.count > gap.dimensions else None,
    }


def hotelling_f(gap: Vectors) -> float:
    """Hotelling's one-sample T-squared as an F statistic, in the space that the vectors span; N > d."""
    values, directions = gap.principal
    spanned = values > values[0] * SPANNED
    t_squared = gap.count * ((gap.mean @ directions[:, spanned]) ** 2 / values[spanned]).sum()
    rank = int(spanned.sum())
    return float(t_squared * (gap.count - rank) / (rank * (gap.count - 1)))


def shape_measures(gap: Vectors, directions: int) -> Measures:
    """Is each dimension normal, and are they normal together?

    Per dimension: `dimensions_not_normal`, the share that D'Agostino and Pearson's test rejects at 5 %; the mean
    absolute skewness and the mean excess kurtosis; `distance_to_normal`, the mean Kolmogorov-Smirnov distance to the
    normal distribution of the same mean and variance. Together: Mardia's skewness and kurtosis in the first principal
    `directions`.
    """
    skewness, kurtosis = mardia(gap.scores(directions))
    tested = gap.count >= ENOUGH
    return {
        "dimensions_not_normal": float((stats.normaltest(gap.vectors).pvalue < LEVEL).mean()) if tested else None,
        "absolute_skewness": float(np.abs(stats.skew(gap.vectors)).mean()),
        "excess_kurtosis": float(stats.kurtosis(gap.vectors).mean()),
        "distance_to_normal": float(normal_distance(gap.centred / gap.sd).mean()),
        "mardia_skewness": skewness,
        "mardia_kurtosis": kurtosis,
    }


def normal_distance(standardised: Array) -> Array:
    """The Kolmogorov-Smirnov distance [d] of each column [N, d] to the standard normal distribution."""
    count = len(standardised)
    expected = special.ndtr(np.sort(standardised, axis=0))
    steps = np.arange(count + 1).reshape(-1, 1) / count
    return np.asarray(np.maximum(steps[1:] - expected, expected - steps[:-1]).max(axis=0))


def mardia(sample: Array) -> tuple[float, float]:
    """Mardia's multivariate skewness and kurtosis of vectors [N, q], N > q (Biometrika 57, 1970).

    With m_ij the scalar product of the centred vectors i and j under the inverse covariance (divisor N): the mean of
    m_ij ** 3 over all pairs, near 0 for a large Gaussian sample, and the mean of m_ii ** 2, near q (q + 2).
    """
    white = _whitened(sample)
    products = (rows @ white.T for rows in np.array_split(white, -(-len(white) // ROWS)))
    cubes = sum(float(np.vdot(product * product, product)) for product in products)
    return cubes / len(white) ** 2, float(((white**2).sum(axis=1) ** 2).mean())


def _whitened(sample: Array) -> Array:
    """The vectors [N, q], centred and turned, with the identity as covariance (divisor N)."""
    return np.asarray(np.linalg.qr(sample - sample.mean(axis=0)).Q * np.sqrt(len(sample)))


def spread_measures(gap: Vectors) -> Measures:
    """Is the covariance that of isotropic noise?

    `effective_dimensions` is the participation ratio of the spectrum, `top_share` the share of variance in its first 10
    directions, `directions_for_90_percent` how many hold that much, `log_condition` the decimal logarithm of the
    largest variance over the smallest, where N > d.
    """
    shares = gap.shares
    conditioned = gap.count > gap.dimensions and shares[-1] > 0
    return {
        "effective_dimensions": float(1 / (shares**2).sum()),
        "top_share": float(shares[:TOP].sum()),
        "directions_for_90_percent": float(np.searchsorted(np.cumsum(shares), LEADING_SHARE) + 1),
        "log_condition": float(np.log10(shares[0] / shares[-1])) if conditioned else None,
    }


def curves(gap: Vectors, directions: int) -> dict[str, Array]:
    """What figures show: percentiles 1 to 99, and the spectrum's shares [d].

    `quantiles_low`, `_middle` and `_high`: the standardised percentiles of a dimension, and of these the value that 5,
    50 and 95 % of dimensions stay below; `skewness` and `kurtosis` (excess): over dimensions; `distances`: of the
    squared Mahalanobis distances in the first principal `directions`, per direction.
    """
    percentiles = np.quantile(gap.centred / gap.sd, PERCENTS, axis=0)
    low, middle, high = np.quantile(percentiles, (0.05, 0.5, 0.95), axis=1)
    return {
        "quantiles_low": low,
        "quantiles_middle": middle,
        "quantiles_high": high,
        "skewness": np.quantile(stats.skew(gap.vectors), PERCENTS),
        "kurtosis": np.quantile(stats.kurtosis(gap.vectors), PERCENTS),
        "distances": np.quantile((_whitened(gap.scores(directions)) ** 2).mean(axis=1), PERCENTS),
        "spectrum": gap.shares,
    }


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
