"""Language models of every family: tokens, loss, decoding in batches, files; and what lies in place of model files."""

import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from maccap.core.errors import ConfigError, DataError, EncoderError, MaccapError
from maccap.core.job import Job
from maccap.models.encoder import load_encoder
from maccap.models.language_model import FILES, LanguageModel, load_language_model, save_language_model
from maccap.models.weights import model_files
from maccap.steps import language_model as step
from maccap.training.loss import reconstruction_loss
from maccap.world.pretraining import sample_texts
from tests.helpers.files import refuses
from tests.helpers.tiny import SHIPPED, t5_tokenizer, tiny_lm

CAPTIONS = ["A red boat on the sea.", "Two dogs", "A small tree stands left of a big blue house."]
PROMPTS = ["Question: What color is the boat? Short answer:", "", "A red"]
CAUSAL = ["opt", "gpt2", "smollm2", "llama"]


def byte_level(special: list[str]) -> Tokenizer:
    """GPT-2's kind of tokenizer: byte-level BPE that adds no token by itself."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(sample_texts(0, 100), trainer)
    return tokenizer


def gpt2() -> LanguageModel:
    """One token begins and ends a text; none pads."""
    end = "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level([end]), bos_token=end, eos_token=end)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=96, initializer_range=0.2,
        bos_token_id=0, eos_token_id=0, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    )  # fmt: skip
    return LanguageModel(GPT2LMHeadModel(config), tokenizer)


def llama_config(tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=96, initializer_range=0.2, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2, pad_token_id=None,
    )  # fmt: skip


def smollm2() -> LanguageModel:
    """Begin and end tokens that the tokenizer does not add; the end token pads."""
    own = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=own, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    return LanguageModel(LlamaForCausalLM(llama_config(tokenizer)), tokenizer)


def llama() -> LanguageModel:
    """A begin token that the tokenizer adds; a padding token of its own."""
    own = byte_level(["<unk>", "<s>", "</s>", "<pad>"])
    own.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=own, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    return LanguageModel(LlamaForCausalLM(llama_config(tokenizer)), tokenizer)


def t5() -> LanguageModel:
    """An encoder-decoder with more embeddings than tokens."""
    tokenizer = t5_tokenizer(sample_texts(0, 100))
    config = T5Config(
        vocab_size=len(tokenizer) + 128, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2,
        initializer_factor=1.0, decoder_start_token_id=0, feed_forward_proj="gated-gelu", tie_word_embeddings=False,
        dropout_rate=0,
    )  # fmt: skip
    return LanguageModel(T5ForConditionalGeneration(config), tokenizer)


FAMILIES = {"opt": lambda: tiny_lm(3), "gpt2": gpt2, "smollm2": smollm2, "llama": llama, "t5": t5}


def make(family: str) -> LanguageModel:
    torch.manual_seed(3)
    lm = FAMILIES[family]()
    lm.model.eval().requires_grad_(False)
    return lm


def plain_ids(lm: LanguageModel, text: str) -> list[int]:
    return lm.tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids


def soft_tokens(lm: LanguageModel, rows: int = 3) -> torch.Tensor:
    return torch.randn(rows, 4, lm.dim, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(
    ("family", "begin", "end", "pad"), [("opt", 2, 2, 1), ("gpt2", 0, 0, -1), ("smollm2", 1, 2, -1), ("llama", 1, 2, 3)]
)
def test_caption_ids_are_begin_caption_end_padding(family, begin, end, pad):
    lm = make(family)
    for text, row in zip(CAPTIONS, lm.caption_ids(CAPTIONS, 24)[0].tolist(), strict=True):
        assert row == ([begin, *plain_ids(lm, text), end] + [pad] * 24)[:24]
    assert lm.caption_ids(CAPTIONS, 4)[0][0].tolist() == [begin, *plain_ids(lm, CAPTIONS[0])[:3]]
    assert lm.caption_ids([], 4)[0].shape == (0, 4)
    assert lm.pad_id == pad


@pytest.mark.parametrize("family", CAUSAL)
def test_the_loss_is_the_mean_over_every_row_alone(family):
    lm = make(family)
    prefix, terms = soft_tokens(lm), []
    for row, text in enumerate(CAPTIONS):
        ids = torch.tensor([lm.begin_id, *plain_ids(lm, text), lm.end_id])
        embedded = torch.cat([prefix[row], lm.model.get_input_embeddings()(ids)])
        log_probabilities = lm.model(inputs_embeds=embedded[None]).logits[0].log_softmax(-1)
        terms += [-log_probabilities[prefix.shape[1] - 1 + i, token] for i, token in enumerate(ids)]
    loss = reconstruction_loss(lm.model, prefix, lm.caption_ids(CAPTIONS, 40)[0], lm.pad_id, False)
    assert torch.allclose(loss, torch.stack(terms).mean(), atol=1e-5)


@pytest.mark.parametrize("family", ["opt", "llama"])
@pytest.mark.parametrize("captions", [CAPTIONS, CAPTIONS[:2], [" ".join(CAPTIONS)] * 2])
def test_counted_padding_gives_the_loss_and_gradient_of_the_whole_batch(family, captions):
    lm = make(family)
    prefix, tokens = soft_tokens(lm, len(captions)), lm.caption_ids(captions, 24)[0]
    losses, gradients = [], []
    for own in (True, False):
        soft = prefix.clone().requires_grad_()
        if own:
            loss = reconstruction_loss(lm.model, soft, tokens, lm.pad_id, True)
        else:
            embedded = torch.cat([soft, lm.model.get_input_embeddings()(tokens)], dim=1)
            mask = torch.cat([torch.ones(soft.shape[:2]), tokens != lm.pad_id], dim=1)
            labels = torch.cat([torch.full(soft.shape[:2], -100), tokens], dim=1)
            loss = lm.model(inputs_embeds=embedded, attention_mask=mask, labels=labels).loss
        loss.backward()
        losses.append(loss.detach())
        gradients.append(soft.grad)
    assert torch.allclose(*losses, rtol=1e-5)
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("count_padding", "each"),
    [(False, lambda own, width: own), (True, lambda own, width: min(own + 2, width))],
    ids=["left out", "counted"],
)
def test_logits_are_computed_only_where_a_label_is(count_padding, each):
    lm, seen = make("opt"), []
    tokens = lm.caption_ids(CAPTIONS, 24)[0]
    lm.model.get_output_embeddings().register_forward_hook(lambda _, __, logits: seen.append(logits.shape[:-1].numel()))
    reconstruction_loss(lm.model, soft_tokens(lm), tokens, lm.pad_id, count_padding)
    own = (tokens != lm.pad_id).sum(dim=1).tolist()
    assert len(set(own)) > 1
    assert seen == [sum(each(count, tokens.shape[1]) for count in own)]


def test_a_model_in_half_precision_takes_a_prefix_in_full():
    lm = make("opt")
    tokens, prefix = lm.caption_ids(CAPTIONS, 40)[0], soft_tokens(lm).requires_grad_()
    full = reconstruction_loss(lm.model, prefix, tokens, lm.pad_id, False)
    lm.model.bfloat16()
    half = reconstruction_loss(lm.model, prefix, tokens, lm.pad_id, False)
    half.backward()
    assert half.dtype == prefix.grad.dtype == torch.float32
    assert float(half.detach()) == pytest.approx(float(full.detach()), rel=0.05)
    assert len(lm.generate(prefix.detach(), PROMPTS, beams=2, max_new_tokens=3)) == 3


@pytest.mark.parametrize("family", CAUSAL)
def test_without_a_prefix_a_row_says_in_a_padded_batch_what_it_says_alone(family):
    lm = make(family)
    together = lm.generate(None, PROMPTS, beams=3, max_new_tokens=6)
    assert together == [lm.generate(None, [prompt], beams=3, max_new_tokens=6)[0] for prompt in PROMPTS]
    assert len(set(together)) == 3


@pytest.mark.parametrize("family", CAUSAL)
@pytest.mark.parametrize("length_penalty", [1.0, -1.0])
def test_beam_search_gives_the_texts_of_transformers_own_and_leaves_the_model_as_it_was(family, length_penalty):
    lm = make(family)
    prompts = [*PROMPTS, *CAPTIONS] * 4
    prefix = soft_tokens(lm, len(prompts))
    embedded, mask = lm.embed(prefix, prompts)
    options = {
        "num_beams": 4, "max_new_tokens": 8, "length_penalty": length_penalty, "do_sample": False,
        "eos_token_id": lm.end_id, "pad_token_id": lm.end_id if lm.pad_id < 0 else lm.pad_id,
    }  # fmt: skip
    before = lm.model.generate(inputs_embeds=embedded, attention_mask=mask, **options)
    found = lm.generate(prefix, prompts, beams=4, max_new_tokens=8, length_penalty=length_penalty)
    assert found == [text.strip() for text in lm.tokenizer.batch_decode(before, skip_special_tokens=True)]
    assert len(set(found)) > len(prompts) / 2
    after = lm.model.generate(inputs_embeds=embedded, attention_mask=mask, **options)
    assert torch.equal(before, after), "the search changed the model"


def test_the_beams_of_a_row_share_its_prompt_in_memory():
    lm, caches = make("opt"), []
    lm.model.register_forward_hook(lambda _, __, output: caches.append(output.past_key_values))
    lm.generate(soft_tokens(lm), [""] * 3, beams=4, max_new_tokens=5)
    heads = lm.model.config.num_attention_heads
    assert [tuple(layer.keys.shape) for layer in caches[-1].layers] == [(3, heads, 5 + 4 * 4, lm.dim // heads)] * 2


@pytest.mark.parametrize("family", CAUSAL)
def test_greedy_decoding_follows_the_most_likely_token(family):
    lm = make(family)
    prefix, embed = soft_tokens(lm), lm.model.get_input_embeddings()
    for row, text in enumerate(lm.generate(prefix, PROMPTS, beams=1, max_new_tokens=6)):
        start = torch.tensor([lm.begin_id, *plain_ids(lm, PROMPTS[row])])
        embedded, said = torch.cat([prefix[row], embed(start)]), []
        while len(said) < 6 and (not said or said[-1] != lm.end_id):
            said.append(int(lm.model(inputs_embeds=embedded[None]).logits[0, -1].argmax()))
            embedded = torch.cat([embedded, embed(torch.tensor(said[-1:]))])
        assert text == lm.tokenizer.decode(said, skip_special_tokens=True).strip()


def test_an_encoder_decoder_answers_prompts():
    lm = make("t5")
    together = lm.generate(None, PROMPTS, beams=1, max_new_tokens=6)
    for text, prompt in zip(together, PROMPTS, strict=True):
        ids, said = torch.tensor([[*plain_ids(lm, prompt), 1]]), [0]
        while len(said) < 7 and said[-1] != 1:
            logits = lm.model(input_ids=ids, decoder_input_ids=torch.tensor([said])).logits
            said.append(int(logits[0, -1].argmax()))
        assert text == lm.tokenizer.decode(said, skip_special_tokens=True).strip()
    beams = lm.generate(None, PROMPTS, beams=3, max_new_tokens=6)
    assert beams == [lm.generate(None, [prompt], beams=3, max_new_tokens=6)[0] for prompt in PROMPTS]


def test_no_padding_is_counted_that_does_not_exist_and_an_encoder_decoder_takes_no_prefix_and_no_training():
    with pytest.raises(ConfigError, match=r"no padding token.*count_padding"):
        reconstruction_loss(make("gpt2").model, torch.zeros(1, 1, 32), torch.tensor([[0, 5, 0, -1]]), -1, True)
    lm = make("t5")
    with pytest.raises(ConfigError, match=r"t5 is an encoder-decoder.*no soft prefix"):
        lm.generate(torch.zeros(1, 2, 32), [""], beams=1, max_new_tokens=2)
    refuses(lambda: lm.caption_ids(CAPTIONS, 10)[0], "t5 is an encoder-decoder", "causal", kind=ConfigError)


def logits(lm: LanguageModel) -> torch.Tensor:
    ids = torch.arange(5, 25)[None]
    decoder = {"decoder_input_ids": ids} if lm.encoder_decoder else {}
    return lm.model(input_ids=ids, **decoder).logits


def require_the_same(found: LanguageModel, lm: LanguageModel) -> None:
    assert torch.equal(logits(found), logits(lm))
    assert (found.end_id, found.pad_id) == (lm.end_id, lm.pad_id)
    assert found.tokenizer(CAPTIONS).input_ids == lm.tokenizer(CAPTIONS).input_ids
    if not lm.encoder_decoder:
        assert found.caption_ids(CAPTIONS, 24)[0].tolist() == lm.caption_ids(CAPTIONS, 24)[0].tolist()
    prefix = None if lm.encoder_decoder else soft_tokens(lm)
    said = [model.generate(prefix, PROMPTS, beams=2, max_new_tokens=5) for model in (lm, found)]
    assert said[0] == said[1]


@pytest.mark.parametrize("family", [*CAUSAL, "t5"])
def test_a_saved_folder_holds_five_files_and_the_same_model(family, tmp_path):
    lm = make(family)
    lm.tokenizer.chat_template = "{{ messages }}"
    save_language_model(lm, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    require_the_same(load_language_model(str(tmp_path)), lm)


def test_the_models_own_sampling_and_penalties_are_dropped(tmp_path):
    lm = make("smollm2")
    prefix = soft_tokens(lm)
    expected = lm.generate(prefix, PROMPTS, beams=2, max_new_tokens=8)
    lm.model.generation_config.update(do_sample=True, temperature=0.2, repetition_penalty=3.0, no_repeat_ngram_size=1)
    assert lm.generate(prefix, PROMPTS, beams=2, max_new_tokens=8) != expected
    lm.model.save_pretrained(tmp_path)
    lm.tokenizer.save_pretrained(tmp_path)
    assert load_language_model(str(tmp_path)).generate(prefix, PROMPTS, beams=2, max_new_tokens=8) == expected


def test_a_folder_as_opt_is_published(tmp_path):
    """No safetensors and no tokenizer.json: a pickled state in float16, vocab.json and merges.txt."""
    lm = make("opt")
    lm.model.half()
    lm.model.config.save_pretrained(tmp_path)
    state = {key: value for key, value in lm.model.state_dict().items() if key != "lm_head.weight"}
    torch.save(state, tmp_path / "pytorch_model.bin")
    lm.tokenizer.backend_tokenizer.model.save(str(tmp_path))
    (tmp_path / "tokenizer_config.json").write_text(
        '{"errors": "replace", "unk_token": "</s>", "bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", '
        '"add_prefix_space": false, "add_bos_token": true, "tokenizer_class": "GPT2Tokenizer"}'
    )
    (tmp_path / "special_tokens_map.json").write_text(
        '{"bos_token": "</s>", "eos_token": "</s>", "unk_token": "</s>", "pad_token": "<pad>"}'
    )
    lm.model.float()
    require_the_same(load_language_model(str(tmp_path)), lm)


def test_a_folder_as_flan_t5_is_published(tmp_path):
    """T5's own tokenizer class, a hundred extra tokens, and a sentencepiece model that nothing needs."""
    lm = make("t5")
    save_language_model(lm, tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"\n\x0e\n\x05<pad>")
    (tmp_path / "tokenizer_config.json").write_text(
        '{"eos_token": "</s>", "extra_ids": 100, "pad_token": "<pad>", "unk_token": "<unk>", "model_max_length": 512, '
        '"sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer"}'
    )
    loaded = load_language_model(str(tmp_path))
    save_language_model(loaded, tmp_path / "again")
    for other in (loaded, load_language_model(str(tmp_path / "again"))):
        require_the_same(other, lm)


def write_gguf(lm: LanguageModel, path: Path) -> None:
    """A LLaMA as llama.cpp's converter writes it: its tensor names, and its order of the rotary halves."""
    config, state = lm.model.config, lm.model.state_dict()
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    vocabulary = lm.tokenizer.get_vocab()
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.__getitem__))
    writer.add_token_types([3 if i < 3 else 1 for i in range(len(vocabulary))])
    lm.tokenizer.backend_tokenizer.model.save(str(path.parent))
    writer.add_token_merges((path.parent / "merges.txt").read_text().splitlines()[1:])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)

    def rotary(weight: np.ndarray, heads: int) -> np.ndarray:
        return weight.reshape(heads, 2, -1, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)

    names = {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    writer.add_tensor("token_embd.weight", state["model.embed_tokens.weight"].numpy())
    writer.add_tensor("output_norm.weight", state["model.norm.weight"].numpy())
    for layer in range(config.num_hidden_layers):
        for ours, theirs in names.items():
            weight = state[f"model.layers.{layer}.{ours}.weight"].numpy()
            if theirs in ("attn_q", "attn_k"):
                heads = config.num_attention_heads if theirs == "attn_q" else config.num_key_value_heads
                weight = rotary(weight, heads)
            writer.add_tensor(f"blk.{layer}.{theirs}.weight", np.ascontiguousarray(weight))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_becomes_a_folder(tmp_path):
    lm = make("smollm2")
    write_gguf(lm, tmp_path / "tiny.gguf")
    loaded = load_language_model(str(tmp_path / "tiny.gguf"))
    assert torch.allclose(logits(loaded), logits(lm), atol=1e-5)
    assert loaded.caption_ids(CAPTIONS, 24)[0].tolist() == lm.caption_ids(CAPTIONS, 24)[0].tolist()
    outputs = [tmp_path / "folder" / file for file in ("index.json", *FILES)]
    source = {"source": [tmp_path / "tiny.gguf"]}
    step.run(Job(source, outputs, {"language_model.name": "tiny.gguf", "language_model.dtype": "float32"}))
    assert torch.equal(logits(load_language_model(str(tmp_path / "folder"))), logits(loaded))


def test_the_step_stores_a_downloaded_folder_in_the_dtype_asked_for(tmp_path):
    lm = make("llama")
    save_language_model(lm, tmp_path / "downloaded")
    source = {"source": sorted((tmp_path / "downloaded").iterdir())}
    outputs = [tmp_path / "folder" / file for file in ("index.json", *FILES)]
    step.run(Job(source, outputs, {"language_model.name": "org/model", "language_model.dtype": "bfloat16"}))
    for parameter in lm.model.parameters():
        parameter.copy_(parameter.bfloat16())
    assert torch.equal(logits(load_language_model(str(tmp_path / "folder"))), logits(lm))
    sizes = [(tmp_path / folder / "model.safetensors").stat().st_size for folder in ("folder", "downloaded")]
    assert sizes[0] < 0.6 * sizes[1]
    scattered = {"source": [tmp_path / "a" / "config.json", tmp_path / "b" / "config.json"]}
    with pytest.raises(ConfigError, match="lie in 2 folders"):
        step.run(Job(scattered, outputs, {"language_model.name": "x", "language_model.dtype": "float32"}))


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    refuses(lambda: load_language_model(str(tmp_path / "absent")), "absent does not exist", kind=ConfigError)
    with pytest.raises(ConfigError, match="language_model"):
        load_language_model(str(tmp_path))
    small, large = tmp_path / "small", tmp_path / "large"
    save_language_model(make("smollm2"), small)
    save_language_model(make("opt"), large)
    shutil.copy(large / "tokenizer.json", small)
    with pytest.raises(ConfigError, match=r"tokenizer has \d+ tokens, its weights \d+"):
        load_language_model(str(small))
    whole = load_file(large / "model.safetensors")
    lacking = {name: value for name, value in whole.items() if name != "model.decoder.layers.0.fc1.weight"}
    save_file(lacking, large / "model.safetensors", {"format": "pt"})
    with pytest.raises(ConfigError, match=r"its weights lack model\.decoder\.layers\.0\.fc1\.weight"):
        load_language_model(str(large))
    (large / "model.safetensors").write_bytes((large / "model.safetensors").read_bytes()[:5000])
    with pytest.raises(ConfigError, match="large"):
        load_language_model(str(large))


FALSE = {
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a pointer of Git LFS"),
    "page": (b"<!DOCTYPE html><p>Sign in", "an HTML page"), "empty": (b"", "it is empty"),
}  # fmt: skip
false_file = pytest.mark.parametrize(("data", "what"), FALSE.values(), ids=FALSE)


@pytest.fixture(params=["clip-scenes", "opt-scenes"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED / request.param, tmp_path / request.param))


def load(folder: Path) -> None:
    if folder.name.startswith("clip"):
        load_encoder(str(folder))
    else:
        load_language_model(str(folder))


@false_file
def test_every_file_of_a_folder_is_looked_at(folder: Path, data: bytes, what: str) -> None:
    for path in sorted(path for path in folder.iterdir() if path.suffix != ".md"):
        whole = path.read_bytes()
        path.write_bytes(data)
        for call in (load, model_files):
            with pytest.raises(DataError, match=rf"{path.name}: it is {what.removeprefix('it is ')}"):
                call(folder)
        path.write_bytes(whole)
    assert model_files(folder) == sorted(str(path) for path in folder.iterdir() if path.name != "README.md")
    kept = model_files(folder)
    (folder / ".cache/huggingface").mkdir(parents=True)
    (folder / ".gitattributes").write_bytes(b"")
    assert model_files(folder) == kept, "what a download leaves beside a model is none of its files"
    (folder / "weights").write_bytes(data)
    with pytest.raises(DataError, match="weights: it is"):
        model_files(folder / "weights")  # which is named itself, so its suffix does not matter


@false_file
@pytest.mark.parametrize("suffix", ["pt", "bin", "safetensors"])
def test_a_weights_file_is_looked_at(tmp_path: Path, suffix: str, data: bytes, what: str) -> None:
    path = tmp_path / f"weights.{suffix}"
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"weights\.{suffix}: it is {what.removeprefix('it is ')}"):
        load_encoder("ViT-B-32", str(path))


def test_what_is_no_pickle_is_called_so_without_an_advice_to_trust_it(tmp_path: Path) -> None:
    for name, data in (("text.pt", b"hello weights, hello"), ("numbers.bin", bytes(range(256)))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(EncoderError, match=rf"{name}.* damaged, or of another kind") as caught:
            load_encoder("ViT-B-32", str(tmp_path / name))
        assert "weights_only" not in str(caught.value)
    opt = Path(shutil.copytree(SHIPPED / "opt-scenes", tmp_path / "opt"))
    (opt / "model.safetensors").unlink()
    (opt / "pytorch_model.bin").write_bytes(b"hello weights, hello")
    with pytest.raises(ConfigError) as refused:
        load_language_model(str(opt))
    assert "weights_only" not in str(refused.value)


@pytest.mark.parametrize("text", ["[]", "{", json.dumps({"model_cfg": 7}), "null"])
def test_a_damaged_description_is_no_traceback(folder: Path, text: str) -> None:
    for path in folder.glob("*.json"):
        whole = path.read_bytes()
        path.write_text(text)
        try:
            load(folder)
        except MaccapError as error:
            assert str(folder) in str(error)  # noqa: PT017
        path.write_bytes(whole)
    assert torch.get_default_dtype() == torch.float32
