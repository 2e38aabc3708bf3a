"""This package at work, measured as in `released_side.py`: `python maccap_side.py FOLDER WORK THREADS COUNT`.

WORK is `train`, or `train-masked` with padding left out of the loss, or `caption`. Text features are there when
training begins, as in the workflow, where they are extracted once; captioning begins with the pictures' pixels.
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from full_size import CLIP, pictures
from measured import measured
from torch.nn import functional as F

from maccap.captioning import Captioner
from maccap.config import DecodingSettings, TrainingSettings
from maccap.datasets.captions import Caption, write_captions
from maccap.encoder import Encoder, image_tokens_and_attention, load_encoder
from maccap.features import ImageFeatures, write_store
from maccap.language_model import LanguageModel, load_language_model
from maccap.methods import load_method
from maccap.text_set import TextSet
from maccap.training import Trainer

TRAINING = TrainingSettings(
    batch_size=16, epochs=1, learning_rate=1e-4, warmup_steps=200, weight_decay=0.01, max_grad_norm=1.0, text_length=25,
    noise_variance=0.016, copies=10, queries=32, layers=1, dropout=0.1, memory_gain=1.0, dropout_first_epoch_only=True,
    count_padding=True, precision="no", log_every=10, validate_every=10**9, checkpoint_every=10**9,
)  # fmt: skip
DECODING = DecodingSettings(
    batch_size=8, beams=4, max_new_tokens=16, draws=4, subregions=10, patch_weight=1.0, double_softmax=True,
    noise_variance=0.016, rerank_characters=80, clean=True, prompt="", clipscore_prompt="",
)  # fmt: skip


def load(folder: Path) -> tuple[Encoder, LanguageModel]:
    return load_encoder(CLIP, weights=None, pretrained=str(folder / "clip.pt")), load_language_model(
        str(folder / "opt")
    )


def text_set(encoder: Encoder, folder: Path, captions: list[str]) -> TextSet:
    rows = [Caption(i, f"{i}.jpg", "train", i, text) for i, text in enumerate(captions)]
    write_captions(folder / "captions.train.jsonl", rows)
    store = folder / "captions.train.1-of-1.safetensors"
    write_store(store, {"features": encoder.text_features(captions)}, list(range(len(rows))), "float16")
    return TextSet.read([store], folder / "captions.train.jsonl")


def train(folder: Path, count: int, count_padding: bool) -> dict[str, float]:
    encoder, lm = load(folder)
    captions = json.loads((folder / "captions.json").read_text())[:count]
    settings = replace(TRAINING, count_padding=count_padding)
    method = load_method("maccap", settings)

    def run(some: list[str]) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as work:
            data = text_set(encoder, Path(work), some)
            val = text_set(encoder, Path(work), some[:1])
            trainer = Trainer(method, lm, data, val, settings, 0, Path(work), {})
            return measured(trainer.run, len(some))

    run(captions[:32])
    return run(captions)


def caption(folder: Path, count: int) -> dict[str, float]:
    encoder, lm = load(folder)
    method = load_method("maccap", TRAINING)
    torch.manual_seed(0)
    captioner = Captioner(encoder, lm, method, method.adaptor(encoder.dim, lm.dim).eval(), DECODING, 0)
    images = pictures(count)

    @torch.inference_mode()
    def work(rows: range) -> None:
        for begin in range(0, len(rows), DECODING.batch_size):
            own = images[begin : begin + DECODING.batch_size]
            global_, tokens, attention = image_tokens_and_attention(encoder.model, own)
            ids = torch.arange(begin, begin + len(own))
            captioner.caption(ImageFeatures(ids, F.normalize(global_, dim=-1), tokens, attention))

    work(range(2))
    return measured(lambda: work(range(count)), count)


if __name__ == "__main__":
    folder, work, threads, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    result = caption(folder, count) if work == "caption" else train(folder, count, work == "train")
    print(json.dumps(result))
