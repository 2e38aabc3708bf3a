"""Karpathy's split files: `dataset_coco.json` and `dataset_flickr30k.json`."""

from __future__ import annotations

from pathlib import Path

from ..artifacts import read_json
from ..errors import DataError
from .captions import Caption, check_captions


def read_karpathy(path: Path | str) -> list[Caption]:
    """All captions; `restval` counts as train. COCO images go by `cocoid`, Flickr30k images by `imgid`.

    Raises:
        DataError: the file is not of this format, or its content does not pass `check_captions`.
    """
    content = read_json(path)
    try:
        captions = [
            Caption(
                image_id=image.get("cocoid", image["imgid"]),
                file_name="/".join(filter(None, (image.get("filepath"), image["filename"]))),
                split="train" if image["split"] == "restval" else image["split"],
                caption_id=sentence["sentid"],
                caption=" ".join(sentence["raw"].split()),
            )
            for image in content["images"]
            for sentence in image["sentences"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not a Karpathy split file (missing {error}); fetch dataset_coco.json again"
        ) from error
    return check_captions(captions, path)
