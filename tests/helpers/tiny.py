"""A miniature of the embedded world: real models of the real kinds, trained for a step, and a few scenes."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from maccap.core.settings import GenerationSettings, SelectionSettings, TrainingSettings
from maccap.data.captions import Caption, write_captions
from maccap.data.features import ids_of, write_store
from maccap.models.language_model import LanguageModel
from maccap.world.pretraining import ENCODED, opt_tokenizer, pretrain_clip, pretrain_lm, sample_texts
from tests.helpers import ROOT

SHIPPED = ROOT / "maccap" / "world" / "weights"
CLIP = {
    "vocab_size": 600, "embed_dim": 32, "width": 32, "vision_layers": 2, "text_layers": 1, "context": 40,
    "image_size": 48, "patch_size": 8, "scenes_per_domain": 8, "batch_size": 8, "steps": 2, "naming_steps": 1,
    "learning_rate": 1e-3,
}  # fmt: skip
LM = {
    "vocab_size": 512, "width": 32, "layers": 1, "heads": 2, "context": 256, "steps": 4, "batch_size": 4,
    "learning_rate": 1e-3,
}  # fmt: skip
TRAINING = TrainingSettings(
    batch_size=8, epochs=2, learning_rate=1e-3, warmup_steps=3, weight_decay=0.01, max_grad_norm=1.0, text_length=20,
    noise_variance=0.016, copies=4, queries=4, layers=1, dropout=0.1, memory_gain=1.0, dropout_first_epoch_only=True,
    count_padding=True, precision="no", log_every=2, validate_every=4, checkpoint_every=3,
)  # fmt: skip
GENERATION = GenerationSettings(batch_size=3, beams=2, max_new_tokens=6, subregions=5)
SELECTION = SelectionSettings(draws=3, clipscore_prompt="")


def tiny_lm(seed: int = 0) -> LanguageModel:
    """An untrained OPT with the embedded world's tokenizer."""
    torch.manual_seed(seed)
    tokenizer = opt_tokenizer(sample_texts(seed, 200, ENCODED), 512)
    config = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=32, word_embed_proj_dim=32, ffn_dim=64, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=64, init_std=0.2, bos_token_id=2, eos_token_id=2, pad_token_id=1,
    )  # fmt: skip
    return LanguageModel(OPTForCausalLM(config).eval().requires_grad_(False), tokenizer)


def t5_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """T5's kind of tokenizer: unigrams, and `</s>` at the end of each text."""
    own = Tokenizer(models.Unigram())
    own.pre_tokenizer = pre_tokenizers.Metaspace()
    own.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    own.train_from_iterator(texts, trainer)
    own.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=own, eos_token="</s>", pad_token="<pad>", unk_token="<unk>", padding_side="right"
    )


def text_files(folder: Path, features: torch.Tensor, texts: list[str], shards: int = 1) -> tuple[list[Path], Path]:
    """Feature shards and the caption table of some texts, as the rules write them."""
    table = folder / "captions.train.jsonl"
    write_captions(table, [Caption(i, f"{i}.jpg", "train", 1000 + i, text) for i, text in enumerate(texts)])
    paths = [folder / f"captions.train.{i + 1}-of-{shards}.safetensors" for i in range(shards)]
    for path, rows in zip(paths, torch.arange(len(features)).tensor_split(shards)):
        write_store(path, {"train": features[rows]}, {ids_of("train"): (1000 + rows).tolist()}, "float32")
    return paths, table


def make_models(folder: Path) -> tuple[Path, Path]:
    """Folders of a CLIP and an OPT as the package's own rules write them."""
    pretrain_clip(folder / "clip", CLIP, seed=1)
    pretrain_lm(folder / "opt", LM, seed=1)
    return folder / "clip", folder / "opt"
