"""What a profile asks for, read off its tables; and names in it that nothing defines."""

import copy

import pytest
import yaml

from maccap.core.errors import ConfigError
from maccap.fetch.registry import read_registry
from maccap.graph.profile import Profile
from maccap.graph.work import announcement, work
from maccap.methods.registry import needs
from tests.helpers import ROOT

PROFILES = {name: yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("mini", "paper")}


@pytest.fixture
def paper() -> dict:
    return copy.deepcopy(PROFILES["paper"])


@pytest.mark.parametrize(
    ("keys", "value", "told"),
    [
        (("runs", "maccap", "method"), "macap", "runs.maccap.method: 'macap' is no file of maccap/methods/"),
        (
            ("runs", "close", "options"),
            {"adaptor": "mean"},
            "runs.close.options: 'adaptor' does not exist; there",
        ),
        (
            ("experiments", "maccap", "run"),
            "maccup",
            "experiments.maccap.run: 'maccup' does not exist; there are maccap",
        ),
        (("experiments", "new"), {"label": "x"}, "experiments.new: needs `run` or `published`"),
        (("tables", "in_domain", "experiments"), ["magick"], "tables.in_domain.experiments: 'magick' does not exist"),
        (("tables", "in_domain", "pairs"), ["coco-kodak"], "tables.in_domain.pairs: 'kodak' does not exist"),
        (("tables", "vqa", "answerers"), ["oracle"], "tables.vqa.answerers: 'oracle' does not exist"),
        (("tables", "vqa", "dataset"), "vqa1", "tables.vqa.dataset: 'vqa1' does not exist"),
        (("answerers", "caption", "experiment"), "x", "answerers.caption.experiment: 'x' does not exist"),
        (("answerers", "prefix", "language_model"), "google/flan-t5-xl", "soft tokens fit only the language model"),
    ],
)
def test_a_name_that_nothing_defines_is_told_with_its_key(paper, keys, value, told):
    place = paper
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(ConfigError) as error:
        Profile(paper)
    assert told in str(error.value)


@pytest.mark.parametrize("name", PROFILES)
def test_every_cell_of_a_table_is_evaluated_and_every_run_trained(name):
    profile = Profile(PROFILES[name])
    evaluated = profile.evaluated() + profile.evaluated(extended=True)
    runs = profile.runs() + profile.runs(extended=True)
    for table in PROFILES[name]["tables"]:
        for cell in profile.cells_of(table) or []:
            assert cell in evaluated
            run = profile.run_of(cell[1])
            assert run is None or (cell[0], run) in runs
    predicted = profile.predicted() + profile.predicted(extended=True)
    assert len(set(predicted)) == len(predicted)
    assert len(set(evaluated)) == len(evaluated)


def test_extended_tables_ask_the_target_all_for_nothing(paper):
    whole = Profile(copy.deepcopy(paper))
    paper["tables"] = {name: about for name, about in paper["tables"].items() if not about.get("extended")}
    less = Profile(paper)
    assert less.evaluated() == whole.evaluated()
    assert less.predicted() == whole.predicted()
    assert less.runs() == whole.runs()
    assert less.answered() == whole.answered()
    assert less.evaluated(extended=True) == []
    assert whole.evaluated(extended=True)


def test_what_a_method_needs_stands_in_its_file(tmp_path, monkeypatch):
    assert needs("decap") == ("adaptor", "memory")
    assert needs("clipre") == ("memory",)
    monkeypatch.setattr("maccap.methods.registry.METHODS", tmp_path)
    (tmp_path / "silent.py").write_text("TEMPERATURE = 1\n")
    with pytest.raises(ConfigError, match=r"silent\.py says nothing of what it needs"):
        needs("silent")


def test_the_paper_trains_on_all_three_texts_and_tests_on_both_sets():
    profile = Profile(PROFILES["paper"])
    maccap = {(trained, tested) for trained, experiment, tested in profile.evaluated() if experiment == "maccap"}
    assert maccap == {
        ("coco", "coco"), ("flickr30k", "flickr30k"), ("cc3m", "coco"), ("cc3m", "flickr30k"), ("coco", "flickr30k"),
        ("flickr30k", "coco"),
    }  # fmt: skip
    assert ("coco", "maccap", "vqav2") in profile.predicted()
    assert ("coco", "maccap", "vqav2") not in profile.evaluated()
    assert not any(cell[0] == "cc3m" for cell in profile.evaluated() if cell[1] in ("magic", "blind", "human"))


def test_shards_name_their_number():
    profile = Profile(PROFILES["paper"])
    assert profile.text_shards("coco", "train") == ["1-of-4", "2-of-4", "3-of-4", "4-of-4"]
    assert profile.text_shards("coco", "test") == ["1-of-1"]
    assert profile.prediction_parts("maccap", "coco", 1) == ["s2401.2-of-2", "s2402.2-of-2", "s2403.2-of-2"]
    assert profile.prediction_parts("maccap", "flickr30k", 1) == []
    assert profile.prediction_parts("magic", "coco") == ["published"]
    assert profile.answer_parts("majority", "vqav2") == ["s2401.1-of-1", "s2402.1-of-1", "s2403.1-of-1"]


def test_work_counts_every_run_seed_and_override():
    profile = Profile(PROFILES["paper"])
    planned = work(profile, {})
    assert len(planned.trainings) == len(profile.trained)
    assert ("coco", "clipre") in profile.runs()
    assert ("coco", "clipre") not in profile.trained
    web = [training for training in planned.trainings if training.captions == 3318333]
    assert [(training.epochs, training.runs) for training in web] == [(4, 3)] * 3
    draws = {generation.draws for generation in planned.generations if generation.inputs == 5000}
    assert draws == {1, 2, 4}
    assert sum(generation.inputs == 214354 for generation in planned.generations) == 3


def test_the_announcement_names_what_the_user_must_supply(tmp_path, paper):
    assets = read_registry(ROOT / paper["registry"])
    said = announcement(Profile(paper), assets, {"coco-val2014", "flickr30k-images"}, tmp_path)
    assert "flickr30k-images must be supplied by you: http" in said
    size = assets["coco-val2014"].size
    assert f"download: {size / 1e9:.1f} GB" in said
    paper["local"] = {"flickr30k-images": "/data/flickr", "coco-val2014": "/data/val2014.zip"}
    assert "download: 0.0 GB" in announcement(Profile(paper), assets, {"coco-val2014", "flickr30k-images"}, tmp_path)
    assert "supplied" not in announcement(Profile(paper), assets, {"flickr30k-images"}, tmp_path)
