"""Images through an encoder: their order, and one that cannot be prepared."""

import open_clip
import pytest
import torch

from maccap.models.clip_features import image_tokens_and_attention
from maccap.models.encoder import Encoder
from maccap.models.image_features import encode_images


def ready(seed: int) -> torch.Tensor:
    if seed < 0:
        raise OSError(f"image {seed}")
    return torch.randn(3, 24, 24, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    vision = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 24}
    text = {"context_length": 1, "vocab_size": 1, "width": 1, "heads": 1, "layers": 1}
    return Encoder(open_clip.CLIP(16, vision, text).eval(), None, ready, {"embed_dim": 16})


@pytest.mark.parametrize("count", [1, 8, 21])
def test_images_are_encoded_in_their_order(encoder, count):
    global_, tokens, attention = encode_images(encoder, list(range(count)))
    expected = image_tokens_and_attention(encoder.model, torch.stack([ready(seed) for seed in range(count)]))
    torch.testing.assert_close(global_, torch.nn.functional.normalize(expected[0], dim=-1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tokens, expected[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(attention, expected[2], rtol=1e-4, atol=1e-5)


def test_an_image_that_fails_is_reported(encoder):
    with pytest.raises(OSError, match="image -1"):
        encode_images(encoder, [0, -1])
