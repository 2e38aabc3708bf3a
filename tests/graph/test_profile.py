"""What a profile asks for, read off its tables; and names in it that nothing defines."""

import copy
import math
import re
from functools import partial, reduce
from pathlib import Path
from types import SimpleNamespace

import pytest

from maccap.core.errors import ConfigError, DataError
from maccap.core.project import gone, located, read_config
from maccap.core.settings import EXTENDED
from maccap.data.formats import format_of
from maccap.data.vocabulary import read_vocabulary
from maccap.fetch.registry import read_registry
from maccap.graph.estimate import announcement, estimate, generations, used_assets
from maccap.graph.files import Files
from maccap.graph.profile import Profile
from maccap.graph.room import image_tokens_of, positions_of
from maccap.graph.rules import one_of
from maccap.methods.registry import check_options, needs
from maccap.world.scenes import LOOKS
from tests.helpers import ROOT
from tests.helpers.files import refuses

PROFILES = {name: read_config(name, ROOT) for name in ("mini", "paper")}


@pytest.fixture
def paper() -> dict:
    return copy.deepcopy(PROFILES["paper"])


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("runs.maccap.method", "macap", "runs.maccap.method: there is no method 'macap'; known: capdec"),
        ("runs.maccap.method", "base", "runs.maccap.method: there is no method 'base'"),
        (
            "runs.close.options",
            {"adaptor": "mean"},
            "config key runs.close.options.adaptor does not exist; the method close has adapter, noise_variance",
        ),
        ("runs.close.options", {"adapter": "linear"}, "runs.close.options.adapter: Input should be 'none'"),
        ("runs.magic.options", {"candidates": 4.5}, "runs.magic.options.candidates: Input should be a valid"),
        ("runs.magic.options", {"candidates": 0}, "runs.magic.options.candidates: Input should be greater"),
        ("runs.magic.options", {"alpha": math.inf}, "runs.magic.options.alpha: Input should be a finite"),
        ("runs.ifcap.options", {"neighbours": 0}, "runs.ifcap.options.neighbours: Input should be greater"),
        ("runs.ifcap.options", {"retrieval_variance": -1.0}, "runs.ifcap.options.retrieval_variance: Input"),
        ("runs.close.options", {"noise_variance": -1.0}, "runs.close.options.noise_variance: Input should be"),
        *(
            ("runs.viecap.options", {"vocabulary": "x", name: value}, f"runs.viecap.options.{name}: ")
            for name, value in (("entities", -1), ("threshold", 2.0), ("prompt", "{"), ("prompt", "{other}"))
        ),
        ("runs.viecap.options", {"entities": 2}, "runs.viecap.options.vocabulary is missing"),
        ("runs.viecap.options", {"vocabulary": "{x}"}, "runs.viecap.options.vocabulary: a path cannot have {"),
        ("experiments.maccap.run", "maccup", "experiments.maccap.run: 'maccup' does not exist; there are maccap"),
        ("datasets.coco.format", "caco", "datasets.coco.format: there is no format 'caco'; known: coco"),
        ("datasets.coco.format", "vqa", "datasets.coco.questions is missing: the format vqa needs questions, "),
        ("datasets.coco.format", "scenes", "datasets.coco: the format scenes needs the section `scenes`"),
        ("datasets.coco.shards", {"images": 5001}, "datasets.coco.shards.images: 5001 jobs for 5000 images"),
        ("datasets.coco.shards", {"captions": 10**6}, "datasets.coco.shards.captions: 1000000 jobs for "),
        ("tables.numbers", {"kind": "gap"}, "tables.numbers: the file of all numbers in LaTeX has this name"),
        ("tables.reported", {"kind": "gap"}, "tables.reported: the table of published numbers has this name"),
        ("tables.training", {"kind": "sweep"}, "tables.training: a figure has this name; rename the table"),
        ("experiments.capdec.label", "MacCap", "experiments: maccap and capdec have the same label"),
        ("datasets.coco.label", "Flickr30k", "datasets: coco and flickr30k have the same label; change one"),
        ("experiments.new", {"label": "x"}, "experiments.new: needs `run` or `published`"),
        ("experiments.clipre.given", "reference", "experiments.clipre.given: needs a run whose method trains"),
        ("runs.maccap.repeats", 4, "runs.maccap.repeats: 4 seeds, but the profile has 3; name at most as many"),
        ("experiments.blind.repeats", 4, "experiments.blind.repeats: 4 seeds, but the profile has 3"),
        ("runs.maccap.repeats", 2, "experiments.maccap.repeats: 3 seeds, but runs.maccap has 2"),
        ("experiments.clipre-magic.repeats", 1, "experiments.clipre-magic.repeats: published captions have no"),
        ("experiments.human.given", "reference", "experiments.human.given: needs a run whose method trains"),
        ("vqa_methods.prefix.experiment", "ceiling", "'ceiling' sees references; name one that sees the image"),
        ("tables.in_domain.experiments", ["magick"], "tables.in_domain.experiments: 'magick' does not exist"),
        ("tables.in_domain.pairs", ["coco-kodak"], "tables.in_domain.pairs: 'kodak' does not exist"),
        ("tables.vqa.vqa_methods", ["oracle"], "tables.vqa.vqa_methods: 'oracle' does not exist"),
        ("samples", {"nosuch": [1]}, "samples: 'nosuch' does not exist"),
        ("tables.vqa.dataset", "vqa1", "tables.vqa.dataset: 'vqa1' does not exist"),
        ("vqa_methods.caption.experiment", "x", "vqa_methods.caption.experiment: 'x' does not exist"),
        ("vqa_methods.caption.experiment", "human", "'human' has no run, so nothing of it can stand before"),
        ("vqa_methods.prefix.experiment", "clipre", "the method of 'clipre' makes no soft tokens"),
        ("tables.ablation.reference", "blind", "tables.ablation.reference: 'blind' does not exist"),
        ("experiments.copies-1.against", "magic", "experiments.copies-1.against, in tables.ablation: 'magic' does not"),
        ("experiments.copies-1.against", "variance-0", "experiments.variance-0.lowers: in tables.ablation other rows"),
        (
            "experiments.copies-1.against",
            "maccap",
            "tables.ablation.experiments: 'copies-1' is held against 'maccap', but",
        ),
        ("experiments.two-draws.against", "uncleaned", "but 'uncleaned' is the nearest row above that rows are held"),
        (
            "tables.released",
            {
                "kind": "comparison",
                "pairs": ["flickr30k-coco"],
                "experiments": ["human", "maccap"],
                "reference": "human",
                "claims": False,
            },
            "tables.released: 'human' has no captions for flickr30k-coco, so no row can be held against it",
        ),
        ("tables.noise_curve.key", "training.noise", "tables.noise_curve.key: there is no setting 'training.noise'"),
        ("tables.noise_curve.key", "training.precision", "training.precision is no number"),
        ("tables.noise_curve.experiments", ["blind"], "experiments: blind has no run"),
        ("tables.draws_curve.experiments", ["maccap", "whole-caption"], "maccap and whole-caption both have"),
        ("datasets.coco.training", {"noise_variance": 0.1}, "datasets.coco sets training.noise_variance"),
    ],
)
def test_a_name_that_nothing_defines_is_told_with_its_key(paper, key, value, told):
    *above, last = key.split(".")
    reduce(dict.__getitem__, above, paper)[last] = value
    if key == "runs.maccap.repeats":
        paper["experiments"]["maccap"]["repeats"] = 3
    refuses(lambda: Profile(paper), told, kind=ConfigError)


def test_predictions_of_two_kinds_do_not_share_a_file(paper):
    paper["tables"]["magic"]["extended"] = False
    Profile(paper)
    with pytest.raises(ConfigError, match=r"the name magic of the predictions published as experiments\.magic; rename"):
        Profile(paper | {"predictions": "run"})
    paper["experiments"]["baselines"] = paper["experiments"]["magic-here"] | {"label": "mine"}
    paper["tables"]["in_domain"]["experiments"].append("baselines")
    with pytest.raises(ConfigError, match="the name baselines of the predictions of blind and human; rename"):
        Profile(paper)


@pytest.mark.parametrize("name", PROFILES)
def test_every_cell_of_a_table_is_evaluated_and_every_run_trained(name):
    profile = Profile(PROFILES[name])
    evaluated = profile.evaluated() + profile.evaluated(EXTENDED)
    runs = profile.runs() + profile.runs(EXTENDED)
    for table in PROFILES[name]["tables"]:
        for cell in profile.cells_of(table) or []:
            assert cell in evaluated
            run = profile.run_of(cell[1])
            assert run is None or (cell[0], run) in runs
    predicted = profile.predicted() + profile.predicted(EXTENDED)
    assert len(set(predicted)) == len(predicted)
    assert len(set(evaluated)) == len(evaluated)


@pytest.mark.parametrize(
    ("annotation", "refused"),
    [
        ("Annotated[float, Field(ge=-1, lt=2)]", [-1.5, 2.0, "1"]), ("Annotated[float, Field(ge=LEAST, lt=2)]", [2.0]),
        ("Annotated[float, Doc('how strong')]", ["1"]), ("Annotated[float]", ["1"]), ("Strength", []),
    ],
)  # fmt: skip
def test_a_method_s_options_have_the_bounds_that_its_file_says_in_plain_values(
    tmp_path, monkeypatch, annotation, refused
):
    monkeypatch.setattr("maccap.methods.registry.METHODS", tmp_path)
    name = f"own{abs(hash(annotation))}"
    (tmp_path / f"{name}.py").write_text(
        f'NEEDS = ("adaptor",)\n@dataclass\nclass Options:\n    strength: {annotation} = 1.0\n'
        "class Method:\n    def training_input(self): ...\n    def candidates(self): ...\n"
    )
    check_options(name, {"strength": 1.5})
    for value in refused:
        with pytest.raises(ConfigError, match=r"options\.strength"):
            check_options(name, {"strength": value})


def test_extended_tables_ask_the_target_all_for_nothing(paper):
    whole = Profile(copy.deepcopy(paper))
    paper["tables"] = {name: about for name, about in paper["tables"].items() if not about.get("extended")}
    less = Profile(paper)
    assert less.evaluated() == whole.evaluated()
    assert less.predicted() == whole.predicted()
    assert less.runs() == whole.runs()
    assert less.answered() == whole.answered()
    assert less.evaluated(EXTENDED) == []
    assert whole.evaluated(EXTENDED)


def test_what_a_method_needs_stands_in_its_file(tmp_path, monkeypatch):
    assert needs("decap") == ("adaptor", "memory")
    assert needs("clipre") == ("memory",)
    monkeypatch.setattr("maccap.methods.registry.METHODS", tmp_path)
    (tmp_path / "silent.py").write_text("TEMPERATURE = 1\n")
    refuses(lambda: needs("silent"), "silent.py says nothing of what it needs", kind=ConfigError)
    refuses(lambda: check_options("silent", {}), "silent.py: add the class `Method`", kind=ConfigError)
    refused = {
        'NEEDS = ("adaptor", "money")': "money", "NEEDS = adaptor": "adaptor", "NEEDS = (": "is not Python", "\0": "",
    }  # fmt: skip
    for number, (kind, needed, options) in enumerate(
        [("TrainedMethod", (), ""), ("CaptioningMethod", ("adaptor",), ""), ("TrainedMethod", ("adaptor",), "(Base)")]
    ):
        (tmp_path / f"false{number}.py").write_text(
            f"NEEDS = {needed}\n@dataclass\nclass Options{options}: ...\n"
            f"class Method({kind}):\n    def training_input(self): ...\n    def candidates(self): ...\n"
        )
        said = "write all options into" if options else "NEEDS names the adaptor where"
        refuses(partial(check_options, f"false{number}", {}), f"false{number}.py: {said}", kind=ConfigError)
    for number, (text, said) in enumerate(refused.items()):
        (tmp_path / f"greedy{number}.py").write_text(text)
        with pytest.raises(ConfigError, match=rf"greedy{number}\.py: .*{said}"):
            needs(f"greedy{number}")
    for number, text in enumerate(
        ('NEEDS = "adaptor"', 'NEEDS: tuple[str, ...] = ("adaptor",)', 'NEEDS = ["adaptor"]')
    ):
        (tmp_path / f"plain{number}.py").write_text(text)
        assert needs(f"plain{number}") == ("adaptor",)


@pytest.mark.parametrize(
    ("section", "value", "told"),
    [
        (
            "training",
            {"queries": 233},
            "queries and text_length make 257 tokens, but the language model takes at most 256",
        ),
        ("training", {"text_length": 249}, "queries and text_length make 257 tokens"),
        ("generation", {"max_new_tokens": 249}, "queries and max_new_tokens make 257 tokens"),
        ("generation", {"subregions": 66}, "66 subregions, but the encoder makes 65 tokens of an image; lower"),
    ],
)
def test_what_the_frozen_models_have_no_room_for_is_told_while_planning(section, value, told):
    config = located(PROFILES["mini"])
    smaller = {key: number - 1 for key, number in value.items()}
    Files(Profile(config | {section: config[section] | smaller}), {})
    with pytest.raises(ConfigError, match=f"experiments.maccap: {told}"):
        Files(Profile(config | {section: config[section] | value}), {})


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"model_cfg": 1, "n_positions": "many"}', '{"model_cfg": {"vision_cfg": {}}}']
)
def test_a_model_s_folder_that_does_not_say_its_room_is_left_to_whoever_loads_it(tmp_path, text):
    for file in ("config.json", "open_clip_config.json"):
        (tmp_path / file).write_text(text)
    assert (positions_of(str(tmp_path)), image_tokens_of(str(tmp_path))) == (None, None)


def test_a_wildcard_takes_the_names_that_it_may_be_and_no_pattern_of_them():
    names = one_of(["a (1)+.gguf", "b"])
    assert [text for text in ("a (1)+.gguf", "b", "a 1.gguf", "") if re.fullmatch(names, text)] == ["a (1)+.gguf", "b"]


def test_a_drawn_data_set_has_one_of_the_worlds_names():
    config = copy.deepcopy(PROFILES["mini"])
    config["datasets"]["mine"] = config["datasets"]["chalk"]
    with pytest.raises(ConfigError, match=r"datasets\.mine: the format scenes has only the data sets daylight, chalk,"):
        Profile(config)
    assert set(format_of("scenes").names) == set(LOOKS)


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


def test_shards_are_counted_and_predicted_each_by_itself():
    profile = Profile(PROFILES["paper"])
    assert [profile.shards(name, "captions") for name in ("coco", "flickr30k", "cc3m")] == [4, 1, 16]
    groups = {(group.trained, group.name): group for group in profile.groups()}
    ours, theirs = groups["coco", "maccap"], groups["coco", "magic"]
    assert profile.shards_of(ours) == 8, "that of VQA v2, which has most"
    assert [profile.tests_of(ours, number) for number in (1, 2, 8)] == [
        ["coco", "flickr30k", "vqav2"], ["coco", "vqav2"], ["vqav2"],
    ]  # fmt: skip
    assert profile.shards_of(theirs) == 1, "published predictions come whole"


def test_the_estimate_counts_every_run_seed_and_override(paper):
    profile = Profile(paper)
    assert ("coco", "clipre") in profile.runs()
    assert ("coco", "clipre") not in profile.trained
    planned = generations(profile)
    assert {generation.draws for generation in planned if generation.inputs == 5000} == {1, 2, 4}
    assert sum(generation.inputs == 214354 for generation in planned) == 3
    before = estimate(profile, {}).training_seconds
    paper["datasets"]["cc3m"]["training"]["epochs"] += 1  # once more over its captions: three runs of three seeds
    tokens = 3 * 3 * 3318333 * (paper["training"]["queries"] + paper["estimate"]["caption_tokens"])
    operations = 4 * paper["estimate"]["language_model_parameters"] * tokens
    assert estimate(Profile(paper), {}).training_seconds - before == pytest.approx(operations / 100e12)
    paper["runs"]["capdec"]["training"] = {"queries": 6}
    paper["vqa_methods"]["prefix"]["answering"] = {"max_new_tokens": 2}
    changed = generations(Profile(paper))
    assert 7 in {own.prompt_tokens for own in changed} - {own.prompt_tokens for own in planned}
    assert [own.new_tokens for own in changed if own.inputs == 214354].count(2) == 1


def test_the_estimate_counts_the_seeds_of_each_run_and_experiment(paper):
    whole = estimate(Profile(paper), {})
    paper["experiments"]["capdec"]["repeats"] = 1
    less = estimate(Profile(paper), {})
    assert less.training_seconds == whole.training_seconds
    assert less.generation_seconds < whole.generation_seconds
    for run in paper["runs"].values():
        run["repeats"] = 1
    assert 3 * estimate(Profile(paper), {}).training_seconds == pytest.approx(whole.training_seconds)


def test_a_path_too_long_for_the_disk_is_no_file_and_named_with_its_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"datasets": {"own": {"train": {"file": f"{tmp_path}/{'x' * 300}"}}}}
    assert located(config) == config
    assert gone(config) == [f"datasets.own.train.file: {tmp_path}/{'x' * 300}: no such file or folder; correct it"]


def test_a_folder_is_no_file_of_captions_but_may_hold_images(tmp_path):
    sources = {name: {"file": str(tmp_path)} for name in ("train", "images")}
    assert gone({"datasets": {"own": sources}}) == [f"datasets.own.train.file: {tmp_path}: is a folder; name the file"]


def test_the_announcement_names_what_the_user_must_supply(tmp_path, paper):
    assets = read_registry(ROOT / paper["registry"])
    assert {"coco-val2014", "flickr30k-images", "opt-1.3b", "flan-t5-xl"} <= used_assets(paper, assets) < {*assets}
    said = announcement(Profile(paper), assets, {"coco-val2014", "flickr30k-images"}, tmp_path)
    assert "flickr30k-images must be supplied by you: http" in said
    size = assets["coco-val2014"].size
    assert f"download: {size / 1e9:.1f} GB" in said
    paper["local"] = {"flickr30k-images": "/data/flickr", "coco-val2014": "/data/val2014.zip"}
    assert "download: 0.0 GB" in announcement(Profile(paper), assets, {"coco-val2014", "flickr30k-images"}, tmp_path)
    assert "supplied" not in announcement(Profile(paper), assets, {"flickr30k-images"}, tmp_path)


def files_with(paper: dict, local: dict[str, Path | str]) -> Files:
    own = paper | {"local": {name: str(path) for name, path in local.items()}}
    return Files(Profile(own), read_registry(ROOT / paper["registry"]))


def test_a_model_that_the_user_has_is_read_from_there_and_not_downloaded(tmp_path: Path, paper: dict) -> None:
    folder = tmp_path / "my models/opt 1.3b"
    folder.mkdir(parents=True)
    for name in ("config.json", "pytorch_model.bin", "vocab.json", "merges.txt", "README.md", "flax_model.msgpack"):
        (folder / name).write_bytes(b"{}")
    opt = SimpleNamespace(model="facebook--opt-1.3b")
    without, own = files_with(paper, {}), files_with(paper, {"opt-1.3b": folder})
    assert without.model_source(opt) == ["artifacts/downloads/models/facebook--opt-1.3b/index.json"]
    wanted = ("config.json", "merges.txt", "pytorch_model.bin", "vocab.json")
    assert own.model_source(opt) == [f"{folder}/{name}" for name in wanted]
    assets, needed = own.assets, {"opt-1.3b", "flan-t5-xl"}
    said = announcement(own.profile, assets, needed, tmp_path)
    assert f"download: {assets['flan-t5-xl'].size / 1e9:.1f} GB" in said


@pytest.mark.parametrize(
    ("name", "file", "words"),
    [
        ("coco-val-2014", "val2014.zip", r"local\.coco-val-2014: there is no asset .*known: .*coco-val2014"),
        ("coco-val2014", "absent.zip", r"local\.coco-val2014: .*absent\.zip: no such file or folder"),
        ("opt-1.3b", "val2014.zip", r"local\.opt-1\.3b: .*val2014\.zip: no such folder"),
        ("coco-val2014", "pointer.zip", r"local\.coco-val2014: .*pointer\.zip: it is a pointer of Git LFS"),
        ("coco-val2014", "val2014.zip", r"local\.coco-val2014: .*: it has 2 bytes instead of 6,645,013,297"),
        ("coco-val2014", "empty", r"local\.coco-val2014: .*empty: holds no files"),
        ("karpathy-splits", "", r"local\.karpathy-splits: .*: it is a folder; name the file"),
        ("opt-1.3b", "", r"local\.opt-1\.3b: .*: holds no weights \(\.bin, \.safetensors\)"),
    ],
)
def test_a_local_asset_that_cannot_be_used_is_refused(tmp_path, paper, name, file, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "val2014.zip").write_bytes(b"PK")
    (tmp_path / "pointer.zip").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ConfigError, match=words):
        files_with(paper, {name: tmp_path / file})


def test_an_empty_path_and_a_model_as_a_data_set_are_refused(paper: dict) -> None:
    for name in ("opt-1.3b", "coco-val2014"):
        with pytest.raises(ConfigError, match=rf"local\.{name}: : no such f"):
            files_with(paper, {name: ""})
    with pytest.raises(ConfigError, match=r"asset 'opt-1\.3b' is no file in"):
        files_with(paper, {}).source({"asset": "opt-1.3b"})


def test_the_encoders_weights_are_an_input_or_refused_while_planning(tmp_path: Path, paper: dict) -> None:
    own, pointer = tmp_path / "my weights.pt", tmp_path / "pointer.pt"
    own.write_bytes(b"weights")
    pointer.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    downloaded = files_with(paper, {}).encoder_weights()
    for encoder, found in (
        ({"name": "ViT-B-32", "pretrained": str(own)}, [str(own)]),
        ({"name": "ViT-B-32", "pretrained": "openai"}, []),
        (paper["encoder"], downloaded),
        (
            {"name": "ViT-B-32", "pretrained": f"{tmp_path}/absent.pt"},
            r"encoder\.pretrained: .*absent\.pt: no such file",
        ),
        ({"name": "ViT-B-32", "pretrained": "absent.pt"}, r"encoder\.pretrained: absent\.pt: no such file"),
        ({"name": "ViT-B-32", "pretrained": str(pointer)}, r"pointer\.pt: it is a pointer of Git LFS"),
        ({"name": "ViT-B-32"}, r"encoder\.pretrained is missing"),
        ({"name": "models/absent"}, r"encoder\.name: models/absent: no such folder"),
    ):
        files = files_with(paper | {"encoder": encoder}, {})
        if isinstance(found, list):
            assert files.encoder() == ["artifacts/paper/models/encoder/index.json"]
            assert files.encoder_weights() == found
        else:
            with pytest.raises((ConfigError, DataError), match=found):
                files.encoder_weights() + files.encoder()


def test_a_vocabulary_that_cannot_be_read_is_named_while_planning(tmp_path: Path, paper: dict) -> None:
    words = tmp_path / "words.txt"
    paper["runs"]["viecap"]["options"] |= {"vocabulary": str(words)}
    for data, told in (
        (None, "no such file"),
        ("dog\ncafé\n".encode("latin-1"), r"line 2 is not UTF-8 \(byte 0xe9\)"),
        (b" \n", "no words; write one entity a line"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
            "no list of words .it is a pointer of Git LFS",
        ),
        (b"<!DOCTYPE html>\n<html>", "no list of words .it is an HTML page"),
        ("boat".encode("utf-16-be"), "no list of words .it has bytes of 0"),
    ):
        if data is not None:
            words.write_bytes(data)
        with pytest.raises(DataError, match=rf"words\.txt: {told}"):
            files_with(paper, {})
    words.write_text("Fire hydrant\r\n\r\ncafé\r\n fire hydrant\ncafe\u0301\n", encoding="utf-8-sig")
    files_with(paper, {})
    assert read_vocabulary(words) == ("fire hydrant", "café")
