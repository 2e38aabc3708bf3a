"""The embedded world: reproducible, its splits apart, its texts true of its scenes, its files in the official formats.

What is true of a scene is worked out here from the scene alone, with a vocabulary of its own.
"""

import json
import math
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maccap.core.project import read_config
from maccap.data.captions import references
from maccap.data.images import decode, read_images
from maccap.data.karpathy import read_karpathy
from maccap.data.vqa import read_annotations, read_questions
from maccap.world import scenes as world
from maccap.world.drawing import draw
from maccap.world.scene_files import write_world
from maccap.world.scenes import (
    COLOURS,
    EXCHANGES,
    Group,
    Scene,
    caption,
    caption_and_exchanged,
    document,
    draw_scene,
    question,
    scenes,
    tell,
    ten_answers,
)
from tests.helpers import ROOT

DOMAINS = ("daylight", "chalk")
COUNTS = {"train": 6, "val": 2, "test": 4}
FILES = {
    "dataset.json", "images.zip", "vqa_questions.train.json", "vqa_annotations.train.json", "vqa_questions.test.json",
    "vqa_annotations.test.json",
}  # fmt: skip

# --- what the words mean -------------------------------------------------------------------------------------------
PLURALS = {
    "ball": "balls", "bell": "bells", "bird": "birds", "boat": "boats", "box": "boxes", "car": "cars",
    "crown": "crowns", "cup": "cups", "fish": "fish", "flower": "flowers", "heart": "hearts", "house": "houses",
    "key": "keys", "kite": "kites", "moon": "moons", "mushroom": "mushrooms", "star": "stars", "tent": "tents",
    "tree": "trees", "umbrella": "umbrellas",
}  # fmt: skip
NOUN_OF = {form: noun for noun, plural in PLURALS.items() for form in (plural, noun)}
COUNT = {"a": 1, "an": 1, "two": 2, "three": 3}
SIZE = {"large": "large", "big": "large", "small": "small", "tiny": "small"}
OF_DOMAIN = {"daylight": {"large", "small"}, "chalk": {"big", "tiny"}}
PLACE = {  # (row, column), None where the words leave it open
    "in the top left": (0, 0), "in the top right": (0, 2), "in the middle at the top": (0, 1),
    "in the bottom left": (1, 0), "in the bottom right": (1, 2), "in the middle at the bottom": (1, 1),
    "near the top left": (0, 0), "near the top right": (0, 2), "near the bottom left": (1, 0),
    "near the bottom right": (1, 2), "near the top": (0, None), "near the bottom": (1, None),
}  # fmt: skip
GROUND = {
    "daylight": {f"on the {g}": g for g in ("grass", "sand", "water", "snow", "wood")},
    "chalk": {
        "on a slate board": "slate", "in dark sand": "sand", "against a brick wall": "brick",
        "across the night sky": "night", "over old wood": "wood",
    },
}  # fmt: skip
BESIDE = {
    "above": "above", "over": "above", "below": "below", "under": "below",
    "to the left of": "left", "just left of": "left", "to the right of": "right", "just right of": "right",
    "next to": "beside", "beside": "beside", "between": "between", "in between": "between",
}  # fmt: skip
COLUMNS = ("left", "middle", "right")


def stands(a: Group, b: Group, side: str) -> bool:
    """Whether `a` is on that side of `b`, by their places in the image."""
    return {
        "beside": a.row == b.row and abs(a.column - b.column) == 1,
        "left": a.column < b.column, "right": a.column > b.column, "above": a.row < b.row, "below": a.row > b.row,
    }[side]  # fmt: skip


def _any(words: object) -> str:
    return "|".join(sorted(words, key=len, reverse=True))  # type: ignore[call-overload]


COLOUR = "red|orange|yellow|green|blue|purple|pink|white"
PHRASE = rf"({_any(COUNT)}) (?:({_any(SIZE)}) )?({COLOUR}) ({_any(NOUN_OF)})"
PIECE = re.compile(
    rf"(?P<ground>{_any([*GROUND['daylight'], *GROUND['chalk']])})|(?P<place>{_any(PLACE)})|(?P<beside>{_any(BESIDE)})"
    rf"|(?P<phrase>{PHRASE})|(?P<filler>there is|there are|someone drew|a drawing of|and|,)"
)


def faults(text: str, scene: Scene) -> list[str]:
    """Everything in a caption that its scene does not bear out; a caption that is true has no faults."""
    rest, pieces = text[0].lower() + text[1:], []
    wrong = [] if text.endswith(".") and text[0].isupper() else ["not a sentence"]
    rest = rest.removesuffix(".")
    while rest:
        match = PIECE.match(rest)
        if not match:
            return [*wrong, f"cannot read {rest!r}"]
        pieces.append(match)
        rest = rest[match.end() :].lstrip(" ")
    groups: dict[int, Group] = {}
    for at, piece in enumerate(pieces):
        if piece["phrase"]:
            number, size, colour, form = PIECE.match(piece["phrase"]).groups()[-5:-1]  # type: ignore[union-attr]
            alike = [g for g in scene.groups if g.noun == NOUN_OF[form]]
            if len(alike) != 1:
                wrong.append(f"{len(alike)} groups of {form}")
                continue
            groups[at] = group = alike[0]
            if group.colour != colour:
                wrong.append(f"{form} is {group.colour}, not {colour}")
            if group.count != COUNT[number] or form != (group.noun if group.count == 1 else PLURALS[group.noun]):
                wrong.append(f"{group.count} {form}, not {number}")
            if number in ("a", "an") and (number == "an") != ((size or colour)[0] in "aeiou"):
                wrong.append(f"article {number!r}")
            if size and (SIZE[size] != group.size or size not in OF_DOMAIN[scene.domain]):
                wrong.append(f"{form} is {group.size}, not {size}")
    for at, piece in enumerate(pieces):
        if piece["ground"] and GROUND[scene.domain].get(piece["ground"]) != scene.ground:
            wrong.append(f"ground is {scene.ground}, not {piece['ground']}")
        if piece["place"]:
            row, column = PLACE[piece["place"]]
            group = groups.get(at - 1)
            if not group or group.row != row or column not in (None, group.column):
                wrong.append(f"{group} is not {piece['place']}")
        if piece["beside"] and BESIDE[piece["beside"]] == "between":
            a, b, c = groups.get(at - 1), groups.get(at + 1), groups.get(at + 3)
            inside = a and b and c and a.row == b.row == c.row and {b.column, c.column} == {0, 2}
            if not inside or a.column != 1:
                wrong.append(f"{a} is not between {b} and {c}")
        elif piece["beside"]:
            a, b = groups.get(at - 1), groups.get(at + 1)
            if not a or not b or not stands(a, b, BESIDE[piece["beside"]]):
                wrong.append(f"{a} is not {piece['beside']} {b}")
        if piece["filler"] in ("there is", "there are"):
            group = groups.get(at + 1)
            if not group or (group.count == 1) != (piece["filler"] == "there is"):
                wrong.append(f"{piece['filler']} before {group}")
    if len(set(groups.values())) != len(groups):
        wrong.append("the same group twice")
    return wrong


def drawn(domain: str, count: int, seed: int = 5) -> Iterator[tuple[Scene, np.random.Generator]]:
    rng = np.random.default_rng([seed, DOMAINS.index(domain)])
    for _ in range(count):
        yield draw_scene(domain, rng), rng


def content(scene: Scene) -> tuple[str, str, frozenset[Group]]:
    """What a scene shows, whatever the order of its groups."""
    return scene.domain, scene.ground, frozenset(scene.groups)


def text_of(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def name_of(image: dict) -> str:
    """The name in the archive of an image in Karpathy's JSON."""
    return "/".join(filter(None, (image.get("filepath"), image["filename"])))


@pytest.fixture(scope="module", params=DOMAINS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """One domain's name and its files for COUNTS scenes, three questions each, seed 11."""
    folder = tmp_path_factory.mktemp(request.param)
    write_world(folder, request.param, COUNTS, 3, seed=11)
    return request.param, folder


# --- reproducible --------------------------------------------------------------------------------------------------
def test_the_same_seed_writes_the_same_bytes_in_another_process_and_another_seed_does_not(written, tmp_path):
    domain, folder = written
    assert {path.name for path in folder.iterdir()} == FILES
    code = (
        "from pathlib import Path; from maccap.world.scene_files import write_world;"
        f"write_world(Path({str(tmp_path)!r}), {domain!r}, {COUNTS}, 3, seed=11)"
    )
    environment = os.environ | {"PYTHONHASHSEED": "77", "TZ": "Pacific/Auckland", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name
    write_world(tmp_path, domain, COUNTS, 3, seed=12)
    for name in FILES:
        assert (tmp_path / name).read_bytes() != (folder / name).read_bytes(), name


@pytest.mark.parametrize("split", ["pretrain", "train", "val", "test"])
def test_a_scene_and_what_is_drawn_from_it_do_not_depend_on_the_count(split: str) -> None:
    few, many = list(scenes("daylight", split, 3, 7)), list(scenes("daylight", split, 5, 7))
    assert [s for s, _ in few] == [s for s, _ in many[:3]]
    assert [rng.random(4).tolist() for _, rng in few] == [rng.random(4).tolist() for _, rng in many[:3]]
    assert len({content(s) for s, _ in many}) == 5


def test_more_scenes_leave_the_texts_and_images_of_the_others_as_they_were(written, tmp_path):
    domain, folder = written
    write_world(tmp_path, domain, {"train": 8, "val": 3, "test": 5}, 3, seed=11)

    def by_split(root: Path) -> dict[str, list[tuple[list[str], bytes]]]:
        found: dict[str, list[tuple[list[str], bytes]]] = {split: [] for split in COUNTS}
        with zipfile.ZipFile(root / "images.zip") as archive:
            for image in text_of(root / "dataset.json")["images"]:
                data = archive.read(name_of(image)) if image["split"] != "train" else b""
                found[image["split"]].append(([s["raw"] for s in image["sentences"]], data))
        return found

    few, many = by_split(folder), by_split(tmp_path)
    assert {split: rows[: COUNTS[split]] for split, rows in many.items()} == few
    assert {split: len(rows) for split, rows in many.items()} == {"train": 8, "val": 3, "test": 5}


# --- the splits share nothing --------------------------------------------------------------------------------------
def test_no_scene_of_one_split_occurs_in_another() -> None:
    split_of: dict[tuple, str] = {}
    for domain in DOMAINS:
        for seed in (0, 2401, 999_983):
            for split, count in {"pretrain": 600, "train": 250, "val": 25, "test": 60}.items():
                for scene, _ in scenes(domain, split, count, seed):
                    assert split_of.setdefault(content(scene), split) == split
    assert len(split_of) > 5000


def test_no_scene_of_one_split_occurs_in_another_in_a_world_so_small_that_scenes_repeat(monkeypatch):
    monkeypatch.setattr(world, "NOUNS", ("ball", "box", "star"))
    monkeypatch.setattr(world, "COLOURS", ("red",))
    monkeypatch.setattr(world, "GROUNDS", {"daylight": ("sand",), "chalk": ("sand",)})
    found: dict[str, Counter] = {"pretrain": Counter(), "train": Counter(), "val": Counter(), "test": Counter()}
    for split, seen in found.items():
        for seed in (1, 2):
            seen.update(content(scene) for scene, _ in scenes("daylight", split, 150, seed))
        assert len(seen) < 300, "no scene came twice: this world is too large to show a leak"
    for a, b in permutations(found, 2):
        assert not found[a].keys() & found[b].keys()


def test_the_split_is_decided_by_what_the_scene_shows_and_each_has_its_share_of_all_scenes() -> None:
    for scene, _ in drawn("chalk", 300):
        assert {replace(scene, groups=order).split for order in permutations(scene.groups)} == {scene.split}
    n = 4000
    found = Counter(scene.split for domain in DOMAINS for scene, _ in drawn(domain, n // 2))
    for split, share in {"pretrain": 0.6, "train": 0.25, "val": 0.05, "test": 0.1}.items():
        assert abs(found[split] - n * share) < 4 * math.sqrt(n * share * (1 - share)), split


def test_the_models_are_pretrained_on_pretrain_scenes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from maccap.world import pretraining

    seen: list[Scene] = []
    monkeypatch.setattr(pretraining, "document", lambda scene, rng: seen.append(scene) or [caption(scene, rng)])
    for _ in zip(range(400), pretraining.documents(3), strict=False):
        pass
    assert {s.split for s in seen} == {"pretrain"}
    assert {s.domain for s in seen} == {*DOMAINS, "retold"}


def test_scenes_are_well_formed_and_the_vocabulary_for_prompts_holds_all_their_nouns() -> None:
    for domain in DOMAINS:
        for scene, _ in drawn(domain, 500):
            assert 3 <= len(scene.groups) <= 6
            assert len({g.noun for g in scene.groups}) == len({(g.row, g.column) for g in scene.groups})
            assert len({g.noun for g in scene.groups}) == len(scene.groups)
            assert scene.ground in GROUND[domain].values()
            for g in scene.groups:
                assert g.noun in PLURALS
                assert g.plural == PLURALS[g.noun]
                assert (g.row, g.column, g.count) in {(r, c, n) for r in (0, 1) for c in (0, 1, 2) for n in (1, 2, 3)}
    words = (ROOT / "workflow/resources/entities/scenes.txt").read_text(encoding="utf-8").split()
    assert words == sorted(world.NOUNS) == sorted({g.noun for s, _ in drawn("daylight", 300) for g in s.groups})


# --- captions ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_caption_is_true_of_its_scene(domain: str) -> None:
    said: Counter[str] = Counter()
    for scene, rng in drawn(domain, 1500):
        for _ in range(2):
            text = caption(scene, rng)
            assert not faults(text, scene), f"{text} {faults(text, scene)} {scene}"
            said.update(set(re.findall(r"\w+", text.lower())))
    words = re.findall(r"\w+", " ".join([COLOUR.replace("|", " "), *GROUND[domain], *PLURALS, *PLURALS.values()]))
    words += ["between", "next" if domain == "daylight" else "beside"]
    words += ["two", "three", "an", "there", *OF_DOMAIN[domain]] if domain == "daylight" else ["someone", "drawing"]
    assert min(said[word] for word in words) > 10, "the captions leave out a part of the vocabulary"


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_false_caption_would_be_noticed(domain: str) -> None:
    """The reader above is no use if it lets a wrong word pass: change one word at a time and see."""
    others = {
        **{word: "green" for word in COLOUR.split("|") if word != "green"}, "two": "three", "three": "two",
        "large": "small", "small": "large", "big": "tiny", "tiny": "big", "left": "right", "right": "left",
        "above": "below", "below": "above", "under": "over", "top": "bottom", "bottom": "top", "grass": "snow",
        "snow": "water", "slate board": "brick wall", "is": "are", "are": "is", "star": "kite", "stars": "star",
    }  # fmt: skip
    tried: Counter[str] = Counter()
    for scene, rng in drawn(domain, 600):
        text = caption(scene, rng)
        for word, other in others.items():
            if re.search(rf"\b{word}\b", text):
                tried[word] += 1
                assert faults(re.sub(rf"\b{word}\b", other, text, count=1), scene), f"{word} -> {other}: {text}"
    assert len(tried) > 15


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_caption_with_one_word_exchanged_is_false_and_differs_by_that_word_alone(domain: str) -> None:
    found: Counter[str] = Counter()
    for scene, rng in drawn(domain, 400):
        text, others = caption_and_exchanged(scene, rng)
        assert not faults(text, scene)
        for kind, other in zip(EXCHANGES, others, strict=True):
            if other is not None:
                found[kind] += 1
                assert faults(other, scene), f"{kind}: {text} {other}"
                words, changed = (re.findall(r"\w+", re.sub(r"\b[Aa]n?\b", "", t).lower()) for t in (text, other))
                if kind == "binding":
                    assert words != changed
                    assert sorted(words) == sorted(changed)
                    assert [w for w in words if w not in COLOURS] == [w for w in changed if w not in COLOURS]
                if kind in ("noun", "colour", "size"):
                    assert sum(a != b for a, b in zip(words, changed, strict=True)) == 1, f"{text} {other}"
                    new = next(b for a, b in zip(words, changed, strict=True) if a != b)
                    assert kind == "size" or new not in {n for g in scene.groups for n in (g.noun, g.plural, g.colour)}
    assert found["noun"] == 400
    assert min(found[kind] for kind in EXCHANGES) > 100


def test_the_language_model_reads_texts_that_say_again_what_stands_before() -> None:
    rng = np.random.default_rng(1)
    again = total = 0
    for scene, _ in drawn("daylight", 300):
        texts = document(scene, rng)
        assert texts
        said = [re.sub(r" ?(Question:|Tags:).*", "", text) for text in texts]
        said = [text for text in said if text]
        assert not any(faults(text, scene) for text in said)
        again += sum(a == b for a, b in pairwise(said))
        total += len(said) - 1
    assert 0.4 < again / total < 0.7


def test_captions_of_a_scene_differ_and_each_tells_one_to_three_of_its_groups() -> None:
    different = 0
    for scene, rng in drawn("daylight", 300):
        texts = [caption(scene, rng) for _ in range(5)]
        different += len(set(texts)) > 2
        for text in texts:
            told = sum(bool(re.search(rf"\b({g.noun}|{PLURALS[g.noun]})\b", text.lower())) for g in scene.groups)
            assert told >= 1
            assert not (re.search(r"top|bottom|left|right", text) and told == 3)
    assert different > 270
    found = Counter(len(tell(scene, rng).groups) for scene, rng in scenes("daylight", "pretrain", 3000, 3))
    assert [round(found[n] / 3000, 1) for n in (1, 2, 3)] == [0.4, 0.4, 0.2]


def test_captions_fit_the_text_length_of_the_profiles() -> None:
    profile = read_config("world", ROOT)
    name = profile["language_model"]["name"]
    if not (ROOT / name / "tokenizer.json").is_file():
        pytest.skip(f"needs the embedded language model: make it (snakemake pretrain_lm) and put it at {name}")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(ROOT / name)
    texts = [caption(scene, rng) for domain in DOMAINS for scene, rng in drawn(domain, 1500)]
    lengths = [len(ids) + 1 for ids in tokenizer(texts).input_ids]  # the end token comes behind
    longest = int(np.argmax(lengths))
    assert lengths[longest] <= profile["training"]["text_length"], texts[longest]
    assert tokenizer.decode(tokenizer(texts[longest]).input_ids, skip_special_tokens=True).strip() == texts[longest]


# --- questions -----------------------------------------------------------------------------------------------------
def true_answers(text: str, scene: Scene) -> set[str]:
    """Every answer that the scene bears out, by trying all groups."""
    by_name = {name: g for g in scene.groups for name in ((g.noun,) if g.count == 1 else (PLURALS[g.noun],))}
    if match := re.fullmatch(r"What color (is|are) the (\w+)\?", text):
        group = by_name[match[2]]
        return {group.colour} if (group.count == 1) == (match[1] == "is") else set()
    if match := re.fullmatch(r"How many (\w+) are there\?", text):
        assert match[1] in PLURALS.values()
        return {str(sum(g.count for g in scene.groups if PLURALS[g.noun] == match[1]))}
    if match := re.fullmatch(r"Is there a (\w+)\?", text):
        assert match[1] in PLURALS
        return {"yes" if any(g.noun == match[1] for g in scene.groups) else "no"}
    if match := re.fullmatch(r"Where (is|are) the (\w+)\?", text):
        group = by_name[match[2]]
        return {COLUMNS[group.column]} if (group.count == 1) == (match[1] == "is") else set()
    if match := re.fullmatch(r"What is (left of|right of|above|below) the (\w+)\?", text):
        group, side = by_name[match[2]], match[1].removesuffix(" of")
        return {name for name, other in by_name.items() if stands(other, group, side)}
    assert text == "What is the ground?", text
    return {scene.ground}


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_question_has_the_answer_that_brute_force_finds(domain: str) -> None:
    kinds: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for scene, rng in drawn(domain, 3000):
        asked = question(scene, rng)
        true = true_answers(asked.text, scene)
        assert asked.answer in true, f"{asked} {scene}"
        assert asked.near_misses
        assert not true & set(asked.near_misses), f"a near miss is right: {asked} {scene}"
        assert asked.text.lower().startswith(asked.question_type + " ")
        kind = "yes/no" if true <= {"yes", "no"} else "number" if all(a.isdigit() for a in true) else "other"
        assert asked.answer_type == kind
        kinds[" ".join(asked.text.split()[:2])] += 1
        answers[asked.answer] += 1
    assert set(kinds) == {"What color", "How many", "Is there", "Where is", "Where are", "What is"}
    assert min(answers[a] for a in ("yes", "no", "1", "2", "3", *COLUMNS, *COLOUR.split("|"))) > 5


def test_ten_annotators_give_nine_answers_in_ten_and_else_a_near_miss() -> None:
    right = total = 0
    for scene, rng in drawn("daylight", 1500):
        asked = question(scene, rng)
        given = ten_answers(asked, rng)
        assert len(given) == 10
        assert set(given) <= {asked.answer, *asked.as_right, *asked.near_misses}
        assert set(asked.as_right).isdisjoint((asked.answer, *asked.near_misses))
        right, total = right + sum(a in (asked.answer, *asked.as_right) for a in given), total + 10
    assert abs(right / total - 0.9) < 4 * math.sqrt(0.09 / total)


def test_the_multiple_choice_answer_is_the_most_frequent_of_the_ten_as_in_vqa(tmp_path: Path) -> None:
    write_world(tmp_path, "daylight", {"train": 20, "val": 1, "test": 1}, questions=400, seed=2)
    rows = text_of(tmp_path / "vqa_annotations.train.json")["annotations"]
    assert len(rows) == 8000
    for row in rows:
        counts = Counter(a["answer"] for a in row["answers"])
        assert counts[row["multiple_choice_answer"]] == max(counts.values()), row


# --- images --------------------------------------------------------------------------------------------------------
HUES = {"red": 0, "orange": 31, "yellow": 51, "green": 134, "blue": 221, "purple": 277, "pink": 330}


def of_colour(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Which RGB pixels a person would call so: vivid, of the colour's hue; white: bright without hue."""
    rgb = pixels.astype(float) / 255
    value, chroma = rgb.max(-1), rgb.max(-1) - rgb.min(-1)
    saturation = chroma / np.maximum(value, 1e-9)
    if colour == "white":
        return (value > 0.93) & (saturation < 0.1)
    r, g, b = np.moveaxis(rgb, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        other = np.where(value == g, (b - r) / chroma + 2, (r - g) / chroma + 4)
        sector = np.where(value == r, (g - b) / chroma % 6, other)
    apart = np.abs((np.nan_to_num(sector) * 60 - HUES[colour] + 180) % 360 - 180)
    vivid = saturation > (0.25 if colour == "pink" else 0.6)
    return (apart < 9) & vivid & (value > (0.72 if colour == "red" else 0.5))


def cell_of(image: np.ndarray, row: int, column: int) -> np.ndarray:
    return image[row * 120 : (row + 1) * 120, column * 80 : (column + 1) * 80]


def test_images_are_small_rgb_and_show_every_colour_at_its_place_and_nowhere_else(tmp_path: Path) -> None:
    for domain in DOMAINS:
        write_world(tmp_path, domain, {"train": 1, "val": 1, "test": 16}, 1, seed=21)
        images = [i for i in text_of(tmp_path / "dataset.json")["images"] if i["split"] == "test"]
        with zipfile.ZipFile(tmp_path / "images.zip") as archive:
            stored = [archive.read(name_of(image)) for image in images]
        for data, (scene, _) in zip(stored, scenes(domain, "test", 16, 21), strict=True):
            assert data.startswith(b"\xff\xd8\xff")
            image = decode(data, "test")
            assert (image.mode, image.size) == ("RGB", (240, 240))
            pixels = np.asarray(image)
            for group in scene.groups:
                here = int(of_colour(cell_of(pixels, group.row, group.column), group.colour).sum())
                assert here >= 40 * group.count, f"{here} pixels of {group} {scene}"
            for colour in HUES:
                for place in {(r, c) for r in (0, 1) for c in (0, 1, 2)}:
                    if not any(g.colour == colour and (g.row, g.column) == place for g in scene.groups):
                        there = int(of_colour(cell_of(pixels, *place), colour).sum())
                        assert there < 40, f"{there} {colour} pixels at {place}: {scene}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_each_group_is_drawn_inside_its_own_place_and_large_is_larger_than_small(domain: str) -> None:
    """Draw a scene with and without its last group: what changes is that group."""
    area: dict[str, list[float]] = {"large": [], "small": []}
    for index, (scene, _) in enumerate(drawn(domain, 60)):
        group = scene.groups[-1]
        bare = np.asarray(draw(replace(scene, groups=scene.groups[:-1]), np.random.default_rng(index)), int)
        full = np.asarray(draw(scene, np.random.default_rng(index)), int)
        ys, xs = np.nonzero(np.abs(full - bare).max(-1) > 8)
        inside = (ys // 120 == group.row) & (xs // 80 == group.column)
        assert inside.mean() > 0.93, scene  # a shadow may reach over
        area[group.size].append(len(ys) / group.count)
    assert np.mean(area["large"]) > 2 * np.mean(area["small"])


def test_the_archive_holds_images_of_val_and_test_scenes_only(written: tuple[str, Path]) -> None:
    _, folder = written
    images = text_of(folder / "dataset.json")["images"]
    with zipfile.ZipFile(folder / "images.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(name_of(image) for image in images if image["split"] != "train")
    assert len({image["filename"] for image in images}) == len(images)


# --- the official formats ------------------------------------------------------------------------------------------
def test_the_readers_of_the_real_data_sets_read_the_files(written: tuple[str, Path]) -> None:
    domain, folder = written
    raw = text_of(folder / "dataset.json")
    table = read_karpathy(folder / "dataset.json")
    id_key = "cocoid" if domain == "daylight" else "imgid"
    assert references(table) == {i[id_key]: [s["raw"] for s in i["sentences"]] for i in raw["images"]}
    assert [row.caption_id for row in table] == [sentid for i in raw["images"] for sentid in i["sentids"]]
    assert Counter(row.split for row in table) == {split: 5 * count for split, count in COUNTS.items()}
    with_image = list(dict.fromkeys(row.file_name for row in table if row.split != "train"))
    assert all(isinstance(p, Image.Image) for p in read_images(folder / "images.zip", with_image))
    for split in ("train", "test"):
        questions = read_questions(folder / f"vqa_questions.{split}.json")
        annotations = read_annotations(folder / f"vqa_annotations.{split}.json", questions)["annotations"]
        assert len(questions) == 3 * COUNTS[split]
        assert {q.image_id for q in questions} == {row.image_id for row in table if row.split == split}
        answered = [(row["question_id"], row["image_id"]) for row in annotations]
        assert [(q.question_id, q.image_id) for q in questions] == answered


def test_captions_and_questions_on_disk_are_true_of_their_scenes(written: tuple[str, Path]) -> None:
    domain, folder = written
    images = text_of(folder / "dataset.json")["images"]
    drawn_again = {split: [scene for scene, _ in scenes(domain, split, n, 11)] for split, n in COUNTS.items()}
    scene_of = {}
    for image in images:
        scene = drawn_again[image["split"]].pop(0)
        scene_of[image.get("cocoid", image["imgid"])] = scene
        for sentence in image["sentences"]:
            assert not faults(sentence["raw"], scene)
    for split in ("train", "test"):
        answers = {a["question_id"]: a for a in text_of(folder / f"vqa_annotations.{split}.json")["annotations"]}
        for asked in text_of(folder / f"vqa_questions.{split}.json")["questions"]:
            true = true_answers(asked["question"], scene_of[asked["image_id"]])
            assert answers[asked["question_id"]]["multiple_choice_answer"] in true


def test_official_field_names_are_all_there(written: tuple[str, Path]) -> None:
    domain, folder = written
    data = text_of(folder / "dataset.json")
    assert data.keys() == {"images", "dataset"}
    assert data["dataset"] == domain
    of_image = {"filename", "imgid", "split", "sentids", "sentences", "objects"}
    for image in data["images"]:
        assert image.keys() == of_image | ({"filepath", "cocoid"} if domain == "daylight" else set())
        assert image["sentids"] == [s["sentid"] for s in image["sentences"]]
        assert image["split"] in COUNTS
        for sentence in image["sentences"]:
            assert sentence.keys() == {"tokens", "raw", "imgid", "sentid"}
            assert sentence["imgid"] == image["imgid"]
            assert sentence["tokens"] == re.findall(r"[a-z]+", sentence["raw"].lower())
    header = {"info", "data_type", "data_subtype", "license"}
    for split in ("train", "test"):
        questions = text_of(folder / f"vqa_questions.{split}.json")
        annotations = text_of(folder / f"vqa_annotations.{split}.json")
        assert questions.keys() == header | {"task_type", "questions"}
        assert annotations.keys() == header | {"annotations"}
        assert {frozenset(q) for q in questions["questions"]} == {frozenset({"image_id", "question", "question_id"})}
        for row in annotations["annotations"]:
            assert [a["answer_id"] for a in row["answers"]] == list(range(1, 11))
            assert {a["answer_confidence"] for a in row["answers"]} <= {"yes", "maybe", "no"}


def test_field_names_are_those_of_real_vqa_v2_files(written: tuple[str, Path], shared: Path) -> None:
    import gzip

    _, folder = written
    for part in ("questions", "annotations"):
        with gzip.open(shared / "real/vqa_v2" / f"{part}.json.gz", "rt", encoding="utf-8") as file:
            real = json.load(file)[part][0]
        ours = text_of(folder / f"vqa_{part}.test.json")[part][0]
        assert {key: type(value) for key, value in ours.items()} == {key: type(value) for key, value in real.items()}
        if part == "annotations":
            assert ours["answers"][0].keys() == real["answers"][0].keys()
