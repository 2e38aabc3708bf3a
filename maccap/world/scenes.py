"""The embedded world: scenes, their captions and their questions, all from one seed.

A scene is a ground with three to six groups of objects on it. Two domains share the objects but
differ in look, grounds and wording: `daylight` (filled shapes on bright grounds) and `chalk`
(outlines on dark surfaces). A third, `retold`, has the scenes of `daylight` in words like those of
`chalk`; the encoder was not pretrained on it. Each caption tells only part of its scene.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

NOUNS = (
    "ball", "bell", "bird", "boat", "box", "car", "crown", "cup", "fish", "flower", "heart", "house", "key", "kite",
    "moon", "mushroom", "star", "tent", "tree", "umbrella",
)  # fmt: skip
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
COLUMNS = ("left", "middle", "right")
GROUNDS = {
    "daylight": ("grass", "sand", "water", "snow", "wood"),
    "chalk": ("slate", "sand", "brick", "night", "wood"),
}
LOOKS = {"daylight": "daylight", "chalk": "chalk", "retold": "daylight"}  # {domain: the one whose scenes it has}
SIZES = {
    "daylight": {"large": "large", "small": "small"},
    "chalk": {"large": "big", "small": "tiny"},
    "retold": {"large": "big", "small": "tiny"},
}
NUMBERS = {1: "a", 2: "two", 3: "three"}
ON_GROUND = {
    "daylight": {g: f"on the {g}" for g in GROUNDS["daylight"]},
    "chalk": {
        "slate": "on a slate board", "sand": "in dark sand", "brick": "against a brick wall",
        "night": "across the night sky", "wood": "over old wood",
    },
    "retold": {
        "grass": "over green grass", "sand": "in pale sand", "water": "across the water", "snow": "against white snow",
        "wood": "over old wood",
    },
}  # fmt: skip
RELATIONS = {
    "daylight": {
        "above": "above", "below": "below", "left": "to the left of", "right": "to the right of",
        "beside": "next to", "between": "between",
    },
    "chalk": {
        "above": "over", "below": "under", "left": "just left of", "right": "just right of",
        "beside": "beside", "between": "in between",
    },
}  # fmt: skip
RELATIONS["retold"] = RELATIONS["chalk"]
# Shares, in percent, of the space of scenes; a scene belongs to one split for every seed.
SPLIT_SHARES = {"pretrain": 60, "train": 25, "val": 5, "test": 10}


@dataclass(frozen=True)
class Group:
    """One to three equal objects in one of six places: a column (0-2) and a row (0 top, 1 bottom)."""

    noun: str
    colour: str
    size: str
    count: int
    column: int
    row: int

    @property
    def plural(self) -> str:
        if self.noun == "fish":
            return "fish"
        return f"{self.noun}es" if self.noun == "box" else f"{self.noun}s"

    @property
    def name(self) -> str:
        return self.noun if self.count == 1 else self.plural


@dataclass(frozen=True)
class Scene:
    """What a scene holds; its drawing adds only jitter and texture."""

    domain: str
    ground: str
    groups: tuple[Group, ...]

    @property
    def split(self) -> str:
        """The only split that this scene can appear in: a hash of its content decides."""
        content = repr(sorted(self.groups, key=lambda g: (g.row, g.column))) + self.ground + LOOKS[self.domain]
        bucket = int.from_bytes(hashlib.sha256(content.encode()).digest()[:4], "big") % 100
        for name, share in SPLIT_SHARES.items():
            if bucket < share:
                return name
            bucket -= share
        raise AssertionError("shares must sum to 100")


def draw_scene(domain: str, rng: np.random.Generator) -> Scene:
    """One random scene: three to six groups of different nouns in different places."""
    n = min(int(rng.choice((3, 4, 5, 6), p=(0.3, 0.3, 0.25, 0.15))), len(NOUNS))
    nouns = rng.choice(len(NOUNS), n, replace=False)
    places = rng.choice(6, n, replace=False)
    found = []
    for noun, place in zip(nouns, places, strict=True):
        size = "large" if rng.random() < 0.5 else "small"
        count = int(rng.choice((1, 2, 3), p=(0.5, 0.28, 0.22))) if size == "small" else 1
        colour = COLOURS[rng.integers(len(COLOURS))]
        found.append(Group(NOUNS[noun], colour, size, count, int(place % 3), int(place // 3)))
    grounds = GROUNDS[LOOKS[domain]]
    ground = grounds[rng.integers(len(grounds))]
    return Scene(domain, ground, tuple(found))


def scenes(domain: str, split: str, count: int, seed: int) -> Iterator[tuple[Scene, np.random.Generator]]:
    """`count` scenes of a split, each with its own generator; scene i never depends on `count`."""
    for index in range(count):
        key = [seed, sorted(GROUNDS).index(LOOKS[domain]), sorted(SPLIT_SHARES).index(split), index]
        rng = np.random.default_rng(key)
        while (scene := draw_scene(domain, rng)).split != split:
            pass
        yield scene, rng


def _phrase(group: Group, domain: str, rng: np.random.Generator) -> str:
    words = [NUMBERS[group.count]]
    if rng.random() < 0.6 and group.count == 1:
        words.append(SIZES[domain][group.size])
    words += [group.colour, group.name]
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def _place(group: Group, domain: str) -> str:
    row, column = ("top", "bottom")[group.row], COLUMNS[group.column]
    if domain == "daylight":
        return f"in the {row} {column}" if column != "middle" else f"in the middle at the {row}"
    return f"near the {row} {column}" if column != "middle" else f"near the {row}"


def relation(a: Group, b: Group) -> str:
    """Where `a` is as seen from `b`: left or right when the columns differ, else above or below."""
    if a.column != b.column:
        return "left" if a.column < b.column else "right"
    return "above" if a.row < b.row else "below"


@dataclass(frozen=True)
class Told:
    """What a caption is about: one group and its place, two or three and how they stand, or a list of them."""

    kind: str  # place, list, beside, between, or a side (left, right, above, below)
    groups: tuple[Group, ...]


OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def tell(scene: Scene, rng: np.random.Generator) -> Told:
    """Choose one to three groups of the scene to speak of."""
    order = tuple(scene.groups[i] for i in rng.permutation(len(scene.groups)))
    a, b, c = order[:3]
    kind = rng.random()
    if kind < 0.4:
        return Told("place", (a,))
    if kind < 0.62:
        neighbours = a.row == b.row and abs(a.column - b.column) == 1
        return Told("beside" if neighbours and rng.random() < 0.5 else relation(a, b), (a, b))
    if kind < 0.8:
        return Told("list", (a, b))
    row = sorted((g for g in order if g.row == a.row), key=lambda g: g.column)
    if kind < 0.9 and len(row) == 3:
        return Told("between", (row[1], row[0], row[2]))
    return Told("list", (a, b, c))


def word(told: Told, scene: Scene, rng: np.random.Generator) -> str:
    """Say it in one sentence; each call finds its own words."""
    domain, groups = scene.domain, list(told.groups)
    on_ground = f" {ON_GROUND[domain][scene.ground]}"
    kind = told.kind
    if kind in ("list", "beside"):
        groups = [groups[i] for i in rng.permutation(len(groups))]
    elif kind in OPPOSITE and rng.random() < 0.5:
        kind, groups = OPPOSITE[kind], groups[::-1]
    elif kind == "between" and rng.random() < 0.5:
        groups = [groups[0], groups[2], groups[1]]
    first, *others = (_phrase(group, domain, rng) for group in groups)
    if kind == "place":
        text = f"{first} {_place(groups[0], domain)}" + (on_ground if rng.random() < 0.5 else "")
        if rng.random() < 0.3:
            verb = "is" if groups[0].count == 1 else "are"
            text = f"there {verb} {text}" if domain == "daylight" else f"someone drew {text}"
    elif kind == "list" and len(groups) == 3:
        text = f"{first}, {others[0]} and {others[1]}"
        text = f"{text}{on_ground}" if domain == "daylight" else f"a drawing of {text}"
    elif kind == "list":
        text = f"{first} and {others[0]}{on_ground}"
    else:
        text = f"{first} {RELATIONS[domain][kind]} {' and '.join(others)}" + (on_ground if rng.random() < 0.5 else "")
    return text[0].upper() + text[1:] + "."


EXCHANGES = ("noun", "colour", "binding", "count", "size", "place")


def exchange(told: Told, scene: Scene, kind: str, rng: np.random.Generator) -> Told | None:
    """The same with another noun or colour, one not in the scene, or another count, size or place; None if none is.

    `binding` exchanges the colours of two groups, so that the words stay and only what belongs together changes.
    """
    which = int(rng.integers(len(told.groups)))
    group = told.groups[which]
    change: dict[str, Any]
    if kind == "binding":
        others = [i for i, g in enumerate(told.groups) if g.colour != group.colour]
        if not others:
            return None
        groups, other = list(told.groups), others[rng.integers(len(others))]
        groups[which] = replace(group, colour=groups[other].colour)
        groups[other] = replace(groups[other], colour=group.colour)
        return Told(told.kind, tuple(groups))
    if kind == "place":
        if told.kind in OPPOSITE:
            return Told(OPPOSITE[told.kind], told.groups)
        if told.kind == "between":
            return Told(told.kind, (told.groups[1], told.groups[0], told.groups[2]))
        if told.kind != "place":
            return None
        # Not the middle of the same row: `near the top` would stay true.
        elsewhere = [(r, c) for r in (0, 1) for c in (0, 1, 2) if r != group.row or c not in (1, group.column)]
        row, column = elsewhere[rng.integers(len(elsewhere))]
        change = {"column": column, "row": row}
    elif kind == "size":
        change = {"size": "small" if group.size == "large" else "large"}
    elif kind == "count":
        change = {"count": int(rng.choice([n for n in NUMBERS if n != group.count]))}
    else:
        there = {getattr(g, kind) for g in scene.groups}
        absent = [w for w in (NOUNS if kind == "noun" else COLOURS) if w not in there]
        if not absent:
            return None
        change = {kind: absent[rng.integers(len(absent))]}
    groups = list(told.groups)
    groups[which] = replace(group, **change)
    return Told(told.kind, tuple(groups))


def caption_and_exchanged(
    scene: Scene, rng: np.random.Generator, kinds: Sequence[str] = EXCHANGES
) -> tuple[str, list[str | None]]:
    """A caption, and for each kind the same sentence with such a word exchanged; None where it has none."""
    told = tell(scene, rng)
    wording = int(rng.integers(2**32))
    text = word(told, scene, np.random.default_rng(wording))
    others: list[str | None] = []
    for kind in kinds:
        other = exchange(told, scene, kind, rng)
        said = word(other, scene, np.random.default_rng(wording)) if other else text
        others.append(said if said != text else None)
    return text, others


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """One sentence about one, two or three groups of the scene."""
    return word(tell(scene, rng), scene, rng)


@dataclass(frozen=True)
class Question:
    """One question, the type under which VQA v2 counts it, its answer, near misses, and other right answers."""

    text: str
    question_type: str
    answer: str
    near_misses: tuple[str, ...]
    as_right: tuple[str, ...] = ()

    @property
    def answer_type(self) -> str:
        if self.answer in ("yes", "no"):
            return "yes/no"
        return "number" if self.answer.isdigit() else "other"


def question(scene: Scene, rng: np.random.Generator) -> Question:
    """One question about the scene, of six types, each about equally often."""
    index = rng.permutation(len(scene.groups))
    group, other = scene.groups[index[0]], scene.groups[index[1]]
    verb = "is" if group.count == 1 else "are"
    kind = int(rng.integers(6))
    misses: tuple[str, ...]
    if kind == 0:
        misses = (COLOURS[(COLOURS.index(group.colour) + 1) % len(COLOURS)],)
        return Question(f"What color {verb} the {group.name}?", f"what color {verb} the", group.colour, misses)
    if kind == 1:
        misses = tuple(str(n) for n in (1, 2, 3) if abs(n - group.count) == 1)
        return Question(f"How many {group.plural} are there?", "how many", str(group.count), misses)
    if kind == 2:
        present = rng.random() < 0.5
        absent = [n for n in NOUNS if all(n != g.noun for g in scene.groups)]
        noun = group.noun if present else absent[rng.integers(len(absent))]
        answer, miss = ("yes", "no") if present else ("no", "yes")
        return Question(f"Is there a {noun}?", "is there a", answer, (miss,))
    if kind == 3:
        misses = tuple(c for c in COLUMNS if abs(COLUMNS.index(c) - group.column) == 1)
        return Question(f"Where {verb} the {group.name}?", f"where {verb} the", COLUMNS[group.column], misses)
    if kind == 4:
        side = relation(other, group)
        where = {"left": "left of", "right": "right of"}.get(side, side)
        rest = tuple(g.name for g in scene.groups if g not in (group, other) and relation(g, group) == side)
        return Question(f"What is {where} the {group.name}?", "what is", other.name, (other.colour,), rest)
    misses = tuple(g for g in GROUNDS[LOOKS[scene.domain]] if g != scene.ground)[:1]
    return Question("What is the ground?", "what is the", scene.ground, misses)


def ten_answers(asked: Question, rng: np.random.Generator) -> list[str]:
    """Ten annotators: nine in ten give a right answer, the others a near miss."""
    right = (asked.answer, *asked.as_right)
    return [
        right[rng.integers(len(right))]
        if rng.random() < 0.9
        else asked.near_misses[rng.integers(len(asked.near_misses))]
        for _ in range(10)
    ]


def tags(scene: Scene, rng: np.random.Generator) -> str:
    """Keywords of the scene in any order, some left out, as web pages put them before a text."""
    words = [f"{NUMBERS[g.count]} {g.colour} {g.name}" if g.count > 1 else f"{g.colour} {g.name}" for g in scene.groups]
    words = [word for word in (*words, scene.ground) if rng.random() < 0.85]
    return f"Tags: {', '.join([scene.domain, *(words[i] for i in rng.permutation(len(words)))])}."


SAID_AGAIN = 0.4  # how often the second text of a document is the first once more
SAID_AGAIN_LATER = 0.09  # by how much more often each later text is the one before it


def document(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Texts about one scene in a row, as the language model is pretrained on: tags, captions, answered questions.

    Most texts say again what the text before them or, less often, an earlier one said, in the same or in other words;
    so that a model learns to be told what to say by what stands before. The more texts stand there, the more often the
    last one is said again; else a model would be less sure of it behind many than behind one.
    """
    texts = [tags(scene, rng)] if rng.random() < 0.4 else []
    told = [tell(scene, rng)]
    said = [word(told[0], scene, rng)]
    for place in range(int(rng.integers(1, 8))):
        kind = rng.random()
        if rng.random() < SAID_AGAIN + SAID_AGAIN_LATER * place:
            told, said = [*told, told[-1]], [*said, said[-1]]
        elif kind < 0.05:
            which = int(rng.integers(len(said)))
            told, said = [*told, told[which]], [*said, said[which]]
        elif kind < 0.25:
            told = [*told, told[-1]]
            said = [*said, word(told[-1], scene, rng)]
        else:
            told = [*told, tell(scene, rng)]
            said = [*said, word(told[-1], scene, rng)]
    texts += said
    for _ in range(int(rng.integers(0, 3))):
        asked = question(scene, rng)
        answered = f"Question: {asked.text} Short answer: {asked.answer}"
        where = int(rng.integers(len(texts)))
        if rng.random() < 0.5:
            texts.insert(where + 1, answered)
        else:
            texts[where] = f"{texts[where]} {answered}"
    return texts
