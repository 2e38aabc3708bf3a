"""Test images for the page: as data, and as the encoder crops them with their attended subregions."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps
from safetensors import safe_open

from ..core.errors import DataError
from ..data.captions import read_images_table
from ..data.images import read_images
from ..models.subregions import attended_tokens
from .inline import data_uri

MAX_SIDE = 384  # pixels of an image on the page


def read_shown(store: Path, table: Path, image_ids: Sequence[int]) -> dict[int, Image.Image]:
    """Some images of a data set, by their ids.

    Raises:
        DataError: an image is not in the table, or cannot be read.
    """
    names = {entry.image_id: entry.file_name for entry in read_images_table(table)}
    if unknown := sorted(set(image_ids) - set(names)):
        raise DataError(f"{table}: has no image {unknown[0]}; the predictions belong to another test set")
    wanted = list(dict.fromkeys(image_ids))
    return dict(zip(wanted, read_images(store, [names[image_id] for image_id in wanted]), strict=True))


def jpeg(image: Image.Image, *, square: bool = False) -> str:
    """A data URI of the image, at most MAX_SIDE wide and high; `square` crops it as the encoder does."""
    if square:
        side = min(MAX_SIDE, *image.size)
        image = ImageOps.fit(image, (side, side))
    else:
        image = ImageOps.contain(image, (MAX_SIDE, MAX_SIDE)) if max(image.size) > MAX_SIDE else image
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return data_uri("image/jpeg", data.getvalue())


def attended(stores: Sequence[Path], image_ids: Sequence[int], k: int) -> tuple[int, dict[int, list[dict[str, int]]]]:
    """The grid's width in patches, and for each image those of its k attended tokens that are patches.

    A patch has its rank (from 1), row and column. The class token may be among the k; it stands for no place.
    """
    found = {}
    grid = 0
    for store in stores:
        with safe_open(store, "pt") as columns:
            ids, attention = columns.get_tensor("ids").tolist(), columns.get_tensor("attention")
        grid = int((attention.shape[-1] - 1) ** 0.5)
        for image_id in set(image_ids) & set(ids):
            tokens = attended_tokens(attention[ids.index(image_id)].float().unsqueeze(0), k)[0]
            places = ((rank, *divmod(token - 1, grid)) for rank, token in enumerate(tokens.tolist(), 1) if token)
            found[image_id] = [{"rank": rank, "row": row, "column": column} for rank, row, column in places]
    return grid, found
