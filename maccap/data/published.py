"""Captions that others published, in MAGIC's format: lists of `{image_name, prediction}`."""

from pathlib import Path
from typing import Any

from ..core.errors import DataError
from .archives import composed, read_member_json
from .captions import read_images_table
from .checks import check_text


def read_published(source: Path, table: Path) -> list[dict[str, Any]]:
    """Published captions as rows `{image_id, caption, published}`.

    The text behind `prediction` may be a list of one. The file may leave images of the test set out.

    Args:
        table: the table of the test set's images.

    Raises:
        DataError: another format, an unknown image, one that occurs twice, a caption that UTF-8 cannot hold, or two
            images of one name.
    """
    ids: dict[str, int] = {}
    for image in read_images_table(table):
        if ids.setdefault(name := composed(Path(image.file_name).name), image.image_id) != image.image_id:
            raise DataError(
                f"{table}: two images are called {name}, so published captions could be of either; rename one"
            )
    captions: dict[int, str] = {}
    try:
        for row in read_member_json(source):
            (text,) = [row["prediction"]] if isinstance(row["prediction"], str) else row["prediction"]
            image_id = ids.get(composed(Path(row["image_name"]).name))
            if image_id is None or image_id in captions:
                fault = "occurs twice" if image_id in captions else f"is not in {table}"
                raise DataError(f"{source}: image {row['image_name']} {fault}; use the file made for this test set")
            check_text(text, f"the caption of image {row['image_name']}", source)
            captions[image_id] = text
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{source}: not published predictions ({error}); delete it and run again") from error
    return [{"image_id": image_id, "caption": text, "published": True} for image_id, text in captions.items()]
