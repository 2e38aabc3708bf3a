"""The tables about the gap, one row a measure, and in their notes what becomes of the paper's assumptions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.settings import labels
from .table import Cell, Row, Source, Table, cell, pointer

SUBREGIONS = "subregions"
MIXED = "Do images and captions mix?"
SHOWN = {"measured": "value", "if yes": "expected", "sd if yes": "sd"}
MEASURES = {  # of the gap, by what they answer
    "Is its mean zero?": {
        "mean_norm": "norm of the mean gap",
        "mean_share": "share of squared length in the mean",
        "same_direction": "images whose gap points along the others' mean",
        "mean_in_own_sd": "mean in own standard deviations along it",
        "dimensions_off_zero": "dimensions with mean ≠ 0 (t-test, 5 %)",
        "hotelling_f": "Hotelling's F",
    },
    "Is it Gaussian?": {
        "dimensions_not_normal": "dimensions not normal (D'Agostino-Pearson, 5 %)",
        "absolute_skewness": "absolute skewness of a dimension",
        "excess_kurtosis": "excess kurtosis of a dimension",
        "distance_to_normal": "Kolmogorov-Smirnov distance of a dimension",
        "mardia_skewness": "Mardia's skewness",
        "mardia_kurtosis": "Mardia's kurtosis",
    },
    "Is it isotropic?": {
        "effective_dimensions": "effective dimensions",
        "top_share": "variance in the first 10 directions",
        "directions_for_90_percent": "directions with 90 % of the variance",
        "log_condition": "log10 of largest over smallest variance",
    },
    "Is it as large as the noise?": {
        "length": "gap length",
        "variance_per_dimension": "variance per dimension",
        "mean_in_noise_sd": "mean gap in standard deviations of the noise",
    },
}
EFFECTS = {  # of an encoder without repair, or of a repair
    "cosine, image to own caption": ("similarity", "image, its own caption", "mean"),
    "cosine, image to other caption": ("similarity", "image, a caption of another image", "mean"),
    "cosine, image to image": ("similarity", "image, another image", "mean"),
    "cosine, caption to other caption": ("similarity", "caption, one of another image", "mean"),
    "cosine, captions of one image": ("similarity", "caption, another of the same image", "mean"),
    "chance that two images are closer than image and caption": ("unrelated_images_above_own_caption",),
    "alignment": ("alignment",),
    "uniformity of images": ("uniformity_images",),
    "uniformity of captions": ("uniformity_captions",),
    "linear separability": ("separability",),
    "image-to-text R@1": ("retrieval", "R@1"),
    "image-to-text R@5": ("retrieval", "R@5"),
    "image-to-text R@10": ("retrieval", "R@10"),
}
REPAIRED = {  # columns of the table of repairs
    "own caption": EFFECTS["cosine, image to own caption"],
    "other caption": EFFECTS["cosine, image to other caption"],
    "image-image": EFFECTS["cosine, image to image"],
    "R@1": EFFECTS["image-to-text R@1"],
    "separability": EFFECTS["linear separability"],
    "mean norm": ("gap", "mean_norm"),
    "mean share": ("gap", "mean_share"),
    "KS distance": ("gap", "distance_to_normal"),
    "effective dims": ("gap", "effective_dimensions"),
    "alignment": ("alignment",),
    "uniformity, images": ("uniformity_images",),
    "uniformity, captions": ("uniformity_captions",),
}
ABOUT_GAP = (
    "The gap is an image's global feature less the mean of its captions' features, all of length 1. “If yes” is the "
    "mean of the same measure over simulated sets of as many vectors for which the answer is yes (zero-mean Gaussian "
    "with the gap's own covariance; for isotropy, with equal variances), and after it the standard deviation over the "
    "sets; for the size, it is what noise of the configured variance has. Alignment, the mean squared distance of an "
    "image to its captions, and uniformity are those of Wang and Isola (ICML 2020)."
)
ABOUT_REPAIRS = (
    "Own and other caption, image-image: mean cosines. R@1: share of images whose nearest caption, of all, is one of "
    "theirs. Separability: cross-validated accuracy of a linear classifier that tells images from captions; 0.5 is "
    "chance. Mean norm: of the mean gap; after a mean shift small by construction. KS distance and effective dims: "
    "of the gap, as in the table of the gap. Noise goes into the captions; noisy subregions are MacCap's own input, "
    "the mean of the noisy copies of a caption and of the noisy subregions of an image."
)
LITTLE = {"distance_to_normal": 0.01, "mardia_kurtosis": 0.1, "effective_dimensions": 0.1}  # the last two: of expected


def _reports(files: list[Path], cfg: dict[str, Any]) -> list[tuple[str, Path, dict[str, Any]]]:
    """The label of the data set, the file and its content, of each file."""
    names = labels(cfg, "datasets")
    reports = [(path, read_json(path)) for path in files]
    return [(names[report["dataset"]], path, report) for path, report in reports]


def nearness(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    columns = {"mean": "mean cosine", "best": "best cosine", "nearer_than_global": "share nearer than global"}
    rows, notes = [], []
    for name, path, whole in _reports(files, cfg):
        report = whole["nearness"]
        for kind in report:
            rows.append(Row([name, kind], [value(whole, path, "nearness", kind, key) for key in columns]))
        subregions = [kind for kind in report if kind.startswith(SUBREGIONS)]
        if not subregions:
            notes.append(f"{name}: an encoder without tokens has only a global feature.")
            continue
        best = max(subregions, key=lambda kind: report[kind]["best"])
        nearer = report[best]["best"] > report["global"]["best"]
        notes.append(
            f"Claim “subregion features can be nearer to the caption than the global feature”, {name}: "
            f"{_holds(nearer)} on average here (best of {best}: {report[best]['best']:.3f}, "
            f"global: {report['global']['best']:.3f}); nearer for {report[best]['nearer_than_global']:.0%} of captions."
        )
    return Table(title, ["data set", "feature"], list(columns.values()), rows, notes, digits=3)


def gap(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """One row a measure; of each data set what was measured, and what it would be if the answer were yes."""
    reports = _reports(files, cfg)
    rows, notes = [], []
    for question, measures in MEASURES.items():
        for key, label in measures.items():
            cells = [
                value(report, path, "gap", "measures", key, kind)
                for _, path, report in reports
                for kind in SHOWN.values()
            ]
            if any(cells):
                rows.append(Row([question, label], cells))
    for label, keys in EFFECTS.items():
        found = [[value(report, path, "repairs", "none", *keys), None, None] for _, path, report in reports]
        rows.append(Row([MIXED, label], [cell for cells in found for cell in cells]))
    for name, _, report in reports:
        notes += verdicts(name, report["gap"])
    columns = [f"{name}, {column}" for name, _, _ in reports for column in SHOWN]
    return Table(title, ["question", "measure"], columns, rows, [*notes, ABOUT_GAP], digits=3)


def gap_repairs(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    rows, notes = [], []
    for name, path, report in _reports(files, cfg):
        for repair in report["repairs"]:
            cells = [value(report, path, "repairs", repair, *keys) for keys in REPAIRED.values()]
            rows.append(Row([name, repair], cells))
        notes.append(_best_repairs(name, report["repairs"]))
        if "noisy subregions" not in report["repairs"]:
            notes.append(f"{name}: an encoder without tokens has no subregions.")
        if "memory projection" not in report["repairs"]:
            notes.append(f"{name}: no memory projection, for want of other captions as a memory.")
    return Table(title, ["data set", "repair"], list(REPAIRED), rows, [*notes, ABOUT_REPAIRS], digits=3)


def value(report: dict[str, Any], path: Path, *keys: str) -> Cell | None:
    """The cell of a number in a report, or None where there is none."""
    found: Any = report
    for key in keys:
        if isinstance(found, list):
            found = found[int(key)] if int(key) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, dict) else None
    return None if found is None else cell([float(found)], [Source(str(path), pointer(*keys))])


def verdicts(name: str, about: dict[str, Any]) -> list[str]:
    """What the measures say of a zero-mean, Gaussian, isotropic gap, and of the noise that stands for it."""
    found = about["measures"]
    mean, tails, spread = found["mean_norm"], found["mardia_kurtosis"], found["effective_dimensions"]
    single = found["distance_to_normal"]
    share, same = found["mean_share"]["value"], found["same_direction"]["value"]
    notes = [
        f"Claim “the gap has zero mean”, {name}: {_holds(mean['value'] <= mean['expected'] + 2 * mean['sd'])}. Its "
        f"mean has norm {mean['value']:.3f}, {mean['value'] / mean['expected']:.1f} times what sampling would leave of "
        f"zero ({mean['expected']:.3f}); {share:.0%} of the gap's squared length is the same for all images, and "
        f"{same:.0%} of gaps point along the mean of the others (50% if zero-mean).",
        f"Claim “the gap is Gaussian”, {name}: single dimensions "
        f"{_fits(single, abs(single['value'] - single['expected']), LITTLE['distance_to_normal'])} "
        f"(Kolmogorov-Smirnov distance {single['value']:.4f}, of Gaussian samples {single['expected']:.4f} ± "
        f"{single['sd']:.4f}); the "
        f"{about['leading_directions']} leading directions together "
        f"{_fits(tails, abs(tails['value'] / tails['expected'] - 1), LITTLE['mardia_kurtosis'])} (Mardia's kurtosis "
        f"{tails['value'] / tails['expected']:.3f} times that of Gaussian samples, "
        f"1 ± {tails['sd'] / tails['expected']:.3f}).",
        f"Claim “the gap is isotropic”, {name}: "
        f"{_holds(spread['value'] >= (1 - LITTLE['effective_dimensions']) * spread['expected'])}. Its variance lies in "
        f"{spread['value']:.0f} effective dimensions of {about['dimensions']}; of isotropic samples as large, in "
        f"{spread['expected']:.0f}.",
    ]
    if "mean_in_noise_sd" in found:
        ratio, away = found["length"]["value"] / found["length"]["expected"], found["mean_in_noise_sd"]["value"]
        notes.append(
            f"Noise of variance {found['variance_per_dimension']['expected']:g} per dimension, {name}: the gap is "
            f"{ratio:.2f} times as long as the noise, and its mean is {away:.1f} standard deviations of the noise away "
            f"along one direction: {'noise reaches images there' if away < 2 else 'noise seldom reaches images there'}."
        )
    return notes


def _fits(about: dict[str, float], effect: float, little: float) -> str:
    """How a measure compares with its simulated counterpart: within two standard deviations, by little, or not."""
    if abs(about["value"] - about["expected"]) <= 2 * about["sd"]:
        return "cannot be told from Gaussian"
    return "differ little from Gaussian" if effect < little else "are not Gaussian"


def _best_repairs(name: str, repairs: dict[str, Any]) -> str:
    """Which repair is ahead in nearness and retrieval, and which the classifier can least undo."""
    own = max(repairs, key=lambda repair: repairs[repair]["similarity"]["image, its own caption"]["mean"])
    recall = max(repairs, key=lambda repair: repairs[repair]["retrieval"]["R@1"])
    mixed = min(repairs, key=lambda repair: abs(repairs[repair]["separability"] - 0.5))
    return (
        f"{name}: images lie nearest to their captions with “{own}” "
        f"({repairs[own]['similarity']['image, its own caption']['mean']:.3f}; with none "
        f"{repairs['none']['similarity']['image, its own caption']['mean']:.3f}); R@1 is highest with “{recall}” "
        f"({repairs[recall]['retrieval']['R@1']:.3f}; {repairs['none']['retrieval']['R@1']:.3f}); images and captions "
        f"are hardest to tell apart with “{mixed}” ({repairs[mixed]['separability']:.3f}; "
        f"{repairs['none']['separability']:.3f})."
    )


def _holds(truth: bool) -> str:
    return "holds" if truth else "does not hold"


BUILDERS: dict[str, Callable[[list[Path], dict[str, Any], str], Table]] = {
    "nearness": nearness, "gap": gap, "gap_repairs": gap_repairs,
}  # fmt: skip
TITLES = {
    "nearness": "How near image features lie to their captions",
    "gap": "The gap between an image feature and the mean of its captions' features",
    "gap_repairs": "What is left of the gap after each repair",
}
