"""Every causal family of transformers: the texts of its own beam search, or a refusal before anything is computed."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch.nn import functional as F
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedTokenizerFast

from maccap.core.errors import ConfigError
from maccap.models.fast import beam_cache
from maccap.models.language_model import LanguageModel
from maccap.training.loss import reconstruction_loss

# Sizes of a tiny model under the names that some family gives them.
SIZES = (
    dict.fromkeys(["hidden_size", "d_model", "n_embd", "word_embed_proj_dim", "attention_hidden_size"], 32)
    | dict.fromkeys(["num_hidden_layers", "num_layers", "n_layer", "n_layers"], 2)
    | dict.fromkeys(["num_attention_heads", "attention_heads", "num_heads", "n_head", "n_heads"], 4)
    | dict.fromkeys(["intermediate_size", "ffn_dim", "ffn_hidden_size", "moe_intermediate_size", "n_positions"], 64)
    | dict.fromkeys(["max_position_embeddings", "max_seq_len", "context_length"], 64)
    | dict.fromkeys(["attention_dropout", "dropout", "resid_pdrop", "embd_pdrop", "attn_pdrop", "hidden_dropout"], 0.0)
    | {"vocab_size": 96, "num_key_value_heads": 2, "head_dim": 8, "rotary_dim": 4, "num_local_experts": 4}
    | {"num_experts": 4, "num_experts_per_tok": 2, "state_size": 8, "time_step_rank": 4}
    | {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 2}
)
BEAM_CACHE = {name: (name, {}) for name in beam_cache.PROVED} | {"mistral": ("mistral", {"sliding_window": None})}
PLAIN = {
    name: (name, {})
    for name in [
        "apertus", "arcee", "biogpt", "bloom", "codegen", "cohere", "cohere2", "ernie4_5", "falcon", "gemma", "gemma2",
        "glm", "gpt_bigcode", "granite", "helium", "mamba", "mixtral", "mpt", "nemotron", "olmo", "persimmon", "phi3",
        "qwen2_moe", "smollm3", "stablelm", "starcoder2", "xglm",
    ]
} | {
    "GPT-Neo with local attention": ("gpt_neo", {"attention_types": [[["global", "local"], 1]], "window_size": 4}),
    "Falcon with ALiBi": ("falcon", {"alibi": True}),
    "Mistral with a sliding window": ("mistral", {"sliding_window": 6}),
    "Jamba, attention and Mamba by turns": (
        "jamba", {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8, "mamba_dt_rank": 4},
    ),
    "Llama with rotations by length": ("llama", {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}),
}  # fmt: skip
PROMPTS = ["w10 w11 w12", "", "w13 w14 w15 w16 w17 w18", "w19", "w20 w21 w22"]
BEAMS = {"num_beams": 4, "max_new_tokens": 6, "do_sample": False, "eos_token_id": 2, "pad_token_id": 1}


@pytest.fixture(scope="module", name="tokenizer")
def word_tokenizer_fixture() -> PreTrainedTokenizerFast:
    return word_tokenizer()


def word_tokenizer() -> PreTrainedTokenizerFast:
    """One word for each token, so that two texts are the same only if their tokens are."""
    words = ["<unk>", "<pad>", "</s>", *(f"w{i}" for i in range(3, 96))]
    own = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "pad_token": "<pad>", "bos_token": "</s>", "eos_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=own, **special)


def build(model_type: str, changes: dict):
    """A tiny model with random weights, large enough that its texts differ clearly from row to row."""
    config = CONFIG_MAPPING[model_type]()
    fixed = ("head_dim",) if model_type == "falcon" else ()
    sizes = {key: value for key, value in SIZES.items() if hasattr(config, key) and key not in fixed}
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[model_type](**sizes | changes))
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval().requires_grad_(False)


def soft_tokens(lm: LanguageModel) -> torch.Tensor:
    own = lm.model.get_input_embeddings().weight
    return torch.randn(len(PROMPTS), 3, lm.dim, generator=torch.Generator().manual_seed(2)) * own.std()


def own_texts(lm: LanguageModel, prefix: torch.Tensor) -> list[str]:
    """What `model.generate` gives for each row by itself."""
    texts = []
    for soft, prompt in zip(prefix, PROMPTS, strict=True):
        ids = torch.tensor([2, *lm.tokenizer(prompt, add_special_tokens=False).input_ids])
        embedded = torch.cat([soft, lm.model.get_input_embeddings()(ids)])[None]
        mask = torch.ones(embedded.shape[:2], dtype=torch.long)
        generated = lm.model.generate(inputs_embeds=embedded, attention_mask=mask, **BEAMS)
        texts.append(lm.tokenizer.decode(generated[0], skip_special_tokens=True).strip())
    return texts


@pytest.mark.parametrize("family", [*BEAM_CACHE, *PLAIN])
def test_a_batch_gives_each_row_the_text_of_transformers_own_search(family, tokenizer, monkeypatch):
    cached, real = [], beam_cache.generate
    monkeypatch.setattr(beam_cache, "generate", lambda *args: cached.append(args) or real(*args))
    lm = LanguageModel(build(*(BEAM_CACHE | PLAIN)[family]), tokenizer)
    prefix = soft_tokens(lm)
    expected = own_texts(lm, prefix)
    assert len(set(expected)) > 3
    assert lm.generate(prefix, PROMPTS, beams=4, max_new_tokens=6) == expected
    assert bool(cached) == (family in BEAM_CACHE)
    alone = [lm.generate(prefix[i : i + 1], PROMPTS[i : i + 1], beams=4, max_new_tokens=6)[0] for i in range(5)]
    assert alone == expected
    monkeypatch.setenv("MACCAP_PLAIN", "1")
    monkeypatch.setattr(beam_cache, "generate", None)
    assert lm.generate(prefix, PROMPTS, beams=4, max_new_tokens=6) == expected


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", BEAM_CACHE)
def test_in_half_precision_the_texts_are_those_of_transformers_own_search(family, dtype, tokenizer):
    lm = LanguageModel(build(*BEAM_CACHE[family]).to(dtype), tokenizer)
    prefix = soft_tokens(lm).to(dtype)
    expected = own_texts(lm, prefix)
    assert len(set(expected)) > 3
    assert lm.generate(prefix.float(), PROMPTS, beams=4, max_new_tokens=6) == expected


@pytest.mark.parametrize("family", PLAIN)
def test_the_training_loss_of_a_padded_batch_is_the_mean_over_its_rows(family, tokenizer):
    lm = LanguageModel(build(*PLAIN[family]), tokenizer)
    prefix, embed, terms = soft_tokens(lm), lm.model.get_input_embeddings(), []
    for soft, caption in zip(prefix, PROMPTS, strict=True):
        ids = torch.tensor([2, *lm.tokenizer(caption, add_special_tokens=False).input_ids, 2])
        logits = lm.model(inputs_embeds=torch.cat([soft, embed(ids)])[None]).logits[0]
        terms.append(F.cross_entropy(logits[len(soft) - 1 : -1], ids, reduction="none"))
    loss = reconstruction_loss(lm.model, prefix, lm.caption_ids(PROMPTS, 12)[0], lm.pad_id, False)
    torch.testing.assert_close(loss, torch.cat(terms).mean(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["rwkv", "ctrl", "openai-gpt"])
def test_a_family_that_cannot_search_behind_soft_tokens_is_refused(family, tokenizer):
    with pytest.raises(ConfigError, match=rf"{family} .*choose another"):
        LanguageModel(build(family, {}), tokenizer)
