"""Text-only training: noisy text features through the adaptor and the frozen language model, back to the caption."""

import hashlib
import json
import math
import sys
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from ..core.artifacts import atomic, write_text
from ..core.errors import ConfigError
from ..core.holding import beside
from ..core.progress import progress
from ..core.settings import TrainingSettings
from ..data.text_corpus import TextBatch, TextSet
from ..methods.base import TrainedMethod
from ..models.devices import mixed_precision
from ..models.fast.matrix_products import onednn
from ..models.language_model import LanguageModel
from .loss import label_counts, reconstruction_loss
from .run_file import HEADER, LOG, WEIGHTS


def learning_rate_factor(step: int, steps: int, warmup: int) -> float:
    """Share of the peak rate: linear over `warmup` steps, then a cosine that ends at a tenth."""
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return 0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2


class Trainer:
    """One training run; `run()` resumes from the state file to the same bits when one is there.

    Under `accelerate launch` every process takes its share of each global batch, and the gradient is that of the whole
    batch: shares count by their number of label tokens.

    Args:
        method: builds the adaptor and its training input.
        lm: the frozen language model.
        train, val: captions with their text features.
        settings: the run's hyperparameters.
        seed: decides initial weights, data order, noise and dropout.
        folder: gets `adaptor.safetensors`, whose header says how it was trained, and `log.jsonl`.
        about: the names of the training data (`trained`) and of the `run`, which with the seed are the first columns of
            the log, and the config's entries of the frozen models (`encoder`, `language_model`).
    """

    def __init__(
        self,
        method: TrainedMethod,
        lm: LanguageModel,
        train: TextSet,
        val: TextSet,
        settings: TrainingSettings,
        seed: int,
        folder: Path,
        about: dict[str, Any],
        behind: str = "",
    ) -> None:
        from accelerate import Accelerator

        self.method, self.lm, self.train, self.val = method, lm, train, val
        self.settings, self.seed, self.folder, self.about, self.behind = settings, seed, folder, about, behind
        self.identity = {"trained": about["trained"], "run": about["run"], "seed": seed}
        self.state_path = beside(folder, "state.pt")
        self.accelerator = Accelerator(
            cpu=lm.device.type == "cpu", mixed_precision=mixed_precision(lm.device, settings.precision)
        )
        torch.manual_seed(seed)
        self.noise = torch.Generator().manual_seed(seed)
        adaptor = method.adaptor(train.features.dim, lm.dim)
        torch.manual_seed(seed + self.accelerator.process_index)
        on_gpu = lm.device.type == "cuda"
        self.dropout = torch.cuda.default_generators[lm.device.index] if on_gpu else torch.default_generator
        optimizer = torch.optim.AdamW(
            adaptor.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self.adaptor, self.optimizer = self.accelerator.prepare(adaptor, optimizer)
        self.steps_per_epoch = math.ceil(len(train) / settings.batch_size)
        self.steps = settings.epochs * self.steps_per_epoch
        self.step = 0
        self.order = (-1, torch.empty(0, dtype=torch.long))
        self.log: list[dict[str, float | None]] = []

    @cached_property
    def fingerprint(self) -> str:
        """Digest of everything that decides the run, so that a state of another run is never resumed."""
        options, of = (self.method.name, self.method.options), self.accelerator
        machine = of.device.type, of.mixed_precision, of.num_processes
        texts = self.train.digest, self.val.digest
        decisive = (self.settings, self.seed, options, self.about, self.behind, texts, machine)
        return hashlib.sha256(repr(decisive).encode()).hexdigest()

    def run(self) -> None:
        """Train to the end and write the adaptor; who keeps a record of that removes the state afterwards."""
        self.resume()
        if (warmup := self.settings.warmup_steps) > self.steps:
            told = f"warmup_steps is {warmup}, but training has {self.steps} steps: the rate does not reach its peak"
            print(f"{self.folder}: {told}", file=sys.stderr)
        for _ in progress(range(self.step, self.steps), f"train {self.folder}", self.steps, self.step):
            loss, norm = self.one_step()
            self.step += 1
            last = self.step == self.steps
            validate = last or self.step % self.settings.validate_every == 0
            if validate or self.step % self.settings.log_every == 0:
                self._add_to_log(loss, norm, validate=validate)
            if self.step % self.settings.checkpoint_every == 0 or last:
                self.checkpoint()
        self.accelerator.wait_for_everyone()  # so that all have read the state before it is removed
        if self.accelerator.is_main_process:
            self._finish()

    def batch_rows(self) -> torch.Tensor:
        """The rows of this step's global batch; every epoch has its own order."""
        epoch, within = divmod(self.step, self.steps_per_epoch)
        if self.order[0] != epoch:
            shuffle = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self.order = epoch, torch.randperm(len(self.train), generator=shuffle)
        size = self.settings.batch_size
        return self.order[1][within * size : (within + 1) * size]

    @onednn()
    def one_step(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of this process's share, and the norm of the whole batch's gradient before clipping."""
        settings, device = self.settings, self.accelerator.device
        released_off = settings.dropout_first_epoch_only and self.step >= self.steps_per_epoch
        self.adaptor.train(not released_off)
        batch = self.train.batch(self.batch_rows())
        inputs = self.method.training_input(batch, self.noise)
        tokens, given = self._tokens(batch, self.noise)
        own, weight = self._share(tokens, given)
        with self.accelerator.autocast():
            prefix = self.adaptor(inputs[own].to(device))
            loss = reconstruction_loss(
                self.lm.model, prefix, tokens[own].to(device), self.lm.pad_id, settings.count_padding,
                given[own].to(device),
            )  # fmt: skip
        self.accelerator.backward(loss * weight)
        norm = self.accelerator.clip_grad_norm_(self.adaptor.parameters(), settings.max_grad_norm)
        for group in self.optimizer.param_groups:
            factor = learning_rate_factor(self.step, self.steps, settings.warmup_steps)
            group["lr"] = settings.learning_rate * factor
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach(), norm

    def _tokens(self, batch: TextBatch, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The captions' token ids behind the method's prompts, and which of them are the prompts'."""
        prompts = self.method.training_prompts(batch, generator)
        tokens, given = self.lm.caption_ids(batch.texts, self.settings.text_length, prompts)
        self.lm.require_room(self.settings.queries + tokens.shape[1], "queries, text_length or the method's prompt")
        return tokens, given

    def _share(self, tokens: torch.Tensor, given: torch.Tensor) -> tuple[slice, float]:
        """This process's rows of the global batch, and what its mean loss weighs before gradients are averaged."""
        index, processes = self.accelerator.process_index, self.accelerator.num_processes
        if processes == 1:
            return slice(None), 1.0
        if index >= len(tokens):  # every process must take part in every step
            return slice(0, 1), 0.0
        own = slice(index, None, processes)
        counts = label_counts(self.lm.model, tokens, self.lm.pad_id, self.settings.count_padding, given)
        return own, processes * float(counts[own].sum() / counts.sum())

    @torch.no_grad()
    @onednn()
    def validation_loss(self) -> float:
        """Mean reconstruction loss over the validation captions, padding left out, one fixed noise draw."""
        self.adaptor.eval()
        noise = torch.Generator().manual_seed(self.seed)
        total, device = 0.0, self.accelerator.device
        for rows in torch.arange(len(self.val)).split(256):
            batch = self.val.batch(rows)
            inputs = self.method.training_input(batch, noise)
            tokens, given = (part.to(device) for part in self._tokens(batch, noise))
            with self.accelerator.autocast():
                prefix = self.adaptor(inputs.to(device))
                loss = reconstruction_loss(self.lm.model, prefix, tokens, self.lm.pad_id, False, given)
            total += float(loss) * len(tokens)
        return total / len(self.val)

    def _add_to_log(self, loss: torch.Tensor, norm: torch.Tensor, *, validate: bool) -> None:
        """One line; the loss is that of the whole batch, as far as the shares of all processes are alike.

        The norm is None where fp16 could not hold the gradient; the scaler leaves such a step out.

        Raises:
            ConfigError: a loss is not finite.
        """
        mean = self.accelerator.reduce(loss, "mean")
        line: dict[str, float | None] = {
            "step": self.step, "loss": float(mean),
            "gradient_norm": float(norm) if norm.isfinite() else None,
            "learning_rate": float(self.optimizer.param_groups[0]["lr"]),
        }  # fmt: skip
        if validate:
            line["validation_loss"] = self.validation_loss()
        if not all(math.isfinite(line.get(name) or 0) for name in ("loss", "validation_loss")):
            half = ", or set precision to bf16" if self.accelerator.mixed_precision == "fp16" else ""
            raise ConfigError(
                f"{self.folder}: training diverged, the loss is not finite at step {self.step}: "
                f"lower learning_rate, now {self.settings.learning_rate}{half}"
            )
        self.log.append(line)

    def checkpoint(self) -> None:
        from accelerate.utils import gather_object

        dropout = gather_object([self.dropout.get_state()])
        if not self.accelerator.is_main_process:
            return
        self._write_log()
        state = {
            "fingerprint": self.fingerprint, "step": self.step, "log": self.log,
            "adaptor": self.accelerator.unwrap_model(self.adaptor).state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else {},
            "noise": self.noise.get_state(), "dropout": dropout,
        }  # fmt: skip
        with atomic(self.state_path) as part:
            torch.save(state, part)

    def _write_log(self) -> None:
        write_text(self.folder / LOG, "".join(json.dumps(self.identity | row) + "\n" for row in self.log))

    def resume(self) -> None:
        if not self.state_path.is_file():
            return
        state = torch.load(self.state_path, map_location="cpu", weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            print(f"{self.state_path}: belongs to other settings, data or code; starting afresh", file=sys.stderr)
            return
        self.accelerator.unwrap_model(self.adaptor).load_state_dict(state["adaptor"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.noise.set_state(state["noise"])
        self.dropout.set_state(state["dropout"][self.accelerator.process_index])
        self.step, self.log = state["step"], state["log"]
        print(f"{self.folder}: resuming at step {self.step} of {self.steps}", file=sys.stderr)

    def _finish(self) -> None:
        self._write_log()  # again: a driver removes a job's outputs, this log with them, before it repeats the job
        weights = self.accelerator.unwrap_model(self.adaptor).state_dict()
        header = self.identity | self.about | {
            "method": self.method.name, "options": asdict(self.method.options), "training": self.settings.model_dump(),
            "feature_dim": self.train.features.dim, "lm_dim": self.lm.dim,
        }  # fmt: skip
        with atomic(self.folder / WEIGHTS) as part:
            tensors = {name: value.cpu().contiguous() for name, value in weights.items()}
            save_file(tensors, part, metadata={HEADER: json.dumps(header)})
