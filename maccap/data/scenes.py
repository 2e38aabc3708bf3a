"""The embedded world's data sets, which the workflow draws by itself and writes as Karpathy's split."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.artifacts import read_json
from .archives import expecting
from .karpathy import image_id_of, read_splits

__all__ = ["FORMAT", "Contents", "contents_of", "read_contents", "read_splits"]

FORMAT = {
    "description": "drawn scenes of the embedded world",
    "splits": ("train", "val", "test"),
    "section": "scenes",
    "names": ("daylight", "chalk", "retold"),
}


@dataclass(frozen=True)
class Contents:
    """What scenes hold.

    Attributes:
        nouns: every form of every noun that scenes can hold, and the noun; colours: all colours.
        of_image: by image id the nouns in it, each with its colour.
    """

    nouns: dict[str, str]
    colours: frozenset[str]
    of_image: Mapping[Hashable, frozenset[tuple[str, str]]]


def contents_of(path: Path) -> dict[str, Any]:
    """What the test scenes of a file that `write_world` wrote hold, as `read_contents` reads it.

    Raises:
        DataError: the file is of another format.
    """
    with expecting(path, "a file of drawn scenes"):
        images = read_json(path)["images"]
        objects = [thing for image in images for thing in image["objects"]]
        return {
            "nouns": {thing[form]: thing["noun"] for thing in objects for form in ("noun", "plural")},
            "colours": sorted({thing["colour"] for thing in objects}),
            "images": [
                {"image_id": image_id_of(image), "things": [[t["noun"], t["colour"]] for t in image["objects"]]}
                for image in images
                if image["split"] == "test"
            ],
        }


def read_contents(path: Path) -> Contents:
    """What a data set's test scenes hold.

    Raises:
        DataError: the file is of another format.
    """
    with expecting(path, "a file of what scenes hold"):
        found = read_json(path)
        things = {image["image_id"]: frozenset(map(tuple, image["things"])) for image in found["images"]}
        return Contents(found["nouns"], frozenset(found["colours"]), things)
