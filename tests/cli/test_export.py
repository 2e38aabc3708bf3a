"""`maccap export predictions`: official results that other people's scorers read."""

import json
from pathlib import Path

import pytest

from maccap.cli.main import main
from maccap.data.predictions import write_answers, write_predictions


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Predictions of two experiments with two seeds and published ones, in two shards, and answers of one way."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/config.yaml").write_text("profile: small\n")
    Path("Snakefile").write_text("")
    about = [("maccap", 1), ("maccap", 2), ("capdec", 1), ("capdec", 2), ("theirs", None)]
    for shard in (0, 1):
        rows = [
            {"trained": "coco", "experiment": experiment, "tested": "coco", "seed": seed, "image_id": image_id}
            | {
                "caption": f"{experiment} {seed} sees {image_id}.", "image_cosine": 0.5, "candidates": ["x"],
                "scores": [0.5],
            }
            for experiment, seed in about
            for image_id in range(shard * 3, shard * 3 + 3)
        ]  # fmt: skip
        write_predictions(f"artifacts/small/predictions/coco.{shard}.jsonl.gz", rows)
    write_answers(
        "artifacts/small/answers/coco.jsonl.gz",
        [
            {"trained": "coco", "vqa_method": "prefix", "tested": "coco", "seed": 1, "question_id": n, "answer": "yes"}
            for n in (40, 41)
        ],
    )
    return tmp_path


def exported(*arguments: str) -> dict[str, list]:
    assert main(["export", "predictions", *arguments, "--output", "out"]) == 0
    return {path.name: json.loads(path.read_text()) for path in Path("out").iterdir()}


def test_a_profile_gives_one_official_file_for_each_run_test_set_and_seed(project):
    found = exported()
    assert found.keys() == {
        "captions.coco.maccap.coco.s1.json", "captions.coco.maccap.coco.s2.json", "captions.coco.capdec.coco.s1.json",
        "captions.coco.capdec.coco.s2.json", "captions.coco.theirs.coco.published.json",
        "answers.coco.prefix.coco.s1.json",
    }  # fmt: skip
    assert found["captions.coco.maccap.coco.s2.json"] == [
        {"image_id": image_id, "caption": f"maccap 2 sees {image_id}."} for image_id in range(6)
    ]
    assert found["answers.coco.prefix.coco.s1.json"] == [
        {"question_id": 40, "answer": "yes"}, {"question_id": 41, "answer": "yes"},
    ]  # fmt: skip


def test_the_official_scorers_read_the_files(project):
    """COCO's own reader takes them as results of an annotations file."""
    from pycocotools.coco import COCO

    exported("--experiment", "maccap", "--seed", "1")
    images = [{"id": n} for n in range(6)]
    annotations = [{"id": n, "image_id": n, "caption": "a"} for n in range(6)]
    Path("truth.json").write_text(json.dumps({"images": images, "annotations": annotations, "info": {}}))
    results = COCO("truth.json").loadRes("out/captions.coco.maccap.coco.s1.json")
    assert [results.imgToAnns[n][0]["caption"] for n in range(6)] == [f"maccap 1 sees {n}." for n in range(6)]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (["--experiment", "maccap", "--seed", "2"], ["captions.coco.maccap.coco.s2.json"]),
        (["--vqa_method", "prefix"], ["answers.coco.prefix.coco.s1.json"]),
        (["--experiment", "theirs", "--experiment", "capdec", "--seed", "1"], ["captions.coco.capdec.coco.s1.json"]),
    ],
)
def test_filters_choose(project, filters, names):
    assert list(exported(*filters, "--profile", "small")) == names


def test_one_result_goes_to_a_file_of_any_name(project):
    shards = [f"artifacts/small/predictions/coco.{n}.jsonl.gz" for n in (0, 1)]
    chosen = ["--experiment", "maccap", "--seed", "1", "--output", "deep/er.json"]
    assert main(["export", "predictions", *shards, *chosen]) == 0
    assert len(json.loads(Path("deep/er.json").read_text())) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "one.json"], "one.json: 6 results (captions.coco.maccap.coco.s1.json, "),
        (["--seed", "9", "--output", "out"], "nothing for seed 9"),
        (["--profile", "paper", "--output", "out"], "artifacts/paper: no predictions; run"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(project, capsys, arguments, message):
    assert main(["export", "predictions", *arguments]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
