"""Karpathy's split files: `dataset_coco.json` and `dataset_flickr30k.json`, as in `caption_datasets.zip`."""

from pathlib import Path
from typing import Any

from ..core.errors import DataError
from .archives import expecting, read_member_json
from .captions import Caption, check_captions
from .checks import check_file_name

FORMAT = {
    "description": "Karpathy's split",
    "keys": ("captions", "images"),
    "splits": ("train", "val", "test"),
}
_SPLITS = {"train": "train", "restval": "train", "val": "val", "test": "test"}


def read_splits(files: dict[str, Path], members: dict[str, str]) -> dict[str, list[Caption]]:
    """{split: its captions} of the one file that holds all splits."""
    rows = read_karpathy(files["captions"], members.get("captions"))
    return {split: [row for row in rows if row.split == split] for split in ("train", "val", "test")}


def image_id_of(image: dict[str, Any]) -> int:
    """COCO's own number, or the number in Karpathy's file where there is none."""
    number: int = image.get("cocoid", image["imgid"])
    return number


def read_karpathy(path: Path | str, member: str | None = None) -> list[Caption]:
    """All captions; `restval` counts as train. COCO images go by `cocoid`, Flickr30k images by `imgid`.

    Args:
        member: the JSON file inside, where `path` is a zip archive.

    Raises:
        DataError: the file is not of this format, or its content does not pass `check_captions`.
    """
    content = read_member_json(path, member)
    with expecting(path, "a Karpathy split file"):
        for image in content["images"]:
            if image["split"] not in _SPLITS:
                raise DataError(
                    f"{path}: {image['filename']} is of split {image['split']!r}; known are {', '.join(_SPLITS)}"
                )
            check_file_name(image["filename"], f"image {image_id_of(image)}", path)
        captions = [
            Caption(
                image_id=image_id_of(image),
                file_name="/".join(filter(None, (image.get("filepath"), image["filename"]))),
                split=_SPLITS[image["split"]],
                caption_id=sentence["sentid"],
                caption=" ".join(sentence["raw"].split()),
            )
            for image in content["images"]
            for sentence in image["sentences"]
        ]
    return check_captions(captions, path)
