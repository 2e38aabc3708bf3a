"""The embedded world: scenes, their captions and their questions, all from one seed.

A scene is a ground with two or three groups of objects on it. Two domains share the objects
but differ in look, grounds and wording: `coco` (filled shapes in daylight) and `flickr30k`
(chalk outlines on dark surfaces). A third, `reworded`, has the scenes of `coco` in the words of
`flickr30k`; no model was pretrained on it. Each caption tells only part of its scene.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

NOUNS = (
    "ball",
    "boat",
    "box",
    "crown",
    "fish",
    "flower",
    "heart",
    "house",
    "kite",
    "moon",
    "mushroom",
    "star",
    "tent",
    "tree",
)
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
COLUMNS = ("left", "middle", "right")
GROUNDS = {
    "coco": ("grass", "sand", "water", "snow", "wood"),
    "flickr30k": ("slate", "sand", "brick", "night", "wood"),
}
LOOKS = {"coco": "coco", "flickr30k": "flickr30k", "reworded": "coco"}  # {domain: the one whose scenes it has}
SIZES = {
    "coco": {"large": "large", "small": "small"},
    "flickr30k": {"large": "big", "small": "tiny"},
    "reworded": {"large": "big", "small": "tiny"},
}
NUMBERS = {1: "a", 2: "two", 3: "three"}
ON_GROUND = {
    "coco": {g: f"on the {g}" for g in GROUNDS["coco"]},
    "flickr30k": {
        "slate": "on a slate board", "sand": "in dark sand", "brick": "against a brick wall",
        "night": "across the night sky", "wood": "over old wood",
    },
    "reworded": {
        "grass": "over green grass", "sand": "in pale sand", "water": "across the water", "snow": "against white snow",
        "wood": "over old wood",
    },
}  # fmt: skip
RELATIONS = {
    "coco": {"above": "above", "below": "below", "left": "to the left of", "right": "to the right of"},
    "flickr30k": {"above": "over", "below": "under", "left": "just left of", "right": "just right of"},
}
RELATIONS["reworded"] = RELATIONS["flickr30k"]
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
    """One random scene: two or three groups of different nouns in different places."""
    n = 2 if rng.random() < 0.35 else 3
    nouns = rng.choice(len(NOUNS), n, replace=False)
    places = rng.choice(6, n, replace=False)
    groups = []
    for noun, place in zip(nouns, places, strict=True):
        size = "large" if rng.random() < 0.5 else "small"
        count = int(rng.choice((1, 2, 3), p=(0.6, 0.25, 0.15))) if size == "small" else 1
        colour = COLOURS[rng.integers(len(COLOURS))]
        groups.append(Group(NOUNS[noun], colour, size, count, int(place % 3), int(place // 3)))
    grounds = GROUNDS[LOOKS[domain]]
    ground = grounds[rng.integers(len(grounds))]
    return Scene(domain, ground, tuple(groups))


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
    if group.count == 1 and rng.random() < 0.6:
        words.append(SIZES[domain][group.size])
    words += [group.colour, group.name]
    if words[0] == "a" and words[1][0] in "aeiou":
        words[0] = "an"
    return " ".join(words)


def _place(group: Group, domain: str) -> str:
    row, column = ("top", "bottom")[group.row], COLUMNS[group.column]
    if domain == "coco":
        return f"in the {row} {column}" if column != "middle" else f"in the middle at the {row}"
    return f"near the {row} {column}" if column != "middle" else f"near the {row}"


def relation(a: Group, b: Group) -> str:
    """Where `a` is as seen from `b`: left or right when the columns differ, else above or below."""
    if a.column != b.column:
        return "left" if a.column < b.column else "right"
    return "above" if a.row < b.row else "below"


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """One sentence about one, two or (seldom) all groups of the scene."""
    domain = scene.domain
    order = [scene.groups[i] for i in rng.permutation(len(scene.groups))]
    a, b = order[:2]
    on_ground = ON_GROUND[domain][scene.ground]
    first, second = _phrase(a, domain, rng), _phrase(b, domain, rng)
    kind = rng.random()
    if kind < 0.25:
        place = _place(a, domain)
        text = f"{first} {place} {on_ground}" if rng.random() < 0.5 else f"{first} {place}"
        if rng.random() < 0.3:
            text = f"there {'is' if a.count == 1 else 'are'} {text}" if domain == "coco" else f"someone drew {text}"
    elif kind < 0.65:
        text = f"{first} {RELATIONS[domain][relation(a, b)]} {second}"
        if rng.random() < 0.6:
            text += f" {on_ground}"
    elif kind < 0.9 or len(order) == 2:
        text = f"{first} and {second} {on_ground}"
    else:
        text = f"{first}, {second} and {_phrase(order[2], domain, rng)}"
        text = f"{text} {on_ground}" if domain == "coco" else f"a drawing of {text}"
    return text[0].upper() + text[1:] + "."


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
    style = "daylight" if scene.domain == "coco" else "chalk"
    return f"Tags: {', '.join([style, *(words[i] for i in rng.permutation(len(words)))])}."


def document(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Texts about one scene in a row, as the language model is pretrained on: tags, captions, answered questions."""
    texts = [caption(scene, rng) for _ in range(int(rng.integers(1, 4)))]
    for _ in range(int(rng.integers(1, 3))):
        asked = question(scene, rng)
        answered = f"Question: {asked.text} Short answer: {asked.answer}"
        if rng.random() < 0.5:
            texts.append(answered)
        else:
            where = int(rng.integers(len(texts)))
            texts[where] = f"{texts[where]} {answered}"
    texts = [texts[i] for i in rng.permutation(len(texts))]
    return [tags(scene, rng), *texts] if rng.random() < 0.7 else texts
