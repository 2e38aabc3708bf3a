"""The page of samples: test images and questions, one by one, with the output of every method."""

from typing import Any

from ..core.artifacts import read_json
from ..core.job import Job
from .template import render


def sample_page(job: Job) -> str:
    """The whole page as HTML; equal samples and config give equal text. Input: `samples` (JSON of that step)."""
    found = read_json(job.input("samples"))
    return render(
        "samples.html.j2",
        cfg=job.settings,
        seed=job.settings["seed"],
        images=[_labelled(job, part) | {"groups": _groups(part["images"])} for part in found["images"]],
        questions=[_labelled(job, part) for part in found["questions"]],
    )


def _labelled(job: Job, part: dict[str, Any]) -> dict[str, Any]:
    return part | {"label": job.settings[f"datasets.{part['dataset']}.label"]}


def _groups(images: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Chosen images, then random ones."""
    drawn = [image for image in images if image["drawn"]]
    chosen = [image for image in images if not image["drawn"]]
    return [(title, own) for title, own in (("Chosen images", chosen), ("Images drawn at random", drawn)) if own]
