"""A frozen causal language model through transformers: soft prefix in, text out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .errors import ConfigError, EncoderError


@dataclass(frozen=True)
class LanguageModel:
    """A frozen causal language model with its tokenizer."""

    model: Any
    tokenizer: Any

    @property
    def dim(self) -> int:
        return self.model.get_input_embeddings().embedding_dim

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    def caption_ids(self, captions: list[str], length: int) -> torch.Tensor:
        """Token ids [N, length]: begin token, caption, end token, padding.

        A longer caption is cut at `length` and so loses its end token, as in the released code.
        """
        end, pad = self.tokenizer.eos_token_id, self.tokenizer.pad_token_id
        rows = [[*ids, end][:length] for ids in self.tokenizer(captions).input_ids] if captions else []
        return torch.tensor([row + [pad] * (length - len(row)) for row in rows], dtype=torch.long)

    @torch.inference_mode()
    def generate(
        self,
        prefix: torch.Tensor | None,
        prompts: list[str],
        *,
        beams: int,
        max_new_tokens: int,
        length_penalty: float = 1.0,
    ) -> list[str]:
        """Beam-search one continuation per prompt, behind its soft prefix when there is one.

        Args:
            prefix: soft tokens [B, P, lm_dim], or None for the language model alone.
            prompts: B texts, each tokenised with its begin token; the empty text asks for a caption.

        Raises:
            EncoderError: the prefix was made for a language model of another width.
        """
        rows = self.tokenizer(prompts).input_ids
        width = max(map(len, rows))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.device)
        embedded = self.model.get_input_embeddings()(ids)
        if prefix is not None:
            if prefix.shape[-1] != self.dim:
                raise EncoderError(
                    f"the prefix has dimension {prefix.shape[-1]}, the language model {self.dim}: "
                    "use the language model that the adaptor was trained with"
                )
            embedded, mask = _behind_padding(prefix.to(embedded), embedded, mask)
        generated = self.model.generate(
            inputs_embeds=embedded, attention_mask=mask, num_beams=beams, do_sample=False,
            max_new_tokens=max_new_tokens, length_penalty=length_penalty,
            eos_token_id=self.tokenizer.eos_token_id, pad_token_id=pad,
        )  # fmt: skip
        return [text.strip() for text in self.tokenizer.batch_decode(generated, skip_special_tokens=True)]


def _behind_padding(
    prefix: torch.Tensor, embedded: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each row as [padding, prefix, prompt], with its attention mask."""
    mask = torch.cat([torch.ones(prefix.shape[:2], dtype=mask.dtype, device=mask.device), mask], dim=1)
    whole = torch.cat([prefix, embedded], dim=1)
    order = mask.argsort(dim=1, stable=True)
    return whole.gather(1, order.unsqueeze(-1).expand_as(whole)), mask.gather(1, order)


def load_language_model(name: str, device: torch.device | str = "cpu", dtype: str = "float32") -> LanguageModel:
    """Load a frozen causal language model from the hub or a local folder.

    Raises:
        ConfigError: there is no such model.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    if "/" in name and name.startswith((".", "/", "maccap/")) and not Path(name).is_dir():
        raise ConfigError(f"language model folder {name} does not exist: correct `language_model.name` in the config")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = AutoModelForCausalLM.from_pretrained(name, dtype=getattr(torch, dtype))
    except (OSError, ValueError) as error:
        raise ConfigError(f"language model {name!r}: {error}; see `language_model` in the config") from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    model.generation_config.early_stopping = False
    model = model.to(torch.device(device))  # type: ignore[arg-type]
    return LanguageModel(model.eval().requires_grad_(False), tokenizer)
