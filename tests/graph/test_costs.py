"""What a profile costs, by hand, by published counts and by a real store; what its jobs ask of a scheduler."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import safe_open

from maccap.core.project import read_config
from maccap.core.settings import complete
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
from maccap.graph.needs import LONGEST, Needs, remedies
from maccap.graph.profile import Profile
from tests.helpers import ROOT

CAPTIONS = Generation(parameters=100, inputs=10, prompt_tokens=6, new_tokens=5, batch_size=4, beams=2, draws=3)


def test_features_on_disk_are_those_by_hand_and_of_a_real_store(tmp_path: Path) -> None:
    # texts 10 x 2, images 4 x (2 + 5 x 2 + 5 x 5) = 4 x 37, two bytes each
    assert feature_bytes(texts=10, images=4, image_tokens=5, dim=2) == 2 * (20 + 148)
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


def test_times_by_hand_and_generation_is_bound_by_memory_which_larger_batches_help_or_by_arithmetic() -> None:
    assert training_seconds(parameters=5, tokens=7 * 3 * 2) * FLOPS == pytest.approx(4 * 5 * 7 * 3 * 2)
    # 10 x 3 x 2 = 60 texts; prompt 60 x 6 x 200 operations; then 5 steps of 60 x 200 = 12,000 operations,
    # or of 3 batches x 100 parameters x 2 bytes = 600 bytes, each as long as 100 operations
    assert (FLOPS, BANDWIDTH) == (100e12, 1e12)
    prompt = 60 * 6 * 200
    assert CAPTIONS.seconds * FLOPS == pytest.approx(prompt + 5 * 60_000)
    few_batches = replace(CAPTIONS, batch_size=100)  # reads 200 bytes a step: 20,000 operations
    assert few_batches.seconds * FLOPS == pytest.approx(prompt + 5 * 20_000)
    assert replace(few_batches, draws=30).seconds * FLOPS == pytest.approx(10 * prompt + 5 * 120_000)
    prompts = replace(CAPTIONS, inputs=100)  # 100 x 3 x 2 x 200 operations a step, as long as 6 batches take to read
    times = [replace(prompts, batch_size=size).seconds for size in (5, 10, 20, 50)]
    assert times[0] > times[1] > times[2] == times[3]


def test_every_line_says_that_it_is_an_estimate_and_why_and_gpus_share_all_but_the_longest_job() -> None:
    lines = Estimate(13_510_573_713, ("corenlp",), 0, 0.0, 12_500.0, 0.0).lines()
    assert all("estimate" in line for line in lines)
    assert re.match(r"download: 13\.5 GB .*corenlp of unknown size", lines[0])
    assert re.match(r"GPU time: 3\.5 h \(encoding 0\.0 h, training 3\.5 h, ", lines[2])
    assert "assuming 100 TFLOP/s in bf16 and 1 TB/s of memory on one GPU, not measured" in lines[2]
    assert "unknown" not in Estimate(1, (), 0, 0.0, 0.0, 0.0).lines()[0]
    whole = Estimate(1, (), 0, 10.0, 60.0, 30.0, longest_seconds=20.0)
    assert [whole.wall_seconds(gpus) for gpus in (1, 4, 10)] == [100.0, 25.0, 20.0]


@pytest.fixture(scope="module")
def needs():
    return {name: Needs(Profile(complete(read_config(name, ROOT)))) for name in ("mini", "paper")}


def asked(needs: Needs, rule: str, attempt: int = 1, **wildcards: str) -> dict[str, int]:
    about, own = SimpleNamespace(**wildcards), needs(rule).items()
    return {name: value(about, attempt=attempt) if callable(value) else value for name, value in own}


def test_the_embedded_world_asks_for_little_and_a_training_of_the_paper_fits_a_common_partition(needs):
    train = asked(needs["mini"], "train", trained="daylight", run="maccap")
    assert 1200 < train["mem_mb"] <= 4000  # the peak was 1.2 GB
    assert 30 <= train["runtime"] <= 120  # it took two minutes
    assert (train["gpu"], train["nodes"]) == (0, 1)
    for trained in ("coco", "cc3m"):
        train = asked(needs["paper"], "train", trained=trained, run="maccap")
        assert 1.3e9 * 4 / 1e6 < train["mem_mb"] <= 32_000  # the language model in float32, at least
        assert 60 < train["runtime"] <= LONGEST
        assert train["gpu"] == 1
    for model in (asked(needs["mini"], "pretrain_clip"), asked(needs["mini"], "pretrain_lm")):
        assert model["runtime"] >= 60  # 53 minutes
        assert model["mem_mb"] >= 5_000  # 4.6 GB
    coco, cc3m = (asked(needs["paper"], "captions", dataset=name)["mem_mb"] for name in ("coco", "cc3m"))
    assert coco < cc3m


def test_several_gpus_lie_in_one_node_and_only_training_has_them():
    several = Needs(Profile(complete(read_config("paper", ROOT) | {"gpus": 4})))
    asked = {rule: several(rule) for rule in ("train", "predict", "evaluate", "table")}
    assert [(own["gpu"], own["nodes"]) for own in asked.values()] == [(4, 1), (1, 1), (0, 1), (0, 1)]


def test_each_try_has_more_memory_and_time_up_to_a_day(needs):
    first, second, tenth = (asked(needs["mini"], "scenes", attempt) for attempt in (1, 2, 10))
    assert (second["mem_mb"], second["runtime"]) == (2 * first["mem_mb"], 2 * first["runtime"])
    assert tenth["runtime"] <= LONGEST
    assert asked(needs["paper"], "train", 9, trained="cc3m", run="maccap")["runtime"] == LONGEST


def test_every_group_and_shard_of_the_paper_can_be_asked_for(needs):
    paper = needs["paper"]
    for group in paper.profile.groups():
        if group.run:
            job = asked(paper, "predict", trained=group.trained, group=group.name, tier=group.tier)
            assert 30 <= job["runtime"] <= LONGEST
    assert asked(paper, "answer", trained="coco", tested="vqav2", vqa_method="prefix")["runtime"] > 30
    assert asked(paper, "image_features", dataset="vqav2")["cpus_per_task"] > 1


def test_how_slurm_ended_a_job_is_told_with_the_remedy():
    failed = "Error: SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'. Detailed failure reason unavailable"
    (told,) = remedies(failed)
    assert "mem_mb" in told
    assert "runtime" in remedies("SLURM status is: 'TIMEOUT'.")[0]
    assert remedies("all went well, CANCELLED appears by chance") == []
