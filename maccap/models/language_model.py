"""A frozen language model through transformers: soft prefix in, text out."""

import inspect
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ..core.artifacts import atomic
from ..core.errors import ConfigError, EncoderError
from .fast.matrix_products import onednn
from .weights import LOAD_ERRORS, model_files, reason

WEIGHTS = "model.safetensors"
CACHE_NAMES = ("past_key_values", "cache_params")
FILES = ("config.json", "generation_config.json", WEIGHTS, "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class LanguageModel:
    """A frozen language model with its tokenizer: a causal one, or an encoder-decoder that only answers prompts.

    Raises:
        ConfigError: the model is causal, but of a family that cannot continue soft tokens by beam search.
    """

    model: Any
    tokenizer: Any

    def __post_init__(self) -> None:
        if not self.encoder_decoder:
            _require_soft_prefixes(self.model)

    @property
    def dim(self) -> int:
        return self.model.get_input_embeddings().embedding_dim

    @property
    def device(self) -> torch.device:
        return self.model.get_input_embeddings().weight.device

    @property
    def encoder_decoder(self) -> bool:
        return bool(self.model.config.is_encoder_decoder)

    @property
    def begin_id(self) -> int:
        """What every text begins with: the tokenizer's own begin token, or its end token where it has none."""
        begin = self.tokenizer.bos_token_id
        return self.end_id if begin is None else begin

    @property
    def end_id(self) -> int:
        return self.tokenizer.eos_token_id

    @property
    def pad_id(self) -> int:
        """The padding token; -1, which is no token at all, where the tokenizer has none or pads with its end token."""
        pad = self.tokenizer.pad_token_id
        return -1 if pad is None or pad == self.end_id else pad

    def require_room(self, tokens: int, keys: str) -> None:
        """Refuse more tokens than the model has positions for; `keys` of the config decide how many there are.

        Raises:
            ConfigError: there are more.
        """
        most = getattr(self.model.config, "max_position_embeddings", None)
        if most and tokens > most:
            raise ConfigError(f"{tokens} tokens, but the language model takes at most {most}: lower or shorten {keys}")

    @property
    def cache_name(self) -> str:
        """What the model's forward calls its cache: `past_key_values`, or `cache_params` in the Mamba families."""
        return next(name for name in CACHE_NAMES if name in inspect.signature(self.model.forward).parameters)

    def caption_ids(
        self, captions: list[str], length: int, prompts: list[str] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids, int64 [N, L]: begin token, prompt, caption, end token, then `pad_id`; and which belong to prompts.

        A caption longer than `length` with its begin and end is cut and so loses its end token, as in the released
        code; L is `length` and the longest prompt. Behind a prompt a caption has the tokens that it has alone, as in
        ViECap's released code.

        Raises:
            ConfigError: an encoder-decoder, which takes no soft prefix and so cannot be trained with.
        """
        self._require_causal()
        before = self._texts(prompts) if prompts else [[]] * len(captions)
        texts = self._texts(captions)
        width = length + max(map(len, before), default=0)
        ids = torch.full((len(texts), width), self.pad_id, dtype=torch.long)
        given = torch.zeros(ids.shape, dtype=torch.bool)
        for row, (prompt, caption) in enumerate(zip(before, texts, strict=True)):
            whole = [self.begin_id, *prompt, *[*caption, self.end_id][: length - 1]]
            ids[row, : len(whole)] = torch.tensor(whole)
            given[row, 1 : 1 + len(prompt)] = True
        return ids, given

    @torch.inference_mode()
    @onednn()
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
            prompts: B texts, each given its begin token; the empty text asks for a caption.

        Raises:
            EncoderError: the prefix was made for a language model of another width.
            ConfigError: there is a prefix, and the language model is an encoder-decoder; or a text is too long for it.
        """
        options = {
            "num_beams": beams, "do_sample": False, "max_new_tokens": max_new_tokens, "length_penalty": length_penalty,
            "eos_token_id": self.end_id, "pad_token_id": self.end_id if self.pad_id < 0 else self.pad_id,
        }  # fmt: skip
        if self.encoder_decoder:
            if prefix is not None:
                self._require_causal()
            inputs = self.tokenizer(prompts, padding=True, return_tensors="pt").to(self.device)
            generated = self.model.generate(**inputs, **options)
        else:
            embedded, mask = self.embed(prefix, prompts)
            self.require_room(embedded.shape[1] + max_new_tokens - 1, "queries, prompt or max_new_tokens")
            generated = self._continue(embedded, mask, options)
        return [text.strip() for text in self.tokenizer.batch_decode(generated, skip_special_tokens=True)]

    def _continue(self, embedded: torch.Tensor, mask: torch.Tensor, options: dict[str, Any]) -> list[torch.Tensor]:
        """Generated token ids of each row, [L] each, behind embeddings [B, L, lm_dim] with their mask [B, L].

        Rows of equal length run together, without padding: some families compute other numbers behind padding.
        """
        from .fast import beam_cache

        if beam_cache.applies(self.model):
            return list(beam_cache.generate(self.model, embedded, mask, options))
        lengths, found = mask.sum(dim=1), dict[int, torch.Tensor]()
        for length in lengths.unique().tolist():
            rows = (lengths == length).nonzero().flatten()
            inputs = {"inputs_embeds": embedded[rows, -length:], "attention_mask": mask[rows, -length:]}
            found |= zip(rows.tolist(), self.model.generate(**inputs, **options), strict=True)
        return [found[row] for row in range(len(mask))]

    def text(self, ids: torch.Tensor) -> str:
        """The text of generated tokens [L], up to their end token."""
        own = ids.tolist()
        return self.tokenizer.decode(own[: own.index(self.end_id)] if self.end_id in own else own).strip()

    def _texts(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text alone; tokenizers differ in the special tokens that they add."""
        return self.tokenizer(texts, add_special_tokens=False).input_ids if texts else []

    def embed(self, prefix: torch.Tensor | None, prompts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Each row as [padding, prefix, begin token, prompt]: embeddings [B, L, lm_dim] and attention mask [B, L]."""
        rows = [[self.begin_id, *ids] for ids in self._texts(prompts)]
        width = max(map(len, rows))
        filler = max(self.pad_id, 0)
        ids = torch.tensor([[filler] * (width - len(row)) + row for row in rows], device=self.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=self.device)
        embedded = self.model.get_input_embeddings()(ids)
        if prefix is None:
            return embedded, mask
        if prefix.shape[-1] != self.dim:
            raise EncoderError(
                f"the prefix has dimension {prefix.shape[-1]}, the language model {self.dim}: "
                "use the language model that the adaptor was trained with"
            )
        mask = torch.cat([mask.new_ones(prefix.shape[:2]), mask], dim=1)
        whole = torch.cat([prefix.to(embedded), embedded], dim=1)
        order = mask.argsort(dim=1, stable=True)
        return whole.gather(1, order.unsqueeze(-1).expand_as(whole)), mask.gather(1, order)

    def _require_causal(self) -> None:
        if self.encoder_decoder:
            raise ConfigError(
                f"{self.model.config.model_type} is an encoder-decoder: it answers text prompts but takes no soft "
                "prefix; train and caption with a causal language model such as OPT"
            )


def _require_soft_prefixes(model: Any) -> None:
    takes = set(inspect.signature(model.forward).parameters)
    continues = set(inspect.signature(model.prepare_inputs_for_generation).parameters)
    problem = None
    if not {"inputs_embeds", "logits_to_keep"} <= takes or "inputs_embeds" not in continues:
        problem = "does not continue embeddings in transformers, and so takes no soft prefix"
    elif not takes & set(CACHE_NAMES):
        problem = "keeps a state that transformers cannot reorder, and so has no beam search"
    if problem:
        raise ConfigError(
            f"language models of the family {model.config.model_type} cannot be used: it {problem}; choose another in "
            "`language_model.name`, such as OPT, GPT-2 or Llama"
        )


def load_language_model(
    name: str, device: torch.device | str = "cpu", dtype: torch.dtype | str = "float32"
) -> LanguageModel:
    """Load a frozen language model: a name on the hub, a local transformers folder, or a local `.gguf` file.

    The model's own generation settings (sampling, penalties) are dropped, so that all models decode alike.

    Raises:
        ConfigError: there is no such model, or its files do not belong together.
        DataError: a file is empty, a pointer of Git LFS or an HTML page.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    path = Path(name)
    if (name.startswith((".", "/")) or name.count("/") > 1 or path.suffix == ".gguf") and not path.exists():
        raise ConfigError(f"language model {name} does not exist: correct `language_model.name` in the config")
    if path.exists():
        model_files(path)
    source, options = (str(path.parent), {"gguf_file": path.name}) if path.suffix == ".gguf" else (name, {})
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
        config = AutoConfig.from_pretrained(source, **options)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        loaded: Any = kind.from_pretrained(source, dtype=dtype, output_loading_info=True, **options)
    except LOAD_ERRORS as error:
        raise ConfigError(f"language model {name!r}: {reason(error)}; see `language_model` in the config") from error
    model, loading = loaded
    if options:
        model.hf_quantizer.remove_quantization_config(model)  # the weights were unpacked to `dtype`
    _check(name, model, tokenizer, loading["missing_keys"])
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=model.generation_config.decoder_start_token_id,
    )  # fmt: skip
    model = model.to(torch.device(device))
    return LanguageModel(model.eval().requires_grad_(False), tokenizer)


def _check(name: str, model: Any, tokenizer: Any, missing: set[str]) -> None:
    known = model.get_input_embeddings().num_embeddings
    problem = None
    if missing:
        problem = f"its weights lack {min(missing)} and {len(missing) - 1} others"
    elif len(tokenizer) > known:
        problem = f"its tokenizer has {len(tokenizer)} tokens, its weights {known}"
    elif tokenizer.eos_token_id is None:
        problem = "its tokenizer has no end token"
    if problem:
        raise ConfigError(f"language model {name!r}: {problem}; take all its files from one place")


def save_language_model(lm: LanguageModel, folder: Path | str) -> None:
    """Write the folder that `load_language_model` reads: exactly `FILES`, the weights in one file in their dtype.

    Raises:
        ConfigError: the tokenizer cannot be written as tokenizer.json.
        EnvironmentProblem: the disk is full.
    """
    folder = Path(folder)
    if not lm.tokenizer.is_fast:
        raise ConfigError("this tokenizer has no tokenizer.json form: choose a language model that has one")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=folder) as saved:
        with atomic(folder / WEIGHTS) as part:
            lm.model.save_pretrained(saved, max_shard_size="1000TB")
            lm.tokenizer.save_pretrained(saved)
            Path(saved, WEIGHTS).replace(part)
        for file in FILES:
            if file != WEIGHTS:
                with atomic(folder / file) as part:
                    shutil.copyfile(Path(saved, file), part)
