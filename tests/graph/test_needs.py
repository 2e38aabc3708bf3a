"""What jobs ask of a scheduler: fits the machines of the embedded world and of the paper, and grows with each try."""

from types import SimpleNamespace

import pytest

from maccap.core.project import read_config
from maccap.core.settings import complete
from maccap.graph.needs import LONGEST, Needs, remedies
from maccap.graph.profile import Profile
from tests.helpers import ROOT


@pytest.fixture(scope="module")
def needs():
    return {name: Needs(Profile(complete(read_config(name, ROOT)))) for name in ("mini", "paper")}


def asked(needs: Needs, rule: str, attempt: int = 1, **wildcards: str) -> dict[str, int]:
    about = SimpleNamespace(**wildcards)
    return {
        name: value(about, attempt=attempt) if callable(value) else value for name, value in needs(rule).items()
    }  # fmt: skip


def test_the_embedded_world_asks_for_little(needs):
    train = asked(needs["mini"], "train", trained="daylight", run="maccap")
    assert 1200 < train["mem_mb"] <= 4000  # the peak was 1.2 GB
    assert 30 <= train["runtime"] <= 120  # it took two minutes
    assert (train["gpu"], train["nodes"]) == (0, 1)


def test_a_training_of_the_paper_fits_a_common_partition(needs):
    for trained in ("coco", "cc3m"):
        train = asked(needs["paper"], "train", trained=trained, run="maccap")
        assert 1.3e9 * 4 / 1e6 < train["mem_mb"] <= 32_000  # the language model in float32, at least
        assert 60 < train["runtime"] <= LONGEST
        assert train["gpu"] == 1
    coco, cc3m = (asked(needs["paper"], "captions", dataset=name)["mem_mb"] for name in ("coco", "cc3m"))
    assert coco < cc3m


def test_several_gpus_lie_in_one_node_and_only_training_has_them():
    several = Needs(Profile(complete(read_config("paper", ROOT) | {"gpus": 4})))
    assert {rule: asked_gpus(several, rule) for rule in ("train", "predict", "evaluate", "table")} == {
        "train": (4, 1), "predict": (1, 1), "evaluate": (0, 1), "table": (0, 1)
    }  # fmt: skip


def asked_gpus(needs: Needs, rule: str) -> tuple[int, int]:
    return needs(rule)["gpu"], needs(rule)["nodes"]


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
    answers = asked(paper, "answer", trained="coco", tested="vqav2", vqa_method="prefix")
    assert answers["runtime"] > 30
    images = asked(paper, "image_features", dataset="vqav2")
    assert images["cpus_per_task"] > 1


def test_how_slurm_ended_a_job_is_told_with_the_remedy():
    told = remedies(
        "Error: SLURM-job '7' failed, SLURM status is: 'OUT_OF_MEMORY'. Detailed failure reason unavailable"
    )
    assert len(told) == 1
    assert "mem_mb" in told[0]
    assert "runtime" in remedies("SLURM status is: 'TIMEOUT'.")[0]
    assert remedies("all went well, CANCELLED appears by chance") == []
