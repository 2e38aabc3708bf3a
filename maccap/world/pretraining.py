"""The recipe of the embedded world's two frozen models: a CLIP (open_clip) and an OPT (transformers).

Both learn from `pretrain` scenes only, which no other split can contain. The results ship with the
package; the rules `pretrain_clip` and `pretrain_lm` make them again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn import functional as F

from ..core.progress import progress
from ..models.clip_features import encode_text
from .drawing import draw
from .scenes import GROUNDS, caption, document, draw_scene, scenes


def opt_tokenizer(texts: Iterator[str], vocab_size: int) -> Any:
    """Byte-level BPE with OPT's special ids 0-3, which puts `</s>` before each text as OPT's does."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="</s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def documents(seed: int) -> Iterator[list[str]]:
    """Endless documents about random `pretrain` scenes of both domains in turn."""
    rng = np.random.default_rng(seed)
    domains = sorted(GROUNDS)
    while True:
        for domain in domains:
            if (scene := draw_scene(domain, rng)).split == "pretrain":
                yield document(scene, rng)


def sample_texts(seed: int, count: int) -> Iterator[str]:
    stream = documents(seed)
    for _ in range(count):
        yield " ".join(next(stream))


def _optimise(
    model: torch.nn.Module, loss_of_step: Callable[[int], torch.Tensor], steps: int, learning_rate: float, name: str
) -> float:
    """AdamW with linear warm-up over a twentieth of the steps, then cosine to zero; returns the last mean loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.05)
    warmup = max(1, steps // 20)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    recent: list[float] = []
    model.train()
    for step in progress(range(steps), name, steps):
        loss = loss_of_step(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        schedule.step()
        recent = [*recent[-49:], float(loss.detach())]
    return sum(recent) / len(recent)


def pretrain_lm(out: Path, settings: dict[str, Any], seed: int) -> dict[str, float]:
    """Train the OPT on documents whose texts are each preceded by `</s>`; write it as a transformers folder."""
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(seed)
    tokenizer = opt_tokenizer(sample_texts(seed, 4000), settings["vocab_size"])
    config = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=settings["width"], word_embed_proj_dim=settings["width"],
        ffn_dim=4 * settings["width"], num_hidden_layers=settings["layers"], num_attention_heads=settings["heads"],
        max_position_embeddings=settings["context"], dropout=0.0, attention_dropout=0.0,
        bos_token_id=2, eos_token_id=2, pad_token_id=1,
    )  # fmt: skip
    model = OPTForCausalLM(config)
    stream = documents(seed + 1)

    def loss_of_step(step: int) -> torch.Tensor:
        rows = [tokenizer("</s>".join(next(stream)) + "</s>").input_ids for _ in range(settings["batch_size"])]
        length = min(max(map(len, rows)), settings["context"])
        ids = torch.tensor([(row + [1] * length)[:length] for row in rows])
        mask = ids != 1
        return model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(~mask, -100)).loss

    loss = _optimise(model, loss_of_step, settings["steps"], settings["learning_rate"], "pretrain_lm")
    model.eval().save_pretrained(out)
    tokenizer.save_pretrained(out)
    return {"loss": loss, "parameters": sum(p.numel() for p in model.parameters())}


def pretrain_clip(out: Path, vocabulary: Path, settings: dict[str, Any], seed: int) -> dict[str, float]:
    """Train the CLIP contrastively, two fresh captions for each image each time; write it as an open_clip folder.

    Args:
        vocabulary: folder of a transformers tokenizer whose end token has the highest id.
    """
    import open_clip
    from open_clip.loss import ClipLoss
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(vocabulary)
    tokenizer.save_pretrained(out)
    model_cfg = {
        "embed_dim": settings["embed_dim"],
        "vision_cfg": {
            "image_size": settings["image_size"], "patch_size": settings["patch_size"],
            "width": settings["width"], "layers": settings["vision_layers"], "head_width": 32,
        },
        "text_cfg": {
            "context_length": settings["context"], "vocab_size": len(tokenizer), "width": settings["width"],
            "heads": settings["width"] // 32, "layers": settings["text_layers"], "hf_tokenizer_name": ".",
        },
    }  # fmt: skip
    half = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "shortest"}
    card = {"model_cfg": model_cfg, "preprocess_cfg": half}
    (out / "open_clip_config.json").write_text(json.dumps(card, indent=2) + "\n")
    model = open_clip.create_model(f"local-dir:{out}", require_pretrained=False)

    pairs = [pair for d in sorted(GROUNDS) for pair in scenes(d, "pretrain", settings["scenes_per_domain"], seed)]
    side = settings["image_size"]
    drawn = torch.empty((len(pairs), 3, side, side), dtype=torch.uint8)
    for i, (scene, rng) in enumerate(progress(pairs, "drawing", len(pairs))):
        small = draw(scene, rng).resize((side, side), 3)
        drawn[i] = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)
    rng = np.random.default_rng(seed)
    contrast = ClipLoss()
    order = np.empty(0, dtype=int)

    def loss_of_step(step: int) -> torch.Tensor:
        nonlocal order
        if len(order) < settings["batch_size"]:
            order = rng.permutation(len(pairs))
        rows, order = order[: settings["batch_size"]], order[settings["batch_size"] :]
        images = drawn[rows].float() / 127.5 - 1
        image_features = F.normalize(model.encode_image(images), dim=-1)
        texts = [caption(pairs[i][0], rng) for _ in range(2) for i in rows]
        ids = tokenizer(texts, padding=True, return_tensors="pt").input_ids
        both = F.normalize(encode_text(model, ids), dim=-1).chunk(2)
        scale = model.logit_scale.exp()
        loss = torch.stack([contrast(image_features, text_features, scale) for text_features in both]).mean()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        return loss

    loss = _optimise(model, loss_of_step, settings["steps"], settings["learning_rate"], "pretrain_clip")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, out / "open_clip_model.safetensors")
    return {"loss": loss, "parameters": sum(p.numel() for p in model.parameters())}
