"""A reference in place of an image: only where another one is left to score against."""

import torch

from maccap.data.captions import Caption
from maccap.data.features import ImageFeatures, references_as_images


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
