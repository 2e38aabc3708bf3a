"""Estimates against numbers worked out by hand, published operation counts and a store that is really written."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from maccap.data.features import write_store
from maccap.graph.estimate import Encoding, Generation, Throughput, Training, Work, estimate

ONE = Throughput(flops=1.0, bandwidth=1.0)
ENCODING = Encoding(
    texts=10, text_tokens=3, text_parameters=7, images=4, image_tokens=5, image_parameters=11, dim=2, value_bytes=2
)
CAPTIONS = Generation(
    parameters=100, inputs=10, prompt_tokens=6, new_tokens=5, batch_size=4, beams=2, draws=3, weight_bytes=2
)


def test_features_on_disk_by_hand() -> None:
    # texts 10 x 2, images 4 x (2 + 5 x 2 + 5 x 5) = 4 x 37, two bytes each
    assert ENCODING.stored_bytes == 2 * (20 + 148)


def test_features_on_disk_are_those_of_a_real_store(tmp_path: Path) -> None:
    n, t, d = 3, 5, 8
    columns = {"global": torch.zeros(n, d), "tokens": torch.zeros(n, t, d), "attention": torch.zeros(n, t, t)}
    write_store(tmp_path / "store.safetensors", columns, {"ids": list(range(n))}, "float16")
    with safe_open(tmp_path / "store.safetensors", "pt") as store:
        held = sum(store.get_tensor(name).nbytes for name in columns)
    images_only = Encoding(
        texts=0, text_tokens=0, text_parameters=0, images=n, image_tokens=t, image_parameters=1, dim=d
    )
    assert images_only.stored_bytes == held


def test_encoding_time_by_hand() -> None:
    assert ENCODING.seconds(ONE) == 2 * (10 * 3 * 7 + 4 * 5 * 11)
    assert ENCODING.seconds(Throughput(flops=10.0, bandwidth=1.0)) == ENCODING.seconds(ONE) / 10


@pytest.mark.parametrize(
    ("tokens", "parameters", "operations"),
    [(50, 87_850_000, 8.82e9), (197, 86_190_000, 35.13e9), (257, 303_970_000, 162.03e9)],
    ids=["ViT-B-32", "ViT-B-16", "ViT-L-14"],
)
def test_operations_of_an_image_are_near_those_profiled(tokens: int, parameters: int, operations: float) -> None:
    # image_mparams and image_gflops of docs/model_profile.csv in open_clip's repository
    image = Encoding(
        texts=0,
        text_tokens=0,
        text_parameters=0,
        images=1,
        image_tokens=tokens,
        image_parameters=parameters,
        dim=512,
    )
    assert image.seconds(ONE) == pytest.approx(operations, rel=0.05)


def test_training_time_by_hand() -> None:
    assert Training(parameters=5, captions=7, tokens=3, epochs=2, runs=4).seconds(ONE) == 4 * 5 * 7 * 3 * 2 * 4


def test_generation_is_bound_by_memory_or_by_arithmetic() -> None:
    # 10 x 3 x 2 = 60 texts; prompt 60 x 6 x 200 operations; then 5 steps of 60 x 200 = 12,000 operations,
    # or of 3 batches x 100 parameters x 2 bytes = 600 bytes
    prompt = 60 * 6 * 200
    assert CAPTIONS.seconds(ONE) == prompt + 5 * 12_000
    assert CAPTIONS.seconds(Throughput(flops=1.0, bandwidth=0.01)) == pytest.approx(prompt + 5 * 60_000)
    assert replace(CAPTIONS, runs=3).seconds(ONE) == 3 * CAPTIONS.seconds(ONE)


def test_larger_batches_help_only_while_memory_is_the_limit() -> None:
    slow_memory = Throughput(flops=1e6, bandwidth=1e-3)
    times = [replace(CAPTIONS, batch_size=size).seconds(slow_memory) for size in (1, 2, 5, 10, 20)]
    assert times[0] > times[1] > times[2] > times[3] == times[4]


def test_an_estimate_is_the_sum_of_its_parts() -> None:
    training = Training(parameters=5, captions=7, tokens=3, epochs=2)
    work = Work({"a": 5, "b": None, "c": 7}, [ENCODING] * 2, [training], [CAPTIONS] * 3)
    found = estimate(work, ONE)
    assert (found.download_bytes, found.of_unknown_size) == (12, ("b",))
    assert found.feature_bytes == 2 * ENCODING.stored_bytes
    assert found.gpu_seconds == 2 * ENCODING.seconds(ONE) + training.seconds(ONE) + 3 * CAPTIONS.seconds(ONE)
    assert estimate(Work({})).gpu_seconds == 0


def test_every_line_says_that_it_is_an_estimate_and_on_what_ground() -> None:
    # 1.25e18 operations at 100 TFLOP/s are 12,500 s
    training = Training(parameters=1_000_000_000, captions=6_250_000, tokens=50, epochs=1)
    lines = estimate(Work({"coco": 13_510_573_713, "corenlp": None}, trainings=[training])).lines()
    assert all("estimate" in line for line in lines)
    assert re.match(r"download: 13\.5 GB .*corenlp of unknown size", lines[0])
    assert re.match(r"GPU time: 3\.5 h \(encoding 0\.0 h, training 3\.5 h, ", lines[2])
    assert "assuming 100 TFLOP/s in bf16 and 1 TB/s of memory on one GPU, not measured" in lines[2]
    assert "unknown" not in estimate(Work({"coco": 1})).lines()[0]


def test_planning_does_not_import_torch() -> None:
    code = "import sys, maccap.graph.estimate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
