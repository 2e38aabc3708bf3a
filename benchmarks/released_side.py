"""The released code at work, measured: `python released_side.py PEER FOLDER WORK THREADS COUNT`.

PEER is a checkout of Artanic30/MacCap, which is not changed; FOLDER was written by `full_size.write`; WORK is `train`
or `caption`. Prints JSON: seconds per item, and the peak memory of the process in bytes. The code is written for CUDA
and half precision: here `.half()` and `.cuda()` return their tensor as it is, and autocast and the gradient scaler
switch themselves off, so that all runs in float32 on the CPU. Its scheduler, which current torch rejects, is left out.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import warnings
from argparse import Namespace
from pathlib import Path

import torch
from measured import measured
from transformers import AutoModelForCausalLM, AutoTokenizer

warnings.filterwarnings("ignore")
SETTINGS = {  # main.py's defaults, as far as they are read
    "k": 45, "alpha": 0.1, "beta": 2.0, "decoding_len": 16, "eval_desc": "", "noise_variance": 0.016,
    "noise_type": "gaussian", "infer_patch_weight": 1.0, "train_seq_length": 10, "infer_variance_ratio": 0.1,
    "infer_window_size": 5, "mask_ratio": 0.15, "infer_multi_cls": False, "temperature": 0.01,
    "inference_mb_type": "", "num_decoder_layer": 1, "num_noise": 1, "noise_k": 0.016, "sampling_type": "naive",
    "gradient_accumulation_steps": 1, "is_master": False, "eval_inside_epoch": False, "test_dataset": "coco",
    "generation_strategy": "naive", "generation_multi": True, "generation_text": False,
    "contrastive_generation_beam_size": 4, "caption_save_path": "",
}  # fmt: skip
BATCH = {"train": 16, "caption": 8}


class NoScheduler:
    def iter_step(self) -> None: ...


def load(folder: Path) -> tuple[torch.nn.Module, Namespace]:
    from ClipContextual.model import build_model
    from models.models.MacCap import MacCap

    args = Namespace(**SETTINGS, memory_path=str(folder / "memory.pt"), test_path=str(folder / "test.json"))
    clip_model = build_model(torch.load(folder / "clip.pt")).float()
    lm = AutoModelForCausalLM.from_pretrained(folder / "opt", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder / "opt", use_fast=False)
    for module in (clip_model.eval(), lm):
        module.requires_grad_(False)
    return MacCap(clip_model, lm, tokenizer, args, clip_model.text_projection.shape[0]), args


def train(folder: Path, count: int) -> dict[str, float]:
    from models.Dataloader import ClipCocoDataset
    from models.engine import train_one_epoch
    from torch.utils.data import DataLoader, RandomSampler

    model, args = load(folder)
    (folder / "train.json").write_text(json.dumps(json.loads((folder / "captions.json").read_text())[:count]))
    data = ClipCocoDataset(str(folder / "train.json"), str(folder / "opt"))
    for row in range(len(data)):
        data[row]  # its cache of token ids, so that no tokenizer is timed
    loader = DataLoader(data, sampler=RandomSampler(data), batch_size=BATCH["train"], drop_last=True)
    optimizer = torch.optim.AdamW([value for value in model.parameters() if value.requires_grad], lr=1e-4)
    warm = DataLoader(torch.utils.data.Subset(data, range(32)), batch_size=BATCH["train"])

    def epoch(batches: DataLoader) -> None:
        train_one_epoch(batches, torch.device("cpu"), model, optimizer, NoScheduler(), args)

    epoch(warm)
    return measured(lambda: epoch(loader), len(loader) * BATCH["train"])


def caption(folder: Path, count: int) -> dict[str, float]:
    from full_size import random_images
    from models.engine import eval_caption

    model, args = load(folder)
    names = [str(i) for i in range(count)]
    images = random_images(count)
    size = BATCH["caption"]
    batches = [(images[i : i + size], names[i : i + size]) for i in range(0, count, size)]

    def work(some: list) -> None:
        rows = [{"image_name": name, "captions": []} for _, own in some for name in own]
        Path(args.test_path).write_text(json.dumps(rows))
        with tempfile.TemporaryDirectory() as out:
            eval_caption(model, out, args, some, torch.device("cpu"))

    work([(images[:2], names[:2])])
    return measured(lambda: work(batches), count)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    torch.set_num_threads(int(sys.argv[4]))
    torch.Tensor.half = torch.Tensor.cuda = lambda tensor, *_: tensor
    with contextlib.redirect_stdout(io.StringIO()), open(os.devnull, "w") as quiet, contextlib.redirect_stderr(quiet):
        result = {"train": train, "caption": caption}[sys.argv[3]](Path(sys.argv[2]), int(sys.argv[5]))
    print(json.dumps(result))
