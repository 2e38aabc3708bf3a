"""METEOR: bit for bit pycocoevalcap's, although Java gets only the paraphrases and synonyms that captions can use."""

import gzip
import os
import random
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from pycocoevalcap.meteor.meteor import METEOR_JAR, Meteor

from maccap.core.errors import EnvironmentProblem
from maccap.metrics.bootstrap import of_totals
from maccap.metrics.caption_metrics import meteor
from maccap.metrics.caption_metrics.meteor import STAGES, Question, ask, meteor_rows, meteor_scores
from maccap.metrics.java import ensure_java
from maccap.metrics.meteor_tables import (
    EXCEPTIONS,
    FOLDER,
    LONGEST,
    PARAPHRASES,
    SETS,
    filter_paraphrases,
    filter_synonyms,
)  # fmt: skip

PLAIN = [
    "a man in front of a large number of boxes", "the man stands before many crates", "someone by the zorb",
    "two automobiles drive down the street", "2 cars on a road", "a cab is driving past two zorbs", "", "a",
]  # fmt: skip
PUNCTUATED = ["a man 's t-shirt & the u.s. flag", "the shirt of a man", "an ice-cream at the café", "ice cream , 3.5"]
ENDINGS = ["s", "es", "ed", "ing", "er", "est", "ies", "ful", "sful", "men", "xes", "ches"]


@pytest.fixture(scope="module", autouse=True)
def java() -> None:
    ensure_java()


@pytest.fixture(scope="module")
def original() -> Meteor:
    """pycocoevalcap's own METEOR, with the whole table of paraphrases."""
    return Meteor()


@pytest.fixture
def no_paraphrases(tmp_path: Path) -> list[str]:
    """The options of a METEOR that starts quickly."""
    (tmp_path / "none.gz").write_bytes(gzip.compress(b""))
    return ["-a", str(tmp_path / "none.gz")]


@pytest.mark.parametrize(
    ("texts", "processes"),
    [pytest.param(PLAIN, 2, marks=pytest.mark.slow, id="plain"), pytest.param(PLAIN + PUNCTUATED, 1, id="punctuated")],
)
def test_scores_are_those_of_pycocoevalcap(texts, processes, original, monkeypatch):
    monkeypatch.setattr(meteor, "PER_PROCESS", 10)
    monkeypatch.setattr(meteor, "cores", lambda: processes)
    sets = [[(candidate, reference, "the box") for candidate in texts] for reference in texts]
    counts, scores = meteor_scores(sets)
    for asked, (*items, corpus) in zip(sets, scores, strict=True):
        truth = {number: list(own) for number, (_, *own) in enumerate(asked)}
        candidates = {number: [candidate] for number, (candidate, *_) in enumerate(asked)}
        assert (corpus, items) == original.compute_score(truth, candidates)
    by_stage = np.concatenate([meteor_rows(lines) for lines in counts])[:, STAGES].reshape(-1, 4, 4).sum(axis=(0, 2))
    assert (by_stage > 0).all()  # exact, stem, synonym and paraphrase


@pytest.mark.skipif(os.name == "nt", reason="a shell command stands in for Java")
def test_a_process_that_dies_is_reported_with_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor, "JAVA", ("sh", "-c", "read line; echo no room >&2; exit 1"))
    with pytest.raises(EnvironmentProblem, match=r"METEOR: its Java process failed \(no room\)"):
        ask(["SCORE ||| a ||| a"] * 3, [])


def test_the_score_of_resamples_is_what_java_says_of_them(no_paraphrases: list[str]) -> None:
    asked = [
        "a dog runs ||| a dog runs", "a cat sleeps ||| cats ||| a cat is sleeping", "two buses ||| ", "sea ||| sea of",
    ]  # fmt: skip
    lines = ask([f"SCORE ||| {texts}" for texts in asked], no_paraphrases)
    for drawn in ([0, 0, 0, 0], [0, 1, 1, 3], [2, 2, 2, 2], [1, 3, 3, 2], [0, 0, 2, 3]):
        own = [lines[number] for number in drawn]
        corpus = float(ask([" ||| ".join(["EVAL", *own])], no_paraphrases)[-1])
        totals = np.sum(meteor_rows(own), axis=0, dtype=float)
        assert of_totals("METEOR", totals) == pytest.approx(100 * corpus, abs=1e-12)


def test_no_paraphrase_that_can_match_is_left_out(tmp_path: Path) -> None:
    draw, words = random.Random(0), ["a", "to", "café", "t-shirt", "'s", "harbours", "extraordinary", "in", "5"]
    drawn = [" ".join(draw.choices(words, k=draw.randrange(1, 5))) for _ in range(3000)]
    entries = [*zip(drawn[::2], drawn[1::2], strict=True), ("a dog", "a"), ("a", "hound")]
    with gzip.open(tmp_path / "table.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"0.5\n{first}\n{second}\n" for first, second in entries)
    captions = ["a t-shirt 's in to a", "extraordinary harbours in 5", "to a café in extraordinary café"]
    filter_paraphrases(captions, tmp_path / "out.gz", tmp_path / "table.gz")
    lines = gzip.decompress((tmp_path / "out.gz").read_bytes()).decode().split("\n")
    kept = set(zip(lines[1::3], lines[2::3], strict=True))
    assert kept < set(entries) - {("a dog", "a"), ("a", "hound")}
    phrases = set().union(*map(spans, captions))
    needed = {entry for entry in entries if phrases.issuperset(entry)}
    assert len(needed) > 50
    assert needed <= kept


def spans(caption: str) -> set[str]:
    words = caption.split()
    return {" ".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)}


@pytest.mark.slow
def test_no_phrase_of_the_table_of_paraphrases_is_longer_than_looked_for() -> None:
    with gzip.open(PARAPHRASES) as table:
        assert max(len(re.findall(rb"[a-z0-9]+", line)) for n, line in enumerate(table) if n % 3) == LONGEST


def test_the_synonyms_of_the_captions_alone_give_the_same(tmp_path: Path) -> None:
    questions = some_questions(300)
    filter_synonyms((caption for question in questions for caption in question), tmp_path / "few")
    lines = [" ||| ".join(("SCORE", *references, candidate)) for candidate, *references in questions]
    options = ["-m", "exact stem synonym", "-w", "1.0 0.6 0.8"]
    whole, few = ask(lines, options), ask(lines, [*options, "-d", str(tmp_path / "few")])
    assert whole == few
    by_stage = np.array(meteor_rows(whole))[:, STAGES].reshape(-1, 4, 4).sum(axis=(0, 2))
    assert by_stage[2] > 100  # words matched as synonyms
    assert (tmp_path / "few" / SETS).stat().st_size < 1_000_000


def some_questions(count: int) -> list[Question]:
    """Words of the dictionary and their synonyms, many of them inflected, rightly or wrongly."""
    draw = random.Random(0)
    with ZipFile(FOLDER / METEOR_JAR) as jar:
        lines = jar.read(f"synonym/{SETS}").decode("latin-1").split("\n")
        irregular = jar.read(f"synonym/{EXCEPTIONS}").decode("latin-1").split()
    sets = {word: own.split() for word, own in zip(lines[::2], lines[1::2], strict=False) if word.isalpha()}
    members: dict[str, list[str]] = {}
    for word, own in sets.items():
        for number in own:
            members.setdefault(number, []).append(word)
    frequent = [word for word, own in sets.items() if len(own) > 3]

    def inflected(word: str) -> str:
        stem = word[: len(word) - draw.choice([0, 0, 1, 2])] or word
        return draw.choice([word, stem + draw.choice(ENDINGS), draw.choice(irregular)])

    questions = []
    for _ in range(count):
        words = draw.choices(frequent, k=8)
        texts = [[draw.choice(members[draw.choice(sets[word])]) for word in words] for _ in range(3)]
        questions.append(tuple(" ".join(map(inflected, text)) for text in (words, *texts)))
    return questions
