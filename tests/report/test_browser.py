"""The report and its samples in a real browser: not wider than a phone, nothing loaded, links reach the trace.

The browser opens a small page that holds one of them in a frame, looks at it from there, and prints what it saw.
"""

import html
import json
import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from maccap.core.dotted import leaves
from maccap.core.job import Job
from maccap.core.project import read_config
from maccap.report.page import report_page
from maccap.tables.anchors import artifact_anchor, cell_anchor
from tests.helpers import ROOT
from tests.helpers.report_inputs import make_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROBE = """<!doctype html><meta charset="utf-8">
<iframe id="frame" style="width:WIDTHpx;height:900px;border:0" src="/PAGE"></iframe>
<pre id="seen"></pre><script>
const frame = document.getElementById("frame"), anchor = ANCHOR, seen = {};
frame.onload = () => {
  const inside = frame.contentWindow, page = inside.document;
  if (inside.location.pathname === "/PAGE") {
    seen.width = page.documentElement.scrollWidth;
    seen.boxes = [...page.querySelectorAll(".scroll")].filter(box => box.scrollWidth > box.clientWidth).length;
    seen.loaded = inside.performance.getEntriesByType("resource").map(entry => entry.name);
    seen.images = [...page.images].map(image => image.complete && image.naturalWidth > 0);
    seen.narrow = [...page.querySelectorAll("img.narrow")].map(image => image.getBoundingClientRect().right);
    seen.squares = [...page.querySelectorAll("svg use")].map(use => use.getBoundingClientRect().width);
    seen.tables = [...page.querySelectorAll("table.numbers")].map(table => {
      const heads = [...table.querySelectorAll("thead th")], box = table.closest(".scroll");
      const decisive = heads.find(head => head.textContent.startsWith("Δ"))
        ?? heads.find(head => head.textContent === "CIDEr") ?? heads[1];
      const about = {title: decisive.textContent, right: decisive.getBoundingClientRect().right};
      about.folded = box.scrollWidth - box.clientWidth;
      table.closest("section").querySelector(".unfold")?.click();
      about.unfolded = box.scrollWidth - box.clientWidth;
      box.scrollLeft = box.scrollWidth;
      about.moved = box.scrollLeft;
      about.names = [...table.querySelectorAll("th[scope=row]")].map(
        name => Math.abs(name.getBoundingClientRect().left - box.getBoundingClientRect().left)
      );
      return about;
    });
    seen.ground = inside.getComputedStyle(page.body).backgroundColor;
    seen.ink = inside.getComputedStyle(page.body).color;
    page.querySelector(`a[href="trace.html#${anchor}"]`).click();
  } else {
    seen.address = inside.location.pathname + inside.location.hash;
    seen.target = page.querySelector(":target")?.id ?? null;
    document.getElementById("seen").textContent = JSON.stringify(seen);
  }
};
</script>"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and notes every request with its answer."""

    asked: list[tuple[str, int]]

    def log_request(self, code="-", size="-"):
        self.server.asked.append((self.path, int(code)))

    def log_error(self, *_):
        pass


@pytest.fixture(scope="module")
def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("needs Chromium on PATH: apt-get install chromium")
    return found


@pytest.fixture(scope="module")
def anchor() -> str:
    return cell_anchor("in_domain", ["Daylight", "MacCap"], "CIDEr")


@pytest.fixture(scope="module")
def site(tmp_path_factory, anchor) -> Path:
    """A folder of results with the report and the samples, and a page in the place of the trace."""
    results = make_report(tmp_path_factory.mktemp("site")).parent
    past = f'<p id="{anchor}">The past of a number.</p><p id="{shown(results)}">The past of a caption.</p>'
    (results / "trace.html").write_text(f'<!doctype html><p style="height:4000px">The trace.</p>{past}')
    return results


def shown(results: Path) -> str:
    """The anchor of a file of captions that both pages show."""
    return artifact_anchor(str(results.parents[1] / "artifacts/mini/predictions/daylight/maccap.1.jsonl.gz"))


def look(
    browser: str, site: Path, anchor: str, width: int, *options: str, page: str = "report.html"
) -> tuple[dict, list[tuple[str, int]]]:
    """What the probing page saw, and what the browser asked for."""
    probe = PROBE.replace("WIDTH", str(width)).replace("ANCHOR", json.dumps(anchor)).replace("PAGE", page)
    (site / "probe.html").write_text(probe, encoding="utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={site.parent / 'browser'}",
            "--virtual-time-budget=20000", "--window-size=1700,1000", *options, "--dump-dom",
            f"http://127.0.0.1:{server.server_port}/probe.html",
        ]  # fmt: skip
        run = subprocess.run(command, capture_output=True, text=True, timeout=120)
        server.shutdown()
    found = re.search(r'<pre id="seen">(\{.*\})</pre>', run.stdout)
    assert found, f"the page was not opened or its link not followed\n{run.stdout[-2000:]}\n{run.stderr[-2000:]}"
    return json.loads(html.unescape(found[1])), server.asked


@pytest.mark.parametrize("width", [360, 900, 1600])
def test_the_page_fits_and_a_number_leads_to_its_trace(browser, site, anchor, width):
    seen, asked = look(browser, site, anchor, width)
    assert seen["width"] <= width
    assert seen["boxes"] > 0 or width > 360, "on a phone, wide tables scroll inside their boxes"
    assert all(seen["images"])
    assert len(seen["images"]) >= 3
    assert all(name.startswith("data:") for name in seen["loaded"])
    assert seen["address"] == f"/trace.html#{anchor}"
    assert seen["target"] == anchor
    assert {path: code for path, code in asked if path != "/favicon.ico"} == {
        "/probe.html": 200, "/report.html": 200, "/trace.html": 200,
    }  # fmt: skip


@pytest.mark.parametrize("width", [360, 1600])
def test_the_samples_fit_and_show_each_image_twice(browser, site, width):
    seen, asked = look(browser, site, shown(site), width, page="samples.html")
    assert seen["width"] <= width
    assert all(seen["images"])
    assert len(seen["squares"]) > 20
    assert all(90 < square < 400 for square in seen["squares"])
    assert all(name.startswith("data:") for name in seen["loaded"])
    assert seen["target"] == shown(site)
    assert {path for path, _ in asked if path != "/favicon.ico"} == {"/probe.html", "/samples.html", "/trace.html"}


@pytest.fixture(scope="module")
def world(site) -> str:
    """The name of a report of the committed results beside the others, whose trace has the same place."""
    profile = read_config("world", ROOT)
    tables = [ROOT / f"results/world/tables/{name}.json" for name in profile["tables"]]
    figures = [path for path in (ROOT / "results/world/figures").iterdir() if path.suffix in (".png", ".svg")]
    outputs = [site / name for name in ("world.html", "trace.html", "numbers.tex")]
    cfg = leaves("", profile) | {"extended": False}
    text = report_page(Job({"tables": tables, "figures": figures, "methods": []}, outputs, cfg))
    outputs[0].write_text(text, encoding="utf-8")
    return outputs[0].name


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_what_decides_is_on_screen_and_row_names_stay(browser, site, anchor, world, width):
    seen, _ = look(browser, site, anchor, width, page=world)
    assert seen["width"] <= width
    assert len(seen["tables"]) > 10
    assert {"ΔCIDEr [95 %]", "CIDEr"} < {table["title"].replace("\u00a0", " ") for table in seen["tables"]}
    assert all(0 < table["right"] <= width for table in seen["tables"])
    assert len(seen["narrow"]) > 1, "the image at work and the table of captions, drawn"
    assert all(0 < right <= width for right in seen["narrow"])
    assert all(max(table["names"]) < 2 for table in seen["tables"])
    assert any(table["moved"] > 0 for table in seen["tables"]) or width == 1280
    if width == 1280:
        assert {table["folded"] for table in seen["tables"]} == {0}
        assert seen["tables"][0]["unfolded"] == 0


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2) of `rgb(r, g, b)`."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_in_light_and_dark(browser, site, anchor, dark):
    # The browser's setting for `prefers-color-scheme: dark`, unlike its own darkening of pages.
    options = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    seen, _ = look(browser, site, anchor, 900, *options)
    ground, ink = luminance(seen["ground"]), luminance(seen["ink"])
    assert (ground < ink) == dark
    assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) >= 7
