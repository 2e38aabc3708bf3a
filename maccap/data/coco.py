"""Captions in the official COCO format, `captions_train2014.json` and its like."""

from pathlib import Path

from ..core.errors import DataError
from .archives import expecting, read_member_json
from .captions import Caption, check_captions
from .checks import check_file_name, check_text, check_unique

FORMAT = {
    "description": "captions in COCO's format",
    "keys": ("train", "val", "test", "images"),
    "splits": ("train", "val", "test"),
}


def read_splits(files: dict[str, Path], members: dict[str, str]) -> dict[str, list[Caption]]:
    """{split: its captions} of one file for each split."""
    return {split: read_coco_captions(files[split], split, members.get(split)) for split in ("train", "val", "test")}


def read_coco_captions(path: Path | str, split: str, member: str | None = None) -> list[Caption]:
    """All captions of a file in the order of its annotations; images without a caption are left out.

    Args:
        split: train, val or test: what the file is to count as; the format itself does not say.
        member: the JSON file inside, where `path` is a zip archive: `annotations/captions_train2014.json` in
            `annotations_trainval2014.zip`.

    Raises:
        DataError: the file is not of this format, an image id occurs twice, a file name is empty, an annotation is of
            an image that is not listed, or the content does not pass `check_captions`.
    """
    content = read_member_json(path, member)
    captions = []
    with expecting(path, "a COCO captions file"):
        check_unique((image["id"] for image in content["images"]), "image", path)
        names = {image["id"]: image["file_name"] for image in content["images"]}
        for row in content["annotations"]:
            if absent := [key for key in ("id", "image_id", "caption") if key not in row]:
                raise DataError(
                    f"{path}: annotation {row.get('id', '(no id)')} has no key {absent[0]!r}: not a COCO captions "
                    "file; take captions_*.json, not instances_*.json"
                )
            if row["image_id"] not in names:
                raise DataError(
                    f"{path}: annotation {row['id']} is of image {row['image_id']!r}, which is not listed; "
                    "list every image or remove the annotation"
                )
            check_file_name(names[row["image_id"]], f"image {row['image_id']}", path)
            check_text(row["caption"], f"caption {row['id']} of image {row['image_id']}", path)
            caption = " ".join(row["caption"].split())
            captions.append(Caption(row["image_id"], names[row["image_id"]], split, row["id"], caption))
    return check_captions(captions, path)
