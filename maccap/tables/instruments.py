"""The table of what encoder and language model can do before any method is trained on them."""

from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.settings import labels
from .gap import EFFECTS, value
from .table import Row, Table

SEES = "Does the encoder see what captions say?"
LIES = "How do its features lie?"
STEERED = "Can the language model be steered?"
GOOD = {"noun": "≥ 0.95", "colour": "≥ 0.95", "R@1": "≥ 0.8", "itself": "≤ 0.15"}
GEOMETRY = {  # the gap's measures, with what was published of CLIP on COCO
    "cosine, image to own caption": "0.306 (DB)",
    "cosine, captions of one image": "0.652 (DB)",
    "cosine, caption to other caption": "0.003 (DB), 0.508 (MG)",
    "cosine, image to other caption": "",
}
MEAN_GAP = "0.822 (MG)"
NOTES = [
    "Exchanged: one word of a caption for another that excludes it, a noun or colour for one that no caption of the "
    "image names; noticed where the image lies nearer to the true caption (chance 0.5).",
    "Nats a token: what an image's first caption costs the language model behind others of the image, and where the "
    "very caption stands last before it.",
    "Good: what an instrument should reach, so that what a method does with it says something of the method.",
    "Published, of CLIP on COCO: DB, Diffusion Bridge (CVPR 2025); MG, Mind the Gap (Liang et al., NeurIPS 2022), from "
    "the outputs of its released notebooks. Captions of different images are near 0 only where the mean is subtracted "
    "from the features; MG's are features as they come, as those here are.",
]

Reports = list[tuple[Path, dict[str, Any]]]


def instruments(files: list[Path], cfg: dict[str, Any], title: str) -> Table:
    """Gap reports and as many reports of the step `measure-instruments`, of the same data sets -> one row a measure."""
    reports = [(path, read_json(path)) for path in files]
    gaps, measured = reports[: len(reports) // 2], reports[len(reports) // 2 :]
    names = labels(cfg, "datasets")

    def row(question: str, measure: str, of: Reports, *keys: str, good: str = "", known: str = "") -> Row:
        return Row([question, measure], [*(value(report, path, *keys) for path, report in of), good, known])

    kinds = dict.fromkeys(kind for _, report in measured for kind in report["noticed"])
    rows = [
        row(SEES, f"one {kind} exchanged, noticed", measured, "noticed", kind, "share", good=GOOD.get(kind, ""))
        for kind in kinds
    ]
    rows.append(row(SEES, "image-to-text R@1", gaps, "repairs", "none", "retrieval", "R@1", good=GOOD["R@1"]))
    rows += [row(LIES, name, gaps, "repairs", "none", *EFFECTS[name], known=known) for name, known in GEOMETRY.items()]
    rows.append(row(LIES, "norm of the mean gap", gaps, "gap", "measures", "mean_norm", "value", known=MEAN_GAP))
    most = max((len(report["nats"].get("others", [])) for _, report in measured), default=0)
    for n in range(most):
        rows.append(row(STEERED, f"nats a token behind {_others(n)}", measured, "nats", "others", str(n)))
    for n in range(most):
        behind = f"nats a token behind {_others(n)} and itself" if n else "nats a token behind itself"
        rows.append(row(STEERED, behind, measured, "nats", "itself", str(n), good=GOOD["itself"]))
    columns = [*(names[report["dataset"]] for _, report in measured), "good", "published"]
    return Table(title, ["question", "measure"], columns, rows, NOTES, digits=3)


def _others(count: int) -> str:
    return {0: "nothing", 1: "1 other caption"}.get(count, f"{count} other captions")
