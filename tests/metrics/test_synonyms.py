"""METEOR with the synonyms of given captions alone says what it says with all of WordNet's."""

import random
from pathlib import Path
from zipfile import ZipFile

from pycocoevalcap.meteor.meteor import METEOR_JAR

from maccap.metrics import ensure_java
from maccap.metrics.meteor import FOLDER, STAGES, Question, _answers, meteor_process, meteor_rows
from maccap.metrics.synonyms import EXCEPTIONS, SETS, filter_synonyms

ENDINGS = ["s", "es", "ed", "ing", "er", "est", "ies", "ful", "sful", "men", "xes", "ches"]
OPTIONS = ["-", "-", "-stdio", "-l", "en", "-m", "exact stem synonym", "-w", "1.0 0.6 0.8"]


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


def test_meteor_says_the_same_with_the_synonyms_of_the_captions_alone(tmp_path: Path) -> None:
    ensure_java()
    questions = some_questions(300)
    filter_synonyms(FOLDER / METEOR_JAR, (caption for question in questions for caption in question), tmp_path / "few")
    said = []
    for folder in ([], ["-d", str(tmp_path / "few")]):
        with meteor_process([*OPTIONS, *folder]) as process:
            said.append(_answers(process, questions))
    assert said[0] == said[1]
    by_stage = [sum(counts) for counts in zip(*(row[STAGES] for row in meteor_rows(said[0])), strict=True)]
    assert sum(by_stage[8:12]) > 100  # words matched as synonyms
    assert (tmp_path / "few" / SETS).stat().st_size < 1_000_000
