"""The cosines that predictions carry, against their definition."""

import math

import torch

from maccap.data.captions import Caption
from maccap.inference.of_job import EncodedTestSet

IMAGES = {7: torch.tensor([1.0, 0, 0]), 8: torch.tensor([0, 2.0, 0]), 9: torch.tensor([0, 0, 1.0])}
CAPTIONS = [Caption(image_id, "", "test", n, text) for n, (image_id, text) in enumerate([(8, "b"), (7, "a"), (8, "c")])]
FEATURES = torch.tensor([[0.0, 3, 4], [1, 1, 0], [0, 1, 0]])


def test_to_the_image_and_to_the_nearest_reference_that_is_not_the_caption_itself():
    rows = [{"image_id": 8}, {"image_id": 7}, {"image_id": 8, "left_out_reference": 1}, {"image_id": 9}]
    captions = torch.tensor([[0, 1.0, 0], [0, 1, 0], [0, 5, 0], [0, 0, -1]])
    found = EncodedTestSet(IMAGES, CAPTIONS, FEATURES).with_cosines(rows, captions)
    assert [row["image_cosine"] for row in found] == [1, 0, 1, -1]
    assert [row.get("reference_cosine") for row in found] == [1, round(math.sqrt(0.5), 7), 0.6, None]
    assert [row["image_id"] for row in found] == [8, 7, 8, 9]


def test_of_a_test_set_without_captions_there_is_the_image_alone():
    [row] = EncodedTestSet(IMAGES, [], torch.empty(0)).with_cosines([{"image_id": 8}], torch.tensor([[3.0, 4, 0]]))
    assert row == {"image_id": 8, "image_cosine": 0.8}
