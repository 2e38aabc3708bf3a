"""The page of samples shows what was said of each image and question, and needs nothing but itself."""

import re
from pathlib import Path

import pytest

from maccap.core.artifacts import read_json
from maccap.core.records import read_record, record_path
from maccap.report.samples import RANDOM_IMAGES, RANDOM_QUESTIONS
from maccap.steps.runner import run_step
from tests.helpers.html_page import Page, require_standalone
from tests.helpers.report_inputs import (
    DATASETS,
    EXPERIMENTS,
    IMAGES,
    QUESTION,
    caption_of,
    cider_of,
    config,
    make_inputs,
    make_page,
)

CHOSEN = {"samples.daylight": [104, 117]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    make_page(make_inputs(folder), folder, config() | CHOSEN)
    return folder


@pytest.fixture(scope="module")
def text(folder) -> str:
    return (folder / "results/mini/samples.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def images_of(text: str, dataset: str) -> dict[str, list[tuple[int, str]]]:
    """{heading: [(image, why)]} of a data set's section."""
    section = re.search(rf'<section id="captions-{dataset}">.*?</section>', text, re.DOTALL)
    assert section
    parts = re.split(r"<h3>(.*?)</h3>", section[0])
    found = {title: re.findall(r"<h4>Image (\d+), (.*?)</h4>", part) for title, part in zip(parts[1::2], parts[2::2])}
    return {title: [(int(image), why) for image, why in images] for title, images in found.items()}


def test_chosen_images_come_first_and_a_dozen_are_drawn(text):
    found = images_of(text, "daylight")
    assert [image for image, _ in found["Chosen images"][:2]] == [104, 117]
    assert [why for _, why in found["Chosen images"]] == ["chosen in the config"] * 2 + ["best CIDEr", "worst CIDEr"]
    drawn = [image for image, _ in found["Images drawn at random"]]
    shown = {image for images in found.values() for image, _ in images}
    assert len(drawn) in range(RANDOM_IMAGES - 4, RANDOM_IMAGES + 1), "the chosen ones may be drawn, too"
    assert {why for _, why in found["Images drawn at random"]} == {"drawn at random"}
    assert sum(map(len, found.values())) == len(shown), "no image twice"


def test_an_image_has_its_captions_scores_candidates_and_references(page, text):
    for dataset in DATASETS["mini"]:
        for image, _ in (row for images in images_of(text, dataset).values() for row in images):
            [article] = [a for a in page.samples if f"Image {image}," in a and caption_of(dataset, "human", image) in a]
            for experiment in EXPERIMENTS:
                said = re.escape(caption_of(dataset, experiment, image))
                assert re.search(rf"{said}\s+{cider_of(experiment, image):.1f}\s", article)
            assert re.search(rf"0\.250\s+{re.escape(caption_of(dataset, 'maccap', image))} \(chosen\)", article)
            assert re.search(r"0\.100\s+Another\.\s", article)
            assert all(f"Reference {n} of {image}." in article for n in range(2))


def test_an_image_is_there_once_and_seen_without_and_with_its_subregions(page, text):
    images = {a["id"]: a["href"] for tag, a in page.tags if tag == "image"}
    uses = [a["href"] for tag, a in page.tags if tag == "use"]
    assert uses == [f"#{name}" for name in images]
    assert all(href.startswith("data:image/jpeg") for href in images.values())
    for name in images:
        first, second = re.findall(r"<svg.*?</svg>", re.split(f'id="{name.removeprefix("image-")}"', text)[1], re.S)[:2]
        assert name in first
        assert 'class="patch"' not in first
        assert f'<use href="#{name}"/>' in second
        assert second.count('class="patch"') in (3, 4), "four tokens, one of which may be the class token"


def test_questions_are_shown_with_answers_accuracies_and_the_given_ones(page):
    asked = [article for article in page.samples if QUESTION in article]
    assert len(asked) == RANDOM_QUESTIONS
    for article in asked:
        (number,) = set(re.findall(r"prefix says (\d+)", article))
        assert f"majority says {number}" in article
        assert re.search(r"\b100\b" if int(number) % 2 else r"\b30\b", article)
        assert "yes (7), no (3)" in " ".join(article.split())


def test_the_report_and_the_page_link_to_each_other(folder, text):
    report = (folder / "results/mini/report.html").read_text(encoding="utf-8")
    assert "samples.html" in {href for href, _ in Page(report).links}
    assert "report.html" in {href for href, _ in Page(text).links}


def test_the_page_needs_nothing_else_and_can_be_navigated(text, page):
    require_standalone(text, page)


def test_the_page_follows_from_the_samples_alone(folder, tmp_path, text):
    (tmp_path / "samples.json").write_bytes((folder / "artifacts/mini/samples.json").read_bytes())
    again = tmp_path / "samples.html"
    run_step("sample_page", {"samples": [tmp_path / "samples.json"]}, [again], config() | CHOSEN, ["sample-page"])
    assert again.read_text(encoding="utf-8") == text
    assert read_record(record_path(again)).sources.keys() == {str(tmp_path / "samples.json")}


def test_a_profile_without_samples_says_so(tmp_path):
    (tmp_path / "samples.json").write_text('{"images": [], "questions": []}')
    run_step(
        "sample_page", {"samples": [tmp_path / "samples.json"]}, [tmp_path / "samples.html"], config(), ["sample-page"]
    )
    text = (tmp_path / "samples.html").read_text(encoding="utf-8")
    assert "there is nothing to show" in text
    assert "<article" not in text


def test_every_image_of_a_small_test_set_is_shown_once(tmp_path):
    make_page(make_inputs(tmp_path), tmp_path, config() | {"samples.daylight": list(IMAGES)})
    found = read_json(tmp_path / "artifacts/mini/samples.json")["images"][0]["images"]
    assert sorted(image["image_id"] for image in found) == list(IMAGES)
