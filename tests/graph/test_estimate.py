"""Estimates against numbers worked out by hand, published operation counts and a store that is really written."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from maccap.data.features import write_store
from maccap.graph.estimate import (
    BANDWIDTH,
    FLOPS,
    Estimate,
    Generation,
    encoding_seconds,
    feature_bytes,
    training_seconds,
)

CAPTIONS = Generation(parameters=100, inputs=10, prompt_tokens=6, new_tokens=5, batch_size=4, beams=2, draws=3)


def test_features_on_disk_by_hand() -> None:
    # texts 10 x 2, images 4 x (2 + 5 x 2 + 5 x 5) = 4 x 37, two bytes each
    assert feature_bytes(texts=10, images=4, image_tokens=5, dim=2) == 2 * (20 + 148)


def test_features_on_disk_are_those_of_a_real_store(tmp_path: Path) -> None:
    n, t, d = 3, 5, 8
    columns = {"global": torch.zeros(n, d), "tokens": torch.zeros(n, t, d), "attention": torch.zeros(n, t, t)}
    write_store(tmp_path / "store.safetensors", columns, {"ids": list(range(n))}, "float16")
    with safe_open(tmp_path / "store.safetensors", "pt") as store:
        held = sum(store.get_tensor(name).nbytes for name in columns)
    assert feature_bytes(texts=0, images=n, image_tokens=t, dim=d) == held


@pytest.mark.parametrize(
    ("tokens", "parameters", "operations"),
    [(50, 87_850_000, 8.82e9), (197, 86_190_000, 35.13e9), (257, 303_970_000, 162.03e9)],
    ids=["ViT-B-32", "ViT-B-16", "ViT-L-14"],
)
def test_operations_of_an_image_are_near_those_profiled(tokens: int, parameters: int, operations: float) -> None:
    # image_mparams and image_gflops of docs/model_profile.csv in open_clip's repository
    assert encoding_seconds(tokens, parameters) * FLOPS == pytest.approx(operations, rel=0.05)


def test_training_time_by_hand() -> None:
    assert training_seconds(parameters=5, tokens=7 * 3 * 2) * FLOPS == pytest.approx(4 * 5 * 7 * 3 * 2)


def test_generation_is_bound_by_memory_or_by_arithmetic() -> None:
    # 10 x 3 x 2 = 60 texts; prompt 60 x 6 x 200 operations; then 5 steps of 60 x 200 = 12,000 operations,
    # or of 3 batches x 100 parameters x 2 bytes = 600 bytes, each as long as 100 operations
    assert (FLOPS, BANDWIDTH) == (100e12, 1e12)
    prompt = 60 * 6 * 200
    assert CAPTIONS.seconds * FLOPS == pytest.approx(prompt + 5 * 60_000)
    few_batches = replace(CAPTIONS, batch_size=100)  # reads 200 bytes a step: 20,000 operations
    assert few_batches.seconds * FLOPS == pytest.approx(prompt + 5 * 20_000)
    many_texts = replace(few_batches, draws=30)
    assert many_texts.seconds * FLOPS == pytest.approx(10 * prompt + 5 * 120_000)


def test_larger_batches_help_only_while_memory_is_the_limit() -> None:
    prompts = replace(CAPTIONS, inputs=100)  # 100 x 3 x 2 x 200 operations a step, as long as 6 batches take to read
    times = [replace(prompts, batch_size=size).seconds for size in (5, 10, 20, 50)]
    assert times[0] > times[1] > times[2] == times[3]


def test_every_line_says_that_it_is_an_estimate_and_on_what_ground() -> None:
    lines = Estimate(13_510_573_713, ("corenlp",), 0, 0.0, 12_500.0, 0.0).lines()
    assert all("estimate" in line for line in lines)
    assert re.match(r"download: 13\.5 GB .*corenlp of unknown size", lines[0])
    assert re.match(r"GPU time: 3\.5 h \(encoding 0\.0 h, training 3\.5 h, ", lines[2])
    assert "assuming 100 TFLOP/s in bf16 and 1 TB/s of memory on one GPU, not measured" in lines[2]
    assert "unknown" not in Estimate(1, (), 0, 0.0, 0.0, 0.0).lines()[0]


def test_several_gpus_share_the_jobs_but_not_the_longest_one() -> None:
    whole = Estimate(1, (), 0, 10.0, 60.0, 30.0, longest_seconds=20.0)
    assert [whole.wall_seconds(gpus) for gpus in (1, 4, 10)] == [100.0, 25.0, 20.0]


def test_planning_does_not_import_torch() -> None:
    code = "import sys, maccap.graph.estimate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
