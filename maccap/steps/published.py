"""Captions that others published for a test set -> predictions in our format, to be rescored with everyone else's.

The published files are lists of `{image_name, prediction}` (MAGIC's format); the text behind `prediction` may be a list
of one. They may leave images out; an image that they name must be in the test set.
"""

from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from ..core.errors import DataError
from ..core.job import Job
from ..core.settings import DecodingSettings, settings
from ..data.captions import read_images_table
from ..models.devices import pick_device
from ..models.encoder import EncodedOnce, load_encoder
from .predict import write_predictions


def run(job: Job) -> None:
    decoding = settings(DecodingSettings, job.cfg, "decoding")
    encoder = load_encoder(str(job.folder("encoder")), device=str(pick_device(job.cfg["gpus"]))).text_only()
    tables = {path.parent.name: path for path in job.inputs["images"]}
    for out, source in zip(job.outputs[::2], job.inputs["published"], strict=True):
        predictions = read_published(source, tables[out.parent.name])
        write_predictions(out, predictions, EncodedOnce(encoder), decoding.clipscore_prompt, job)


def read_published(source: Path, table: Path) -> list[dict[str, Any]]:
    """Published captions by image id.

    Raises:
        DataError: another format, an unknown image, or one that occurs twice.
    """
    ids = {Path(image.file_name).name: image.image_id for image in read_images_table(table)}
    predictions: dict[int, str] = {}
    try:
        for row in read_json(source):
            (text,) = [row["prediction"]] if isinstance(row["prediction"], str) else row["prediction"]
            image_id = ids.get(Path(row["image_name"]).name)
            if image_id is None or image_id in predictions:
                fault = "occurs twice" if image_id in predictions else f"is not in {table}"
                raise DataError(f"{source}: image {row['image_name']} {fault}; use the file made for this test set")
            predictions[image_id] = text
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source}: not published predictions ({error}); delete it and run again") from error
    return [{"image_id": image_id, "caption": text, "published": True} for image_id, text in predictions.items()]
