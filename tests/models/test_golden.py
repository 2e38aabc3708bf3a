"""The method against golden vectors of the released code and small ones kept here, and whatever the weights.

`tests/helpers/golden/` was written by this package (`python -m tests.helpers.golden.make`) after it agreed with the
former.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional as F

from maccap.core.errors import EncoderError
from maccap.models.adaptor import Adaptor
from maccap.models.clip_features import encode_text, image_tokens_and_attention
from maccap.models.noise import inject_noise
from maccap.models.subregions import aggregate, attended_tokens, fuse
from maccap.training.loss import reconstruction_loss
from tests.helpers import ROOT
from tests.helpers.golden.make import clip_of, opt_of

KEPT = ROOT / "tests/helpers/golden"


def close(ours: torch.Tensor, golden: torch.Tensor) -> None:
    assert ours.shape == golden.shape
    assert (ours - golden).abs().max() <= 1e-5 * golden.abs().max()


class Golden:
    def __init__(self, folder: Path, name: str) -> None:
        self.io = load_file(folder / f"{name}.io.safetensors")
        with safe_open(folder / f"{name}.io.safetensors", "pt") as file:
            self.meta = json.loads(file.metadata()["meta"])
        self.clip = clip_of(self.meta["clip"])
        self.clip.load_state_dict(load_file(folder / f"{name}.clip.safetensors"), strict=False)
        self.adaptor = Adaptor.from_released(load_file(folder / f"{name}.adaptor.safetensors")).eval()
        self.lm = opt_of(self.meta["lm"])
        loaded = self.lm.load_state_dict(load_file(folder / f"{name}.lm.safetensors"), strict=False)
        assert not loaded.unexpected_keys
        self.lm.tie_weights()


@pytest.fixture(scope="module", params=["a", "b", "kept"])
def golden(request: pytest.FixtureRequest) -> Golden:
    if request.param == "kept":
        return Golden(KEPT, "kept")
    return Golden(request.getfixturevalue("shared") / "reference", request.param)


@torch.no_grad()
def test_image_tower(golden: Golden) -> None:
    global_, tokens, attention = image_tokens_and_attention(golden.clip, golden.io["image"])
    close(global_, golden.io["cls_feature"])
    expected = golden.io["patch_context"] @ golden.io["visual_proj"]
    close(tokens, torch.nn.functional.normalize(expected, dim=-1))
    close(attention, golden.io["attention"])
    close(global_, golden.clip.encode_image(golden.io["image"]))


@torch.no_grad()
def test_text_tower_cut_to_the_longest_caption(golden: Golden) -> None:
    close(encode_text(golden.clip, golden.io["clip_tokens"]), golden.io["text_feature"])


@torch.no_grad()
def test_inference_prefix(golden: Golden) -> None:
    io, meta = golden.io, golden.meta
    global_, tokens, attention = image_tokens_and_attention(golden.clip, io["image"])
    fused = fuse(global_, aggregate(tokens, attention, meta["top_k"]), meta["patch_weight"])
    close(fused, io["fused_feature"])
    close(golden.adaptor(inject_noise(fused, meta["noise_variance"], noise=io["infer_noise"])), io["prefix"])


@torch.no_grad()
def test_training_loss(golden: Golden) -> None:
    io = golden.io
    copies = torch.nn.functional.normalize(io["text_feature"], dim=-1).unsqueeze(1).expand_as(io["train_noise"])
    prefix = golden.adaptor(inject_noise(copies, golden.meta["noise_variance"], noise=io["train_noise"]))
    close(reconstruction_loss(golden.lm, prefix, io["lm_tokens"], 1, count_padding=True), io["loss"].squeeze())


@torch.no_grad()
def test_loss_without_padding_is_a_plain_mean_over_real_tokens(golden: Golden) -> None:
    prefix, tokens = golden.io["prefix"], golden.io["lm_tokens"]
    embedded = torch.cat([prefix, golden.lm.get_input_embeddings()(tokens)], dim=1)
    log_probabilities = golden.lm(inputs_embeds=embedded).logits.log_softmax(-1)
    terms = [
        -log_probabilities[row, prefix.shape[1] + column - 1, token]
        for row, ids in enumerate(tokens.tolist())
        for column, token in enumerate(ids)
        if token != 1
    ]
    close(reconstruction_loss(golden.lm, prefix, tokens, 1, count_padding=False), torch.stack(terms).mean())


def test_noise_has_the_asked_variance_before_normalising():
    zero = torch.zeros(20_000, 64)
    draw = torch.randn(zero.shape, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(inject_noise(zero, 0.016, noise=draw), F.normalize(draw, dim=-1), atol=1e-6)
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
