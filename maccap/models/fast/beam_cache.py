"""Beam search through transformers with the beams of a row side by side, as positions of one sequence.

Each prompt runs through the language model once for all its beams, and its keys and values are stored once. No stored
state is ever moved: a mask lets each position attend to the prompt and to its own ancestors among the generated tokens
(the tree attention of speculative decoding; Miao et al., SpecInfer, 2024). Texts are those of `model.generate`.
"""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from . import plain

# Families (transformers' `model_type`) on which tests/models/test_families.py proves this search: they follow masks of
# four dimensions and `position_ids`, and do not mind padding on the left.
PROVED = ("gpt2", "gpt_neox", "gptj", "llama", "mistral", "olmo2", "opt", "phi", "qwen2", "qwen3")
FIXED_ROTATIONS = ("default", "linear", "llama3")  # rotary embeddings that do not depend on the length of a batch


def applies(model: Any) -> bool:
    """Whether this search gives a model's own texts: its family is proved, and each position sees all before it."""
    config = model.config
    if plain() or config.model_type not in PROVED:
        return False
    rotation = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    layers = DynamicCache(config=config).layers
    return rotation in FIXED_ROTATIONS and all(type(layer) is DynamicLayer for layer in layers)


class BeamCache(DynamicCache):
    """Keys and values of a beam search: each row's prompt once, then `beams` positions for each generated token.

    `mask` [rows, P + 1] says which positions of the prompt are not padding.
    """

    def __init__(self, config: Any, mask: torch.Tensor, beams: int) -> None:
        super().__init__(config=config)
        self.prompt = mask.bool().unsqueeze(1)
        self.ancestors = torch.zeros(len(mask), beams, 0, dtype=torch.bool, device=mask.device)

    def grow(self) -> torch.Tensor:
        """What the next positions attend to, one position for each beam: bool [rows, 1, beams, L], themselves last.

        The first is the prompt's last position, one for all beams: [rows, 1, 1, P + 1].
        """
        if self.get_seq_length() < self.prompt.shape[-1]:
            return self.prompt.unsqueeze(1)
        beams = self.ancestors.shape[1]
        own = torch.eye(beams, dtype=torch.bool, device=self.ancestors.device)
        self.ancestors = torch.cat([self.ancestors, own.expand(len(self.ancestors), -1, -1)], dim=2)
        return torch.cat([self.prompt.expand(-1, beams, -1), self.ancestors], dim=2).unsqueeze(1)

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Let each beam continue the beam numbered `beam_idx` [rows * beams], one of its own row."""
        rows, beams, length = self.ancestors.shape
        within = beam_idx.view(rows, beams, 1) % beams
        self.ancestors = self.ancestors.gather(1, within.expand(-1, -1, length))


def generate(model: Any, embedded: torch.Tensor, mask: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    """Token ids [rows, L] that `model.generate` gives with these inputs and options.

    Args:
        model: a causal language model of transformers to which this search applies.
        embedded: the prompts, [rows, P + 1, d], padded on the left; mask: their attention mask, [rows, P + 1].
    """
    beams, inputs = options["num_beams"], {"inputs_embeds": embedded, "attention_mask": mask}
    if beams == 1 or embedded.shape[1] == 1:
        return model.generate(**inputs, **options)
    cache = BeamCache(model.config, mask, beams)
    before = mask[:, :-1]
    model.base_model(
        inputs_embeds=embedded[:, :-1], attention_mask=before, position_ids=(before.cumsum(dim=1) - 1).clamp(min=0),
        past_key_values=cache, use_cache=True,
    )  # fmt: skip

    def to_positions(_: Any, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        seen = cache.grow()
        for name in ("input_ids", "inputs_embeds", "position_ids"):
            if named.get(name) is not None:
                named[name] = named[name].view(-1, beams, *named[name].shape[2:])[:, : seen.shape[2]]
        added = torch.zeros_like(seen, dtype=embedded.dtype).masked_fill(~seen, torch.finfo(embedded.dtype).min)
        return arguments, named | {"attention_mask": added, "logits_to_keep": beams}

    def to_rows(_: Any, __: Any, output: Any) -> Any:
        output.logits = output.logits.expand(-1, beams, -1).flatten(0, 1).unsqueeze(1)
        return output

    hooks = model.register_forward_pre_hook(to_positions, with_kwargs=True), model.register_forward_hook(to_rows)
    try:
        return model.generate(**inputs, past_key_values=cache, **options)
    finally:
        for hook in hooks:
            hook.remove()
