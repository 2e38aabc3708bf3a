"""The report and its page of samples say what their inputs say: numbers with links, true captions, equal bytes."""

import re
from collections import Counter
from pathlib import Path

import pytest

from maccap.core.artifacts import read_json, write_text
from maccap.core.errors import DataError
from maccap.core.job import Job
from maccap.core.records import Code, OutputFile, Record, now, read_record, record_path
from maccap.data.features import read_store
from maccap.data.formats import formats
from maccap.data.predictions import read_answers, write_answers
from maccap.metrics.metric_files import read_metrics, write_metrics
from maccap.models.subregions import attended_tokens
from maccap.report import about, images, samples
from maccap.report.page import report_page
from maccap.report.samples import RANDOM_IMAGES, RANDOM_QUESTIONS
from maccap.report.template import environment
from maccap.steps.runner import run_step
from maccap.tables.anchors import cell_anchor
from maccap.tables.table import Cell, Row, Table, read_table, write_table
from tests.helpers.html_page import Page, require_standalone
from tests.helpers.report_inputs import (
    DATASETS,
    EXPERIMENTS,
    GRID,
    IMAGES,
    QUESTION,
    add_captions,
    caption_of,
    cider_of,
    config,
    make_inputs,
    make_page,
)

CHOSEN = {"samples.daylight": [104, 117]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    make_page(make_inputs(folder), folder, config() | CHOSEN)
    return folder


@pytest.fixture(scope="module")
def text(folder) -> str:
    return (folder / "results/mini/report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


@pytest.fixture(scope="module")
def shown(folder) -> str:
    return (folder / "results/mini/samples.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def samples_page(shown) -> Page:
    return Page(shown)


def test_every_number_is_there_once_with_its_link(folder, page):
    expected = Counter()
    for path in (folder / "results/mini/tables").glob("*.json"):
        if not path.name.endswith(".prov.json"):
            table = read_table(path)
            for row, column, cell in table.numbers():
                expected[f"trace.html#{cell_anchor(path.stem, row.labels, column)}", cell.text(table.digits)] += 1
    found = Counter((href, text) for href, text in page.links if href.split("#")[-1].split("-")[0] in
                    ("in_domain", "reported", "gap"))  # fmt: skip
    assert Counter({link: n for link, n in found.items() if link[0].startswith("trace.html#")}) == expected
    assert len(expected) == 10
    assert all(text for _, text in page.links)


def test_texts_of_tables_and_notes_are_shown_and_escaped_and_claims_come_first(text):
    assert '<td class="number">not run</td>' in text
    assert "holds here &amp; &lt;now&gt;." in text
    assert "<now>" not in text
    claim = "“noise helps”: holds here &amp; &lt;now&gt;."
    assert text.index(claim) < text.index('<section id="results">')
    assert text.count(claim) == 2, "once at the top, once below its table"


def test_what_is_not_usual_is_folded_and_intervals_stand_with_their_differences(folder, page):
    inputs = {name: [] for name in ("figures", "methods")}
    files, outputs = [folder / "ablation.json"], [Path(name) for name in ("report.html", "trace.html", "n.tex")]
    cells = [Cell(value, None, 1, []) for value in (37.6, 70.1, -18.7, -26.4, -11.1)]
    columns = ["BLEU-1", "CIDEr", "ΔCIDEr", "Δ 95 % low", "Δ 95 % high"]
    write_table(Table("Ablation", ["variant"], columns, [Row(["no noise"], cells)]), files)
    figures = {path.stem: path for path in (folder / "results/mini/figures").glob("*.svg")}
    inputs["figures"] = [path.with_suffix(end) for path in figures.values() for end in (".png", ".svg")]
    text = report_page(Job(inputs | {"tables": files}, outputs, config()))
    row = re.search(r'<th scope="row">no noise</th>(.*?)</tr>', text, re.S)[1]
    shown = [re.sub(r"<.*?>|\n", "", cell) for cell in re.findall(r'<td class="number">(.*?)</td>', row, re.S)]
    folded = [re.sub(r"<.*?>|\n", "", cell) for cell in re.findall(r'<td class="number more">(.*?)</td>', row, re.S)]
    assert (shown, folded) == (["−18.7 [−26.4, −11.1]", "70.1"], ["37.6"])
    assert "all 3 columns</label>" in text


def test_where_nothing_is_trained_there_is_no_section_about_training(text):
    outputs = [Path(name) for name in ("report.html", "trace.html", "n.tex")]
    bare = report_page(Job({name: [] for name in ("figures", "methods", "tables")}, outputs, config()))
    assert [page.count('id="training"') for page in (text, bare)] == [1, 0]
    assert [page.count('href="#training"') for page in (text, bare)] == [1, 0]


def test_patches_are_the_attended_tokens_in_their_places(folder):
    store = folder / "artifacts/mini/features/daylight/images.test.1.safetensors"
    grid, patches = images.attended([store], [103, 110], 4)
    assert grid == GRID
    attention = read_store(store)["attention"]
    for image_id, found in patches.items():
        tokens = attended_tokens(attention[image_id - 101 : image_id - 100].float(), 4)[0].tolist()
        assert [1 + GRID * patch["row"] + patch["column"] for patch in found] == [token for token in tokens if token]
        assert [patch["rank"] for patch in found] == [rank for rank, token in enumerate(tokens, 1) if token]


def test_settings_and_what_was_not_run_are_told(text):
    cfg = config()
    for key in ("training.learning_rate", "generation.beams", "scenes.test"):
        assert re.search(rf"{key.split('.')[1]}</th><td>{about.shown(cfg[key])}</td>", text), key
    assert "CapDec (Nukrai, Mokady and Globerson" in text
    assert "copies: 1" in text
    assert "SPICE: the profile names no Stanford CoreNLP" in text
    assert "1 of 2 published numbers" in text
    assert re.search(r"1 seed\s+\(2401\)", text)
    assert "Reduced run." in text


def test_every_format_of_a_data_set_is_told():
    cfg = {f"datasets.{kind}.{key}": kind for kind in formats() for key in ("label", "format")}
    assert [label for label, what, _ in about.dataset_rows(cfg) if what] == list(about.names(cfg, "datasets"))


def test_a_full_run_says_nothing_of_reduction_or_missing_parts():
    cfg = config() | {"reduced": False, "spice": "corenlp"}
    tables = {"reported": Table("R", ["m"], ["reproduced"], [Row(["x"], [Cell(1.0, None, 1, [])])])}
    assert about.not_run(cfg, tables) == []
    assert about.not_run(config(), {})[0].startswith("The paper's own data and models")


def test_the_environment_comes_from_the_records_of_the_whole_past(tmp_path, monkeypatch):
    def record(path: str, inputs: dict[str, str], torch: str) -> None:
        made = {path: OutputFile(sha256="0" * 64, size=1)}
        host = {"machine": "x86_64", "system": "Linux", "cores": 2}
        past = Record(
            step="train", outputs=made, inputs={"run": inputs}, settings={}, command="", started=now(), ended=now(),
            code=Code(package="1", commit=None, dirty=None), python="3.11.7", packages={"torch": torch}, host=host,
        )  # fmt: skip
        write_text(past.path, past.text())

    monkeypatch.chdir(tmp_path)
    record("artifacts/run", {}, "2.13.0")
    record("results/metric", {"artifacts/run": "0" * 64}, "2.14.1")
    found = about.environment(["results/metric"])
    assert found == {
        "pythons": ["3.11.7"], "packages": [["torch", "2.13.0, 2.14.1"]],
        "hosts": ["Linux on x86_64, 2 cores, no GPU used"], "records": 2,
    }  # fmt: skip


def test_equal_inputs_give_equal_bytes_and_no_times(folder, text, tmp_path):
    inputs = make_inputs(tmp_path)
    first, second = (make_page(inputs, tmp_path, config() | CHOSEN).read_text(encoding="utf-8") for _ in range(2))
    assert first == second
    assert re.sub(
        '<section id="environment".*?</section>|[0-9a-f]{64}', "", first.replace(str(tmp_path), ""), flags=re.S
    ) == re.sub('<section id="environment".*?</section>|[0-9a-f]{64}', "", text.replace(str(folder), ""), flags=re.S)
    assert not re.search(r"20\d\d-\d\d-\d\d", text)


def test_the_pages_need_nothing_else_and_their_local_links_lead_to_files(text, page, shown, samples_page, folder):
    require_standalone(text, page)
    require_standalone(shown, samples_page)
    assert "samples.html" in {href for href, _ in page.links}
    assert "report.html" in {href for href, _ in samples_page.links}
    there = {href for href, _ in page.links if "://" not in href and not href.startswith(("#", "trace.html"))}
    missing = {href for href in there if not (folder / "results/mini" / href.split("#")[0]).exists()}
    assert missing == {"tables/numbers.tex"}, "its job makes it beside the page"


def test_characters_that_are_not_seen_are_marked():
    page = environment().from_string("{{ text }}").render(text="a\x00b\x1b[31m\u202ec\td<")
    assert page == "a\ufffdb\ufffd[31m\ufffdc\td&lt;"


def test_two_numbers_with_one_place_are_an_error(folder, tmp_path):
    inputs = make_inputs(tmp_path)
    rows = [Row([label], [Cell(1.0, None, 1, [])]) for label in ("a b", "a-b")]
    write_table(Table("T", ["x"], ["y"], rows), [inputs["tables"][0]])
    with pytest.raises(DataError, match="share the place in_domain-a-b-y"):
        make_page(inputs, tmp_path, config())


def test_predictions_of_another_test_set_are_named(folder, tmp_path):
    inputs = make_inputs(tmp_path)
    lines = inputs["images_daylight"][0].read_text().splitlines()
    inputs["images_daylight"][0].write_text("\n".join(line for line in lines if '"image_id": 10' not in line) + "\n")
    with pytest.raises(DataError, match="the predictions belong to another test set"):
        make_page(inputs, tmp_path, config())


def test_the_paper_profile_is_told_in_its_own_words(folder, tmp_path):
    inputs = make_inputs(tmp_path, "paper")
    add_captions(inputs, tmp_path, "coco", "magic", IMAGES[:1], published=True)
    text = make_page(inputs, tmp_path, config("paper")).read_text(encoding="utf-8")
    assert "results of the paper profile" in text
    assert "Reduced run." not in text
    assert "captions alone, without images" in text
    samples_text = (tmp_path / "results/mini/samples.html").read_text(encoding="utf-8")
    assert "MAGIC (published predictions, rescored)</th><td>—</td>" in samples_text, "not every image has any"
    assert "SPICE: the profile" not in text


def test_images_named_in_the_config_are_shown_first_and_the_seed_draws_others() -> None:
    cider = {image: float(image % 7) for image in range(100, 130)}
    plain = samples._choose(cider, [], 3)
    asked = samples._choose(cider, [129, next(iter(plain))], 3)
    assert list(asked)[:2] == [129, next(iter(plain))]
    assert [asked[image] for image in list(asked)[:2]] == ["chosen in the config"] * 2
    assert set(plain.values()) == {"drawn at random", "best CIDEr", "worst CIDEr"}
    assert set(plain) <= set(asked), "neither best, worst nor the draw depend on what was asked for"
    assert [plain[image] for image in plain][:2] == ["best CIDEr", "worst CIDEr"]
    assert set(samples._choose(cider, [], 4)) - set(plain)
    with pytest.raises(DataError, match="samples: image 7 is not in the test set; correct `samples` in the config"):
        samples._choose(cider, [7], 3)


# --- the page of samples -------------------------------------------------------------------------------------------
def images_of(text: str, dataset: str) -> dict[str, list[tuple[int, str]]]:
    """{heading: [(image, why)]} of a data set's section."""
    section = re.search(rf'<section id="captions-{dataset}">.*?</section>', text, re.DOTALL)
    assert section
    parts = re.split(r"<h3>(.*?)</h3>", section[0])
    found = {title: re.findall(r"<h4>Image (\d+), (.*?)</h4>", part) for title, part in zip(parts[1::2], parts[2::2])}
    return {title: [(int(image), why) for image, why in images] for title, images in found.items()}


def test_chosen_images_come_first_and_a_dozen_are_drawn(shown):
    found = images_of(shown, "daylight")
    assert [image for image, _ in found["Chosen images"][:2]] == [104, 117]
    assert [why for _, why in found["Chosen images"]] == ["chosen in the config"] * 2 + ["best CIDEr", "worst CIDEr"]
    drawn = [image for image, _ in found["Images drawn at random"]]
    shown = {image for images in found.values() for image, _ in images}
    assert len(drawn) in range(RANDOM_IMAGES - 4, RANDOM_IMAGES + 1), "the chosen ones may be drawn, too"
    assert {why for _, why in found["Images drawn at random"]} == {"drawn at random"}
    assert sum(map(len, found.values())) == len(shown), "no image twice"


def test_an_image_has_its_captions_scores_candidates_and_references(samples_page, shown):
    for dataset in DATASETS["mini"]:
        for image, _ in (row for rows in images_of(shown, dataset).values() for row in rows):
            human = caption_of(dataset, "human", image)
            [article] = [own for own in samples_page.samples if f"Image {image}," in own and human in own]
            for experiment in EXPERIMENTS:
                said = re.escape(caption_of(dataset, experiment, image))
                assert re.search(rf"{said}\s+{cider_of(experiment, image):.1f}\s", article)
            assert re.search(rf"0\.250\s+{re.escape(caption_of(dataset, 'maccap', image))} \(chosen\)", article)
            assert re.search(r"0\.100\s+Another\.\s", article)
            assert f"Reference 0 of {image}. Reference 1 of {image}. (left out for human and ceiling)" in " ".join(
                article.split()
            )


def test_an_image_is_there_once_and_seen_without_and_with_its_subregions(samples_page, shown):
    images = {a["id"]: a["href"] for tag, a in samples_page.tags if tag == "image"}
    assert [a["href"] for tag, a in samples_page.tags if tag == "use"] == [f"#{name}" for name in images]
    assert all(href.startswith("data:image/jpeg") for href in images.values())
    for name in images:
        part = shown.split(f'id="{name.removeprefix("image-")}"')[1]
        first, second = re.findall(r"<svg.*?</svg>", part, re.S)[:2]
        assert name in first
        assert 'class="patch"' not in first
        assert f'<use href="#{name}"/>' in second
        assert second.count('class="patch"') in (3, 4), "four tokens, one of which may be the class token"


def test_questions_are_shown_with_answers_accuracies_and_the_given_ones(samples_page):
    asked = [article for article in samples_page.samples if QUESTION in article]
    assert len(asked) == RANDOM_QUESTIONS
    for article in asked:
        (number,) = set(re.findall(r"prefix says (\d+)", article))
        assert f"majority says {number}" in article
        assert re.search(r"\b100\b" if int(number) % 2 else r"\b30\b", article)
        assert "yes (7), no (3)" in " ".join(article.split())


def test_what_is_given_a_reference_leads_no_samples_and_has_no_candidates_there(tmp_path):
    inputs = make_inputs(tmp_path)
    given = {f"experiments.capdec.{key}": value for key, value in (("given", "reference"), ("run", "maccap"))}
    cfg = config() | given | {"shown": ["capdec", "maccap", "human"]}
    make_page(inputs, tmp_path, cfg)
    for image in read_json(tmp_path / "artifacts/mini/samples.json")["images"][0]["images"]:
        [chosen] = [own["text"] for own in image["candidates"] if own["chosen"]]
        assert chosen == caption_of("daylight", "maccap", image["image_id"])


def test_answers_after_training_on_several_data_sets_are_told_apart(tmp_path):
    inputs = make_inputs(tmp_path)
    (before, _), metrics = inputs["answers"], inputs["answer_metrics"]
    rows = [row | {"trained": "chalk", "answer": "after chalk"} for row in read_answers([before]).to_dict("records")]
    write_answers(other := before.with_name("other.1.jsonl.gz"), rows)
    scores = read_metrics(metrics).to_dict("records")
    scores += [row | {"trained": "chalk", "accuracy": 12.5} for row in scores if row["vqa_method"] == "prefix"]
    write_metrics(metrics, scores)
    make_page(inputs | {"answers": [*inputs["answers"], other]}, tmp_path, config())
    for asked in read_json(tmp_path / "artifacts/mini/samples.json")["questions"][0]["questions"]:
        prefix, majority, after = asked["answers"]
        assert [prefix["score"], majority["score"]] == [100.0 if asked["question_id"] % 2 else 30.0] * 2
        assert (after["text"], after["score"]) == ("after chalk", 12.5)
        assert [own["label"].rpartition(" (")[2] for own in (prefix, after)] == [
            "trained on daylight)",
            "trained on chalk)",
        ]


def test_the_page_follows_from_the_samples_alone(folder, tmp_path, shown):
    (tmp_path / "samples.json").write_bytes((folder / "artifacts/mini/samples.json").read_bytes())
    again = tmp_path / "samples.html"
    run_step("sample_page", {"samples": [tmp_path / "samples.json"]}, [again], config() | CHOSEN, ["sample-page"])
    assert again.read_text(encoding="utf-8") == shown
    assert read_record(record_path(again)).sources.keys() == {str(tmp_path / "samples.json")}


def test_a_profile_without_samples_says_so(tmp_path):
    (samples := tmp_path / "samples.json").write_text('{"images": [], "questions": []}')
    run_step("sample_page", {"samples": [samples]}, [tmp_path / "samples.html"], config(), ["sample-page"])
    text = (tmp_path / "samples.html").read_text(encoding="utf-8")
    assert "there is nothing to show" in text
    assert "<article" not in text


def test_every_image_of_a_small_test_set_is_shown_once(tmp_path):
    make_page(make_inputs(tmp_path), tmp_path, config() | {"samples.daylight": list(IMAGES)})
    found = read_json(tmp_path / "artifacts/mini/samples.json")["images"][0]["images"]
    assert sorted(image["image_id"] for image in found) == list(IMAGES)
