"""Beam search through transformers, with the beams of a row side by side as positions of one sequence.

The prompt runs through the language model once for all beams of a row, its keys and values are kept once, and no beam's
past is ever moved: each position sees the prompt and the tokens that it descends from, which a mask says (the tree
attention of speculative decoding; Miao et al., SpecInfer, 2024). Texts are those of transformers' plain beam search.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """Keys and values of one layer, [rows, heads, L, head_dim], with room for those to come: none is ever copied."""

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
    """The past of a beam search over rows of `beams` beams, behind a prompt.

    Args:
        prompt: the layers of a cache that holds the past of all but the prompt's last position; they are used up.
        mask: which positions of the prompt are no padding, [rows, P + 1].
        room: how many tokens are generated at most.
    """

    def __init__(self, prompt: list[Any], mask: torch.Tensor, beams: int, room: int) -> None:
        room = 1 + beams * (room - 1)
        super().__init__(layers=[RoomyLayer(prompt.pop(0), room) for _ in range(len(prompt))])
        self.prompt = mask.bool().unsqueeze(1)
        self.descent = torch.zeros(len(mask), beams, 0, dtype=torch.bool, device=mask.device)

    def grow(self) -> torch.Tensor:
        """What the next positions attend to, themselves last: [rows, 1, beams, L], one for each beam.

        The first is the prompt's last position, one for all beams: [rows, 1, 1, P + 1].
        """
        if self.get_seq_length() < self.prompt.shape[-1]:
            return self.prompt.unsqueeze(1)
        beams = self.descent.shape[1]
        own = torch.eye(beams, dtype=torch.bool, device=self.descent.device)
        self.descent = torch.cat([self.descent, own.expand(len(self.descent), -1, -1)], dim=2)
        return torch.cat([self.prompt.expand(-1, beams, -1), self.descent], dim=2).unsqueeze(1)

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Let each beam go on from that of number `beam_idx` [rows * beams], which is one of its own row."""
        rows, beams, length = self.descent.shape
        within = beam_idx.view(rows, beams, 1) % beams
        self.descent = self.descent.gather(1, within.expand(-1, -1, length))


@contextmanager
def shared_prompts(
    model: Any, embedded: torch.Tensor, mask: torch.Tensor, beams: int, room: int
) -> Iterator[Cache | None]:
    """Within this context, `model.generate` with these inputs and the cache that it yields runs as said above.

    Language models that forget their past (sliding windows) get no cache, and with it the plain search. On a CPU, where
    fused attention is slow for so few queries, attention is computed by plain operators.

    Args:
        model: a causal language model of transformers.
        embedded: the prompts, [rows, P + 1, d]; all but their last position are computed here.
        mask: their attention mask, [rows, P + 1].
        room: `max_new_tokens`.
    """
    prompt = DynamicCache(config=model.config)
    before, positions = mask[:, :-1], (mask[:, :-1].cumsum(dim=1) - 1).clamp(min=0)
    model.base_model(
        inputs_embeds=embedded[:, :-1], attention_mask=before, position_ids=positions, past_key_values=prompt,
        use_cache=True,
    )  # fmt: skip
    if any(type(layer) is not DynamicLayer for layer in prompt.layers):
        yield None
        return
    cache = BeamCache(prompt.layers, mask, beams, room)

    def to_positions(_: Any, arguments: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        mask = cache.grow()
        if plain:
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
    usual, plain = model.config._attn_implementation, embedded.device.type == "cpu"
    try:
        if plain:
            model.set_attn_implementation("eager")
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
