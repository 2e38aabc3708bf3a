"""Write small golden vectors from this package's own code: `python -m tests.helpers.golden.make`.

Run it only when `tests/models/test_golden.py` passes on the vectors of the released code.
"""

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file
from torch.nn import functional as F
from transformers import OPTConfig, OPTForCausalLM

from maccap.models.adaptor import Adaptor
from maccap.models.clip_features import image_tokens_and_attention
from maccap.models.noise import inject_noise
from maccap.models.subregions import aggregate, fuse
from maccap.training.loss import reconstruction_loss

META = {
    "top_k": 4, "patch_weight": 0.7, "noise_variance": 0.016,
    "clip": {
        "embed_dim": 8, "image": 32, "patch": 8, "width": 64, "layers": 1, "ctx": 12, "vocab": 64, "twidth": 16,
        "theads": 2, "tlayers": 1,
    },
    "lm": {"vocab": 64, "hidden": 16, "layers": 1, "ffn": 32, "heads": 2, "max_pos": 48},
}  # fmt: skip
RELEASED = {"queries": "query_fusion.weight", "decoder.": "aligner.", "projection.0.": "align_proj.layers.0."}
RELEASED |= {"projection.2.": "align_proj.layers.1.", "projection.4.": "align_proj.layers.2."}


def clip_of(clip: dict[str, int]) -> open_clip.CLIP:
    vision = {
        "image_size": clip["image"], "patch_size": clip["patch"], "width": clip["width"], "layers": clip["layers"],
        "head_width": 64,
    }  # fmt: skip
    text = {
        "context_length": clip["ctx"], "vocab_size": clip["vocab"], "width": clip["twidth"], "heads": clip["theads"],
        "layers": clip["tlayers"],
    }  # fmt: skip
    return open_clip.CLIP(clip["embed_dim"], vision, text, quick_gelu=True).eval()


def opt_of(lm: dict[str, int]) -> OPTForCausalLM:
    config = OPTConfig(
        vocab_size=lm["vocab"], hidden_size=lm["hidden"], word_embed_proj_dim=lm["hidden"], ffn_dim=lm["ffn"],
        num_hidden_layers=lm["layers"], num_attention_heads=lm["heads"], max_position_embeddings=lm["max_pos"],
    )  # fmt: skip
    return OPTForCausalLM(config).eval()


@torch.no_grad()
def main(folder: Path) -> None:
    torch.manual_seed(0)
    clip, lm = META["clip"], META["lm"]
    encoder, adaptor = clip_of(clip), Adaptor(clip["embed_dim"], lm["hidden"], 6, 1).eval()
    model = opt_of(lm)
    image = torch.randn(3, 3, clip["image"], clip["image"])
    clip_tokens = torch.zeros(3, clip["ctx"], dtype=torch.long)
    lm_tokens = torch.ones(3, 10, dtype=torch.long)
    for row, length in enumerate((4, 7, 9)):
        clip_tokens[row, :length] = torch.tensor([62, *torch.randint(1, 60, (length - 2,)), 63])
        lm_tokens[row, :length] = torch.tensor([2, *torch.randint(4, 60, (length - 2,)), 2])
    global_, tokens, attention = image_tokens_and_attention(encoder, image)
    text_feature = encoder.encode_text(clip_tokens)
    fused = fuse(global_, aggregate(tokens, attention, META["top_k"]), META["patch_weight"])
    infer_noise, train_noise = torch.randn(fused.shape), torch.randn(fused.shape)
    copies = F.normalize(text_feature, dim=-1).unsqueeze(1).expand_as(train_noise)
    train_prefix = adaptor(inject_noise(copies, META["noise_variance"], noise=train_noise))
    contexts = []
    encoder.visual.ln_post.register_forward_hook(lambda module, inputs, output: contexts.append(output))
    encoder.encode_image(image)
    vectors = {
        "image": image, "cls_feature": global_, "patch_context": contexts[0], "visual_proj": encoder.visual.proj,
        "attention": attention, "infer_noise": infer_noise, "fused_feature": fused,
        "prefix": adaptor(inject_noise(fused, META["noise_variance"], noise=infer_noise)),
        "clip_tokens": clip_tokens, "text_feature": text_feature, "train_noise": train_noise, "lm_tokens": lm_tokens,
        "loss": reconstruction_loss(model, train_prefix, lm_tokens, 1, True).reshape(1),
    }  # fmt: skip
    released = {}
    for name, value in adaptor.state_dict().items():
        ours = next(prefix for prefix in RELEASED if name.startswith(prefix))
        released[name.replace(ours, RELEASED[ours], 1)] = value
    head = {"meta": json.dumps(META)}
    save_file({k: v.contiguous() for k, v in vectors.items()}, folder / "kept.io.safetensors", head)
    save_file({k: v.contiguous() for k, v in encoder.state_dict().items()}, folder / "kept.clip.safetensors")
    save_file({k: v.contiguous() for k, v in released.items()}, folder / "kept.adaptor.safetensors")
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    save_file(weights, folder / "kept.lm.safetensors")


if __name__ == "__main__":
    main(Path(__file__).parent)
