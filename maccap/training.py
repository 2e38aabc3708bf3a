"""Text-only training: noisy text features through the adaptor and the frozen language model, back to the caption."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from .artifacts import atomic, write_json, write_text
from .config import TrainingSettings
from .errors import EncoderError
from .language_model import LanguageModel
from .methods import CaptioningMethod
from .progress import progress


def reconstruction_loss(
    lm: Any, prefix: torch.Tensor, tokens: torch.Tensor, pad_token_id: int, count_padding: bool
) -> torch.Tensor:
    """Cross-entropy of the caption behind its soft prefix; a scalar.

    The last soft token predicts the first caption token, so every caption token is a label. Nothing attends
    to padding; with `count_padding` the mean runs over padding as well, as in the released code, whose
    labels leave out only the prefix.

    Args:
        lm: a transformers causal language model.
        prefix: soft tokens [B, P, lm_dim].
        tokens: token ids [B, L], padded on the right.
    """
    if not count_padding:
        tokens = tokens[:, : int((tokens != pad_token_id).sum(dim=1).max())]
    embedded = torch.cat([prefix, lm.get_input_embeddings()(tokens).to(prefix)], dim=1)
    mask = torch.cat([tokens.new_ones(prefix.shape[:2]), (tokens != pad_token_id).long()], dim=1)
    kept = tokens.shape[1] + 1
    logits = lm(inputs_embeds=embedded, attention_mask=mask, logits_to_keep=kept, use_cache=False).logits[:, :-1]
    labels = tokens if count_padding else tokens.masked_fill(tokens == pad_token_id, -100)
    return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


def learning_rate_factor(step: int, steps: int, warmup: int) -> float:
    """Share of the peak rate: linear over `warmup` steps, then a cosine that ends at a tenth."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return 0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2


class Trainer:
    """One training run; `run()` resumes from the state file to the same bits when one is there.

    Args:
        method: builds the adaptor and its training input.
        lm: the frozen language model.
        train, val: pairs of text features [N, d] and caption token ids [N, L].
        settings: the run's hyperparameters.
        seed: decides initial weights, data order, noise and dropout.
        folder: gets `adaptor.safetensors`, `run.json` and `log.jsonl`.
        about: further entries of `run.json`: the names of the frozen models.
    """

    def __init__(
        self,
        method: CaptioningMethod,
        lm: LanguageModel,
        train: tuple[torch.Tensor, torch.Tensor],
        val: tuple[torch.Tensor, torch.Tensor],
        settings: TrainingSettings,
        seed: int,
        folder: Path,
        about: dict[str, Any],
    ) -> None:
        from accelerate import Accelerator

        features, tokens = train
        if len(features) != len(tokens):
            raise EncoderError(f"{len(features)} text features for {len(tokens)} captions: extract the features again")
        self.method, self.lm, self.train, self.val = method, lm, train, val
        self.settings, self.seed, self.folder, self.about = settings, seed, folder, about
        self.state_path = folder / "state.pt"
        self.accelerator = Accelerator(mixed_precision=_precision(settings.precision))
        if settings.batch_size % self.accelerator.num_processes:
            raise EncoderError(
                f"batch size {settings.batch_size} does not divide over {self.accelerator.num_processes} processes: "
                "choose a multiple in `training.batch_size`"
            )
        torch.manual_seed(seed)
        self.noise = torch.Generator().manual_seed(seed)
        adaptor = method.adaptor(features.shape[1], lm.dim)
        optimizer = torch.optim.AdamW(
            adaptor.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.adaptor, self.optimizer = self.accelerator.prepare(adaptor, optimizer)
        self.lm.model.to(self.accelerator.device)
        self.steps_per_epoch = math.ceil(len(features) / settings.batch_size)
        self.steps = settings.epochs * self.steps_per_epoch
        self.step = 0
        self.order = (-1, torch.empty(0, dtype=torch.long))
        self.log: list[dict[str, float]] = []

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides the run, so that a state of another run is never resumed."""
        digest = hashlib.sha256(f"{self.settings} {self.seed} {self.method.name} {self.steps}".encode())
        for tensor in (*self.train, *self.val):
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def run(self) -> None:
        """Train to the end and write the adaptor; `forget()` removes the state when the whole job is done."""
        self._resume()
        for _ in progress(range(self.step, self.steps), f"train {self.folder}", self.steps, self.step):
            loss, norm = self._one_step()
            self.step += 1
            last = self.step == self.steps
            if self.step % self.settings.log_every == 0 or last:
                self._write_log(loss, norm, validate=last or self.step % self.settings.validate_every == 0)
            if self.step % self.settings.checkpoint_every == 0 or last:
                self._checkpoint()
        if self.accelerator.is_main_process:
            self._finish()

    def _rows(self) -> torch.Tensor:
        """The rows of this step's global batch; every epoch has its own order."""
        epoch, within = divmod(self.step, self.steps_per_epoch)
        if self.order[0] != epoch:
            shuffle = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self.order = epoch, torch.randperm(len(self.train[0]), generator=shuffle)
        size = self.settings.batch_size
        return self.order[1][within * size : (within + 1) * size]

    def _one_step(self) -> tuple[float, float]:
        settings, device = self.settings, self.accelerator.device
        released_off = settings.dropout_first_epoch_only and self.step >= self.steps_per_epoch
        self.adaptor.train(not released_off)
        rows = self._rows()
        inputs = self.method.training_input(self.train[0][rows].float(), self.noise)
        share = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
        with self.accelerator.autocast():
            prefix = self.adaptor(inputs[share].to(device))
            loss = reconstruction_loss(
                self.lm.model, prefix, self.train[1][rows][share].to(device),
                self.lm.tokenizer.pad_token_id, settings.count_padding,
            )  # fmt: skip
        self.accelerator.backward(loss)
        norm = self.accelerator.clip_grad_norm_(self.adaptor.parameters(), settings.max_grad_norm)
        for group in self.optimizer.param_groups:
            factor = learning_rate_factor(self.step, self.steps, settings.warmup_steps)
            group["lr"] = settings.learning_rate * factor
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(loss.detach()), float(norm)

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean reconstruction loss over the validation captions, padding left out, one fixed noise draw."""
        self.adaptor.eval()
        noise = torch.Generator().manual_seed(self.seed)
        total, device = 0.0, self.accelerator.device
        for features, tokens in zip(self.val[0].split(256), self.val[1].split(256), strict=True):
            prefix = self.adaptor(self.method.training_input(features.float(), noise).to(device))
            pad = self.lm.tokenizer.pad_token_id
            total += float(reconstruction_loss(self.lm.model, prefix, tokens.to(device), pad, False)) * len(tokens)
        return total / len(self.val[0])

    def _write_log(self, loss: float, norm: float, *, validate: bool) -> None:
        line = {"step": self.step, "loss": loss, "gradient_norm": norm, "learning_rate": self._rate()}
        if validate:
            line["validation_loss"] = self.validation_loss()
        self.log.append(line)
        if self.accelerator.is_main_process:
            write_text(self.folder / "log.jsonl", "".join(json.dumps(row) + "\n" for row in self.log))

    def _rate(self) -> float:
        return float(self.optimizer.param_groups[0]["lr"])

    def _checkpoint(self) -> None:
        if not self.accelerator.is_main_process:
            return
        state = {
            "fingerprint": self.fingerprint, "step": self.step, "log": self.log,
            "adaptor": self.accelerator.unwrap_model(self.adaptor).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "noise": self.noise.get_state(), "dropout": torch.get_rng_state(),
        }  # fmt: skip
        with atomic(self.state_path) as part:
            torch.save(state, part)

    def _resume(self) -> None:
        if not self.state_path.is_file():
            return
        state = torch.load(self.state_path, map_location="cpu", weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            print(f"{self.state_path}: belongs to other settings or data; starting afresh", file=sys.stderr)
            return
        self.accelerator.unwrap_model(self.adaptor).load_state_dict(state["adaptor"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.noise.set_state(state["noise"])
        torch.set_rng_state(state["dropout"])
        self.step, self.log = state["step"], state["log"]
        print(f"{self.folder}: resuming at step {self.step} of {self.steps}", file=sys.stderr)

    def _finish(self) -> None:
        weights = self.accelerator.unwrap_model(self.adaptor).state_dict()
        with atomic(self.folder / "adaptor.safetensors") as part:
            save_file({k: v.cpu().contiguous() for k, v in weights.items()}, part)
        summary = {
            "method": self.method.name, "seed": self.seed, "steps": self.steps, "training": asdict(self.settings),
            "feature_dim": self.train[0].shape[1], "lm_dim": self.lm.dim,
            "trainable_parameters": sum(p.numel() for p in self.adaptor.parameters()),
            "final": self.log[-1],
        }  # fmt: skip
        write_json(self.folder / "run.json", summary | self.about)

    def forget(self) -> None:
        """Remove the state file."""
        self.state_path.unlink(missing_ok=True)


def _precision(wanted: str) -> str:
    """accelerate's mixed precision: bf16 where the GPU has it, else fp16; none on the CPU."""
    if not torch.cuda.is_available():
        return "no"
    if wanted != "auto":
        return wanted
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
