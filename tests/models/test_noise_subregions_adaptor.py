"""Properties of noise, subregions and adaptor that hold whatever the weights."""

import pytest
import torch
from torch.nn import functional as F

from maccap.core.errors import EncoderError
from maccap.models.adaptor import Adaptor
from maccap.models.noise import inject_noise
from maccap.models.subregions import aggregate, attended_tokens, fuse


def test_noise_has_the_asked_variance_before_normalising():
    zero = torch.zeros(20_000, 64)
    draw = torch.randn(zero.shape, generator=torch.Generator().manual_seed(0))
    noisy = inject_noise(zero, 0.016, noise=draw)
    assert torch.allclose(noisy, F.normalize(draw, dim=-1), atol=1e-6)
    unit = F.normalize(torch.ones(20_000, 512), dim=-1)
    cosine = (inject_noise(unit, 0.016, generator=torch.Generator().manual_seed(0)) * unit).sum(-1).mean()
    assert float(cosine) == pytest.approx(1 / (1 + 512 * 0.016) ** 0.5, abs=0.01)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="must be 0 or more"):
        inject_noise(torch.randn(2, 8), -0.1)
    with pytest.raises(ValueError, match="noise has shape"):
        inject_noise(torch.randn(2, 8), 0.1, noise=torch.randn(1, 8))
    with pytest.raises(ValueError, match="the image has 5 tokens: choose 1 to 5"):
        attended_tokens(torch.rand(1, 5, 5), 6)
    with pytest.raises(EncoderError, match="not a multiple"):
        Adaptor(20, 24)
    with pytest.raises(EncoderError, match="not the weights of a released adaptor"):
        Adaptor.from_released({"query_fusion.weight": torch.randn(3, 16)})


def test_subregions_by_brute_force():
    tokens, attention = torch.randn(2, 5, 8), torch.rand(2, 5, 5).softmax(-1)
    for released in (True, False):
        ours = aggregate(tokens, attention, 3, released=released)
        for b in range(2):
            top = sorted(range(5), key=lambda t: -float(attention[b, 0, t]))[:3]
            for row, t in enumerate(top):
                weights = attention[b, t].exp() / attention[b, t].exp().sum() if released else attention[b, t]
                expected = F.normalize(sum(weights[n] * tokens[b, n] for n in range(5)), dim=0)
                assert torch.allclose(ours[b, row], expected, atol=1e-5)


def test_zero_variance_only_normalises_and_fusion_weight_zero_leaves_the_global_feature():
    features = torch.randn(3, 4, 8)
    assert torch.allclose(inject_noise(features, 0.0), F.normalize(features, dim=-1))
    global_, regions = torch.randn(2, 8), torch.randn(2, 3, 8)
    assert torch.allclose(fuse(global_, regions, 0.0), F.normalize(global_, dim=-1).unsqueeze(1).expand(2, 3, 8))


def test_the_adaptor_reads_its_copies_as_a_set():
    torch.manual_seed(0)
    adaptor = Adaptor(16, 24, num_queries=5, num_layers=2).eval()
    features = torch.randn(2, 7, 16)
    assert adaptor(features).shape == (2, 5, 24)
    assert torch.allclose(adaptor(features), adaptor(features[:, torch.randperm(7)]), atol=1e-5)
