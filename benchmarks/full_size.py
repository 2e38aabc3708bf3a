"""Random weights at the paper's sizes, in files that the released code and this package both read.

`write(folder, captions)` makes CLIP ViT-B/32 (`clip.pt`, OpenAI's parameter names), OPT-125m with a tokenizer learned
from the captions (`opt/`), and the memory bank that the released code loads and never reads (`memory.pt`).
"""

import json
from pathlib import Path

import torch

CLIP = "ViT-B-32-quickgelu"
OPT_125M = {
    "vocab_size": 50272, "hidden_size": 768, "word_embed_proj_dim": 768, "ffn_dim": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "max_position_embeddings": 2048, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1,
}  # fmt: skip


def write(folder: Path, captions: list[str]) -> None:
    import open_clip  # here, for the released code does without
    from transformers import OPTConfig, OPTForCausalLM

    from maccap.world.pretraining import opt_tokenizer

    torch.manual_seed(0)
    clip = open_clip.create_model(CLIP, pretrained=None)
    torch.save({name: value.contiguous() for name, value in clip.state_dict().items()}, folder / "clip.pt")
    tokenizer = opt_tokenizer(iter(captions), 8192)
    config = OPTConfig(**OPT_125M, init_std=0.15, architectures=["OPTForCausalLM"])  # each draw has its own caption
    lm = OPTForCausalLM(config)
    with torch.no_grad():  # a logit of 0 is never among the best: no caption ends early, and each is made of words
        lm.get_input_embeddings().weight[: lm.config.eos_token_id + 2] = 0
        lm.get_input_embeddings().weight[len(tokenizer) :] = 0
    lm.save_pretrained(folder / "opt")
    tokenizer.save_pretrained(folder / "opt")
    torch.save(torch.zeros(1, 512), folder / "memory.pt")
    (folder / "captions.json").write_text(json.dumps(captions), encoding="utf-8")


def coco_captions(path: Path) -> list[str]:
    """The captions of an annotation file in COCO's format, in its order."""
    rows = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    return [row["caption"].strip() for row in rows]


def random_images(count: int) -> torch.Tensor:
    """Random images [count, 3, 224, 224] as CLIP's transform leaves them."""
    return torch.randn(count, 3, 224, 224, generator=torch.Generator().manual_seed(0))
