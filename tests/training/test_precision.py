"""Training in half precision, on the CPU and on the second device, against float32; resuming to the same bits."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from maccap.training.trainer import Trainer
from tests.helpers.second_device import second_device
from tests.training.test_training import trainer

SHORT = {"batch_size": 22, "epochs": 3, "checkpoint_every": 3, "dropout_first_epoch_only": False}


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> Iterator[None]:
    """accelerate has one precision for a process."""
    AcceleratorState._reset_state(True)
    yield
    AcceleratorState._reset_state(True)


def losses(folder: Path) -> list[float]:
    log = [json.loads(line) for line in (folder / "s3/log.jsonl").read_text().splitlines()]
    return [value for line in log for key, value in line.items() if key in ("loss", "validation_loss")]


def test_bf16_on_the_cpu_learns_as_float32_does(tmp_path):
    """Both fall from 6.6 to 6.0; the curves are never more than 0.02 apart."""
    curves = []
    for precision in ("no", "bf16"):
        AcceleratorState._reset_state(True)
        run = trainer(tmp_path / precision, precision=precision, epochs=6, learning_rate=5e-3)
        run.run()
        assert run.lm.model.dtype == {"no": torch.float32, "bf16": torch.bfloat16}[precision]
        assert {value.dtype for value in run.adaptor.state_dict().values()} == {torch.float32}
        curves.append(losses(tmp_path / precision))
    assert curves[1] == pytest.approx(curves[0], abs=0.02)
    assert curves[0] != curves[1]
    assert curves[0][-2] < curves[0][0] - 0.5


def stop(run: Trainer, at: int) -> None:
    step = run.one_step

    def one_step() -> tuple[torch.Tensor, torch.Tensor]:
        if run.step == at:
            raise KeyboardInterrupt
        return step()

    run.one_step = one_step  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run.run()


@pytest.mark.parametrize(
    ("device", "precision"), [("cpu", "bf16"), pytest.param("cuda", "bf16", marks=pytest.mark.slow), ("cuda", "fp16")]
)
def test_a_stopped_training_ends_with_the_same_bits_and_near_float32_s_losses(tmp_path, device, precision):
    trainer(tmp_path / "float32", **SHORT).run()
    AcceleratorState._reset_state(True)
    with second_device() if device == "cuda" else nullcontext():

        def make(name: str) -> Trainer:
            return trainer(tmp_path / name, device=device, precision=precision, **SHORT)

        straight = make("straight")
        straight.run()
        stop(make("stopped"), at=4)
        again = make("stopped")
        again.run()
        assert (again.accelerator.scaler is not None) == (precision == "fp16")
    for file in ("adaptor.safetensors", "log.jsonl"):
        assert (straight.folder / file).read_bytes() == (again.folder / file).read_bytes(), file
    assert losses(tmp_path / "straight") == pytest.approx(losses(tmp_path / "float32"), abs=0.02)


def test_a_gradient_that_fp16_cannot_hold_changes_nothing(tmp_path):
    with second_device():
        run = trainer(tmp_path, device="cuda", precision="fp16", epochs=1, log_every=1)
        scaler = run.accelerator.scaler
        scaler.load_state_dict(scaler.state_dict() | {"scale": 2.0**40})
        before = {name: value.clone() for name, value in run.adaptor.state_dict().items()}
        run.one_step()
        assert all(torch.equal(value, before[name]) for name, value in run.adaptor.state_dict().items())
        assert scaler.get_scale() == 2.0**39
        run.run()
    log = (run.folder / "log.jsonl").read_text()
    assert '"gradient_norm": null' in log
    assert "Infinity" not in log
