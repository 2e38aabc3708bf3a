"""Text-only training: the schedule, what is trained, resuming to the same bits after kill -9, and half precision."""

import itertools
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from maccap.core.errors import ConfigError, DataError, EnvironmentProblem
from maccap.core.holding import held
from maccap.data.features import ids_of, write_store
from maccap.data.pair_statistics import PairStatistics
from maccap.data.text_corpus import TextSet
from maccap.methods.base import Resources
from maccap.methods.registry import load_method
from maccap.models.devices import frozen_dtype
from maccap.training.trainer import Trainer, learning_rate_factor
from tests.helpers import ROOT
from tests.helpers.second_device import second_device
from tests.helpers.tiny import TRAINING, text_files, tiny_lm


def data(count: int = 44, dim: int = 16) -> tuple[torch.Tensor, list[str]]:
    drawn = torch.randn(count, dim, generator=torch.Generator().manual_seed(5))
    features = torch.nn.functional.normalize(drawn, dim=-1)
    captions = [f"A red {noun} on the grass{end}." for noun in ("boat", "fish", "star", "tree") for end in ("", " now")]
    return features, (captions * count)[:count]


def text_set(folder: Path, rows: slice = slice(None), shards: int = 2) -> TextSet:
    features, captions = data()
    return TextSet.read(*text_files(folder, features[rows], captions[rows], shards))


def trainer(folder: Path, *, method: str = "maccap", seed: int = 3, device: str = "cpu", **changes) -> Trainer:
    lm, settings = tiny_lm(), TRAINING.model_copy(update=changes)
    lm.model.to(device, frozen_dtype(torch.device(device), settings.precision))
    train, val = text_set(folder / "train"), text_set(folder / "val", slice(8))
    pairs = PairStatistics.of(train.features[torch.arange(20)], train.features[torch.arange(20, 40)])
    options = {"viecap": {"vocabulary": "words.txt"}, "close": {"adapter": "covariance"}}.get(method)
    loaded = load_method(method, settings, options, Resources(train, pairs, ("boat", "fish", "tree")))
    return Trainer(loaded, lm, train, val, settings, seed, folder / f"s{seed}", {"trained": "daylight", "run": method})


def test_learning_rate_warms_up_then_falls_to_a_tenth():
    steps, warmup = 500, 50
    factors = [learning_rate_factor(step, steps, warmup) for step in range(steps)]
    assert factors[0] == pytest.approx(1 / 50)
    assert factors[49] == factors[50] == 1.0
    assert factors[-1] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(factors[50:]))
    middle = 50 + (steps - 1 - 50) // 2
    assert factors[middle] == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (middle - 50) / 449)))


def test_a_training_that_diverges_stops_and_leaves_no_adaptor(tmp_path):
    run = trainer(tmp_path, learning_rate=1e30, log_every=1)
    with pytest.raises(ConfigError, match=r"diverged.*lower learning_rate, now 1e\+30"):
        run.run()
    assert not (run.folder / "adaptor.safetensors").exists()


@pytest.mark.parametrize(("warmup", "told"), [(4, False), (5, True)])
def test_a_warmup_longer_than_the_training_is_told(tmp_path, capsys, warmup, told):
    trainer(tmp_path, epochs=2, batch_size=22, warmup_steps=warmup).run()
    assert ("warmup_steps is 5, but training has 4 steps" in capsys.readouterr().err) == told


@pytest.mark.parametrize("more", [{"queries": 60}, {"text_length": 61}])
def test_more_tokens_than_the_language_model_takes_are_refused_at_the_first_step(tmp_path, more):
    with pytest.raises(ConfigError, match=r"tokens, but the language model takes at most 64: lower or shorten queries"):
        trainer(tmp_path, **more).one_step()


@pytest.mark.parametrize("method", ["maccap", "capdec", "decap", "close", "viecap", "ifcap", "magic"])
def test_training_lowers_the_loss_and_leaves_the_language_model_alone(tmp_path, method):
    run = trainer(tmp_path, method=method, epochs=12, learning_rate=5e-3)
    before = {k: v.clone() for k, v in run.lm.model.state_dict().items()}
    run.run()
    log = [json.loads(line) for line in (tmp_path / "s3/log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"] - 0.5
    assert log[-1]["step"] == run.steps == 12 * 6
    about = [("trained", "daylight"), ("run", method), ("seed", 3)]
    assert [list(line.items())[:3] for line in log] == [about] * len(log)
    assert "validation_loss" in log[-1]
    assert all(torch.equal(v, before[k]) for k, v in run.lm.model.state_dict().items())


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        trainer(tmp_path / name, seed=seed).run()
    a, b, c = ((tmp_path / name / "adaptor.safetensors").read_bytes() for name in ("a/s3", "b/s3", "c/s4"))
    assert a == b
    assert a != c


def test_gradients_are_clipped_before_the_step(tmp_path):
    run = trainer(tmp_path, max_grad_norm=1e-3)
    applied = []
    step = run.optimizer.step

    def spy(*args, **kwargs):
        applied.append(math.sqrt(sum(float(p.grad.pow(2).sum()) for p in run.adaptor.parameters())))
        return step(*args, **kwargs)

    run.optimizer.step = spy
    _, norm = run.one_step()
    assert norm > 1e-2
    assert applied[0] == pytest.approx(1e-3, rel=1e-3)


def test_dropout_goes_off_after_the_first_epoch_only_when_asked(tmp_path):
    for released in (True, False):
        run = trainer(tmp_path / str(released), dropout_first_epoch_only=released)
        modes = []
        for _ in range(run.steps):
            run.one_step()
            run.step += 1
            modes.append(run.adaptor.training)
        assert modes == [True] * 6 + [not released] * 6


def test_every_caption_is_seen_once_per_epoch(tmp_path):
    run = trainer(tmp_path)
    for epoch in range(2):
        rows = []
        for _ in range(run.steps_per_epoch):
            rows += run.batch_rows().tolist()
            run.step += 1
        assert sorted(rows) == list(range(44)), epoch


def test_a_job_killed_after_its_last_step_writes_its_files_without_training_again(tmp_path, monkeypatch):
    """Snakemake and DVC remove a job's outputs before they run it again; the state lies beside their folder."""
    trainer(tmp_path / "straight").run()
    killed = trainer(tmp_path / "killed")
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_finish", lambda _: None)
        killed.run()
    shutil.rmtree(killed.folder)
    monkeypatch.setattr(Trainer, "one_step", None)
    trainer(tmp_path / "killed").run()
    straight, again = (
        [(tmp_path / name / "s3" / file).read_bytes() for file in ("adaptor.safetensors", "log.jsonl")]
        for name in ("straight", "killed")
    )
    assert straight == again


def test_each_seed_has_a_log_of_its_own(tmp_path):
    for seed in (3, 4):
        trainer(tmp_path, seed=seed).run()
    logs = [[json.loads(line) for line in (tmp_path / f"s{seed}/log.jsonl").open()] for seed in (3, 4)]
    assert [{line["seed"] for line in log} for log in logs] == [{3}, {4}]
    first, second = ([line["step"] for line in log] for log in logs)
    assert first == second == sorted(set(first))


def test_a_state_of_other_settings_is_not_resumed(tmp_path, capsys):
    half = trainer(tmp_path)
    for _ in range(3):
        half.one_step()
        half.step += 1
    half.checkpoint()
    other = trainer(tmp_path, learning_rate=5e-4)
    changed = trainer(tmp_path)
    changed.behind = "other code or files"
    for one in (other, changed):
        one.resume()
        assert one.step == 0
        assert "starting afresh" in capsys.readouterr().err
    same = trainer(tmp_path)
    same.resume()
    assert same.step == 3


def test_the_validation_loss_is_measured_when_asked_whatever_is_logged_besides(tmp_path):
    trainer(tmp_path, log_every=3, validate_every=4).run()
    log = [json.loads(line) for line in (tmp_path / "s3/log.jsonl").read_text().splitlines()]
    last = log[-1]["step"]
    assert [line["step"] for line in log if "validation_loss" in line] == [*range(4, last, 4), last]
    assert [line["step"] for line in log] == sorted({*range(3, last, 3), *range(4, last, 4), last})


def test_features_of_other_captions_are_refused(tmp_path):
    features, captions = data()
    paths, table = text_files(tmp_path, features, captions)
    with pytest.raises(DataError, match="44 text features for 43 captions"):
        TextSet.read(paths, text_files(tmp_path / "fewer", features[:-1], captions[:-1])[1])
    write_store(paths[0], {"train": features}, {ids_of("train"): list(range(44))}, "float32")
    with pytest.raises(DataError, match="made from other captions"):
        TextSet.read(paths, table).batch(torch.tensor([3, 1]))


def test_rows_are_the_same_whatever_the_shards(tmp_path):
    rows = torch.tensor([43, 0, 17, 17, 21, 22])
    whole, parts = (text_set(tmp_path / str(shards), shards=shards).batch(rows) for shards in (1, 5))
    assert torch.equal(whole.features, parts.features)
    assert torch.equal(whole.features, data()[0][rows])
    assert whole.texts == parts.texts == [data()[1][row] for row in rows]


def test_processes_share_a_batch_and_get_the_gradient_of_all_of_it(tmp_path, monkeypatch):
    """What two processes compute, added up as DistributedDataParallel averages it, is one process's gradient."""
    for count_padding in (True, False):
        gradients = []
        for index, processes in ((0, 1), (0, 3), (1, 3), (2, 3)):
            run = trainer(tmp_path / f"{count_padding}-{index}-{processes}", count_padding=count_padding, dropout=0.0)
            state = type("State", (), {"process_index": index, "num_processes": processes})
            with monkeypatch.context() as patch:
                patch.setattr(type(run.accelerator), "process_index", property(lambda _, s=state: s.process_index))
                patch.setattr(type(run.accelerator), "num_processes", property(lambda _, s=state: s.num_processes))
                patch.setattr(run.optimizer, "zero_grad", lambda: None)
                patch.setattr(run.accelerator, "clip_grad_norm_", lambda *_: torch.zeros(()))
                run.one_step()
            gradients.append(torch.cat([p.grad.flatten() for p in run.adaptor.parameters()]))
        alone, *shares = gradients
        assert torch.allclose(alone, torch.stack(shares).mean(0), atol=1e-6)
        assert not torch.allclose(alone, shares[0], atol=1e-4)


LAUNCHED = """
import sys, torch
from pathlib import Path
from tests.training.test_training import trainer
torch.set_num_threads(1)
folder = Path(sys.argv[1])
trainer(folder / "two", epochs=1, dropout=0.0, batch_size=15).run()
trainer(folder / "straight", epochs=1, batch_size=15).run()
half = trainer(folder / "half", epochs=1, batch_size=15)
assert half.accelerator.num_processes == 2
half.one_step()
half.step += 1
half.checkpoint()
half.accelerator.wait_for_everyone()
trainer(folder / "half", epochs=1, batch_size=15).run()
"""


@pytest.mark.slow
def test_two_processes_train_like_one(tmp_path):
    """On the CPU; 44 captions in batches of 15 leave 14, so that shares differ in size. Each draws dropout of its own,
    also when it resumes."""
    script = tmp_path / "train.py"
    script.write_text(LAUNCHED)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, script, tmp_path], check=True, env=environment, cwd=ROOT)
    trainer(tmp_path / "one", epochs=1, dropout=0.0, batch_size=15).run()
    one, two, straight, half = (
        load_file(tmp_path / name / "s3/adaptor.safetensors") for name in ("one", "two", "straight", "half")
    )
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    assert all(torch.equal(straight[name], half[name]) for name in one)
    logs = [json.loads((tmp_path / name / "s3/log.jsonl").read_text().splitlines()[-1]) for name in ("one", "two")]
    assert logs[1]["validation_loss"] == pytest.approx(logs[0]["validation_loss"], abs=1e-4)


KILLED = """
import sys, time, torch
from pathlib import Path
from tests.training.test_training import trainer
from maccap.training.trainer import Trainer
torch.set_num_threads(1)
slow = Trainer.one_step
def one_step(self):
    time.sleep(0.15)
    return slow(self)
Trainer.one_step = one_step
trainer(Path(sys.argv[1]), epochs=8).run()
"""


def test_resumes_to_the_same_bits_after_kill_9(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / "killed")], cwd=ROOT)
    state = tmp_path / "killed/s3.state.pt"
    deadline = time.monotonic() + 120
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.4)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed/s3/adaptor.safetensors").exists()

    assert torch.load(state, weights_only=True)["step"] > 0
    trainer(tmp_path / "killed", epochs=8).run()
    trainer(tmp_path / "straight", epochs=8).run()
    for name in ("s3/adaptor.safetensors", "s3/log.jsonl"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name
    assert set(load_file(tmp_path / "killed/s3/adaptor.safetensors"))
    assert not list((tmp_path / "killed").rglob("*.part"))


def test_training_on_several_gpus_becomes_their_launcher(monkeypatch, tmp_path):
    """What would be executed; nothing is launched here."""
    from maccap.steps import runner

    def become(_, command):
        raise SystemExit(command)

    monkeypatch.setattr(os, "execv", become)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    with pytest.raises(SystemExit) as launched:
        runner.run_step("train", {}, [tmp_path / "s1/x"], {"gpus": 2}, ["step", "train", "--output", "x"])
    command = launched.value.code
    assert command[command.index("--num_processes") + 1] == "2"
    assert command[-6:] == ["-m", "maccap", "step", "train", "--output", "x"]
    assert "--multi_gpu" in command
    with held(tmp_path / "s1.lock", 0):
        monkeypatch.setenv("RANK", "0")
        monkeypatch.setattr(runner, "PATIENCE", 0.1)
        monkeypatch.setattr(runner, "end_with_parent", lambda _: None)
        with pytest.raises(EnvironmentProblem, match="works on the same run"):  # its first process holds the run
            runner.run_step("train", {}, [tmp_path / "s1/x"], {"gpus": 2}, [])


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
    """Both fall from 6.5 to 6.0; the curves are never more than 0.02 apart."""
    curves = []
    for precision in ("no", "bf16"):
        AcceleratorState._reset_state(True)
        run = trainer(tmp_path / precision, precision=precision, epochs=5, learning_rate=5e-3)
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
