"""Feature stores; and a reference in place of an image, only where another one is left to score against."""

from pathlib import Path

import pytest
import torch

from maccap.core.errors import DataError
from maccap.data.captions import Caption
from maccap.data.features import ImageFeatures, references_as_images, write_store


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e5])
def test_features_that_are_not_finite_are_not_stored(tmp_path: Path, value: float) -> None:
    with pytest.raises(DataError, match=r"'global' are not finite in float16: the encoder's weights are damaged"):
        write_store(tmp_path / "a", {"global": torch.tensor([[1.0, value]])}, {"ids": [1]}, "float16")
    assert list(tmp_path.iterdir()) == []


def test_images_with_a_single_reference_are_left_out() -> None:
    captions = [Caption(image, "", "test", n, "A dog.") for n, image in enumerate((5, 6, 5, 7, 7, 7))]
    features = torch.eye(6)
    images = ImageFeatures(torch.tensor([7, 6, 5]), torch.zeros(3, 6), torch.zeros(3, 2, 6), torch.rand(3, 2, 2))
    for number, rows in ((0, [3, 0]), (1, [4, 2]), (2, [5, 0])):
        seen, numbers = references_as_images(images, captions, features, number)
        assert seen.ids.tolist() == [7, 5]
        assert numbers == [number, number % 2]
        assert seen.global_.argmax(dim=1).tolist() == rows
        assert (seen.tokens == seen.global_.unsqueeze(1)).all()
        assert (seen.attention == images.attention[[0, 2]]).all()
    alone, numbers = references_as_images(images.rows(slice(1, 2)), captions, features, 0)
    assert (len(alone), numbers) == (0, [])
    assert alone.global_.shape == (0, 6)
