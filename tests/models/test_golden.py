"""The method against golden vectors of the released code, and against small ones kept here.

`tests/helpers/golden/` was written by this package (`python -m tests.helpers.golden.make`) after it agreed with the
former.
"""

import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import OPTConfig, OPTForCausalLM

from maccap.models.adaptor import Adaptor
from maccap.models.clip_features import encode_text, image_tokens_and_attention
from maccap.models.noise import inject_noise
from maccap.models.subregions import aggregate, fuse
from maccap.training.loss import reconstruction_loss
from tests.helpers import ROOT

KEPT = ROOT / "tests/helpers/golden"


def close(ours: torch.Tensor, golden: torch.Tensor) -> None:
    assert ours.shape == golden.shape
    assert (ours - golden).abs().max() <= 1e-5 * golden.abs().max()


class Golden:
    def __init__(self, folder: Path, name: str) -> None:
        self.io = load_file(folder / f"{name}.io.safetensors")
        with safe_open(folder / f"{name}.io.safetensors", "pt") as file:
            self.meta = json.loads(file.metadata()["meta"])
        clip, lm = self.meta["clip"], self.meta["lm"]
        vision = {"image_size": clip["image"], "patch_size": clip["patch"], "width": clip["width"]}
        text = {"context_length": clip["ctx"], "vocab_size": clip["vocab"], "width": clip["twidth"]}
        self.clip = open_clip.CLIP(
            clip["embed_dim"],
            vision | {"layers": clip["layers"], "head_width": 64},
            text | {"heads": clip["theads"], "layers": clip["tlayers"]},
            quick_gelu=True,
        ).eval()
        self.clip.load_state_dict(load_file(folder / f"{name}.clip.safetensors"), strict=False)
        self.adaptor = Adaptor.from_released(load_file(folder / f"{name}.adaptor.safetensors")).eval()
        self.lm = OPTForCausalLM(
            OPTConfig(
                vocab_size=lm["vocab"], hidden_size=lm["hidden"], word_embed_proj_dim=lm["hidden"],
                ffn_dim=lm["ffn"], num_hidden_layers=lm["layers"], num_attention_heads=lm["heads"],
                max_position_embeddings=lm["max_pos"],
            )
        ).eval()  # fmt: skip
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
