"""Beam search through transformers with the beams of a row side by side, as positions of one sequence.

Each prompt runs through the language model once for all its beams, and its keys and values are stored once. No stored
state is ever moved: a mask lets each position attend to the prompt and to its own ancestors among the generated tokens
(the tree attention of speculative decoding; Miao et al., SpecInfer, 2024). Texts are those of `model.generate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from ..adapters.transformers_private import attention_implementation
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


def generate(model: Any, embedded: torch.Tensor, mask: torch.Tensor, options: dict[str, Any]) -> torch.Tensor:
    """Token ids [rows, L] that `model.generate` gives with these inputs, padded on the left, and these options."""
    inputs = {"inputs_embeds": embedded, "attention_mask": mask}
    if options["num_beams"] == 1 or embedded.shape[1] == 1:
        return model.generate(**inputs, **options)
    with shared_prompts(model, embedded, mask, options["num_beams"], options["max_new_tokens"]) as cache:
        return model.generate(**inputs, past_key_values=cache, **options)


class SpareLayer(DynamicLayer):
    """Keys and values of one layer, [rows, heads, L, head_dim], in memory that has room for those to come."""

    def __init__(self, prompt: DynamicLayer, room: int) -> None:
        super().__init__()
        assert prompt.keys is not None
        assert prompt.values is not None
        self.end = prompt.keys.shape[-2]
        self._whole = [_with_room(states, room) for states in (prompt.keys, prompt.values)]
        self.dtype, self.device = prompt.keys.dtype, prompt.keys.device
        self.is_initialized = True
        self._show()

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append states [rows, heads, n, head_dim]; returns all keys and all values."""
        begin, self.end = self.end, self.end + key_states.shape[-2]
        for whole, states in zip(self._whole, (key_states, value_states), strict=True):
            whole[:, :, begin : self.end] = states
        return self._show()

    def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys, self.values = (whole[:, :, : self.end] for whole in self._whole)
        return self.keys, self.values


class BeamCache(Cache):
    """Keys and values of a beam search: each row's prompt once, then `beams` positions for each generated token.

    Args:
        prompt: layers of a cache that holds all but the prompt's last position; the list is emptied.
        mask: which positions of the prompt are not padding, [rows, P + 1].
        room: how many tokens are generated at most.
    """

    def __init__(self, prompt: list[Any], mask: torch.Tensor, beams: int, room: int) -> None:
        room = 1 + beams * (room - 1)
        super().__init__(layers=[SpareLayer(prompt.pop(0), room) for _ in range(len(prompt))])
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


@contextmanager
def shared_prompts(model: Any, embedded: torch.Tensor, mask: torch.Tensor, beams: int, room: int) -> Iterator[Cache]:
    """In this context, `model.generate` with the same inputs and the cache given here searches as said above.

    On a CPU, where fused attention is slow for so few queries, plain operators compute the attention.

    Args:
        model: a causal language model of transformers to which this applies.
        embedded: the prompts, [rows, P + 1, d], padded on the left; all but the last position are computed here.
        mask: their attention mask, [rows, P + 1].
        room: `max_new_tokens`.
    """
    prompt = DynamicCache(config=model.config)
    before, positions = mask[:, :-1], (mask[:, :-1].cumsum(dim=1) - 1).clamp(min=0)
    model.base_model(
        inputs_embeds=embedded[:, :-1], attention_mask=before, position_ids=positions, past_key_values=prompt,
        use_cache=True,
    )  # fmt: skip
    cache = BeamCache(prompt.layers, mask, beams, room)
    on_cpu = embedded.device.type == "cpu"

    def to_positions(_: Any, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = cache.grow()
        if on_cpu:
            mask = torch.zeros_like(mask, dtype=embedded.dtype).masked_fill(~mask, torch.finfo(embedded.dtype).min)
        for name in ("input_ids", "inputs_embeds", "position_ids"):
            if named.get(name) is not None:
                named[name] = named[name].view(-1, beams, *named[name].shape[2:])[:, : mask.shape[2]]
        return arguments, named | {"attention_mask": mask, "logits_to_keep": beams}

    def to_rows(_: Any, __: Any, output: Any) -> Any:
        output.logits = output.logits.expand(-1, beams, -1).flatten(0, 1).unsqueeze(1)
        return output

    hooks = [
        model.register_forward_pre_hook(to_positions, with_kwargs=True),
        model.register_forward_hook(to_rows),
    ]
    usual = attention_implementation(model)
    try:
        model.set_attn_implementation("eager" if on_cpu else "sdpa")
        yield cache
    finally:
        model.set_attn_implementation(usual)
        for hook in hooks:
            hook.remove()


def _with_room(states: torch.Tensor, room: int) -> torch.Tensor:
    rows, heads, length, size = states.shape
    whole = states.new_empty(rows, heads, length + room, size)
    whole[:, :, :length] = states
    return whole
