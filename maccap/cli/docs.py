"""`maccap docs`: the numbers of README and docs from the results, and the pages that the code writes."""

import argparse
from pathlib import Path

from ..core.artifacts import decoded, write_text
from ..core.errors import ConfigError, DataError
from ..core.project import default_profile
from ..figures.architecture import architecture_figure
from ..figures.method import method_figure
from ..graph.rules_page import rules_page, rules_svg
from ..report.api import api_page
from ..report.docs import filled
from .costs import costs_page

WRITTEN = {
    Path("docs/api.md"): api_page,
    Path("docs/architecture.svg"): architecture_figure,
    Path("docs/costs.md"): costs_page,
    Path("docs/method.svg"): method_figure,
    Path("docs/rules.md"): rules_page,
    Path("docs/rules.svg"): rules_svg,
}


def run(parsed: argparse.Namespace) -> None:
    """Write the pages, or with `--check` refuse those that say something else than the results and the code.

    Raises:
        ConfigError: a page is stale.
        DataError: a mark is wrong, or a table that a page shows is missing, or has no such column, row or note.
        EnvironmentProblem: the current folder is not the project's.
    """
    default_profile()
    stale: list[str] = []
    for path in (Path("README.md"), *sorted({*Path("docs").glob("*.md"), *WRITTEN})):
        text = decoded(path.read_bytes(), path) if path.exists() or path not in WRITTEN else ""
        try:
            now = WRITTEN[path]() if path in WRITTEN else filled(text, Path())
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        if now != text and parsed.check:
            stale.append(str(path))
        elif now != text:
            write_text(path, now)
            print(path)
    if stale:
        others = f", nor are {', '.join(stale[1:])}" if stale[1:] else ""
        raise ConfigError(f"{stale[0]}: it is not as the results and the code have it{others}; run maccap docs")
