"""What this machine has, found out in a second or two: nothing is imported that takes long."""

import os
import platform
import re
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from multiprocessing.pool import ThreadPool
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import psutil
import requests

from ..core.allocation import cores
from ..core.errors import EnvironmentProblem
from ..core.records import RECORDED_PACKAGES, version_of
from ..fetch.download import MIRROR_VARIABLE, is_url
from ..fetch.transfer import SOCKS
from ..metrics.java import ensure_java, java_version
from ..models.devices import query_gpus

PATIENCE = 1.5  # seconds for the network to answer
HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Packages:
    """Installed packages against the lock.

    Attributes:
        pinned: how many the lock names.
        missing: those that this package or its workflow cannot do without, and that are not installed.
        different: {name: (installed, pinned)} where they differ; None for what is not installed.
        matter: {name: version or None} of those that decide numbers.
    """

    pinned: int
    missing: list[str]
    different: dict[str, tuple[str | None, str]]
    matter: dict[str, str | None]


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes; `gpus` are names and memory; `java` is a path and a version, or why there is none; `mirrored`
    says that the source of downloads is a mirror of all assets.
    """

    python: str
    packages: Packages
    gpus: list[tuple[str, int]]
    cores: int
    memory: int
    memory_free: int
    disk_free: int
    java: str
    java_version: int | None
    source: str
    source_fault: str
    mirrored: bool


def examine(lock: Path) -> Machine:
    """This machine, seen from the current folder; the probes run beside each other."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    source = mirror or os.environ.get("HF_ENDPOINT") or HUB
    probes: dict[str, Callable[[], Any]] = {
        "packages": lambda: installed(lock), "gpus": gpus, "java": java, "fault": lambda: fault_of(source)
    }  # fmt: skip
    with ThreadPool(len(probes)) as pool:
        waiting = {name: pool.apply_async(probe) for name, probe in probes.items()}
        found = {name: result.get() for name, result in waiting.items()}
    memory = psutil.virtual_memory()
    path, version = found["java"]
    return Machine(
        platform.python_version(), found["packages"], found["gpus"], cores(), memory.total, memory.available,
        shutil.disk_usage(".").free, path, version, source, found["fault"], bool(mirror),
    )  # fmt: skip


def installed(lock: Path) -> Packages:
    """Versions against the pins of a lock file.

    Raises:
        EnvironmentProblem: there is no lock file.
    """
    if not lock.is_file():
        raise EnvironmentProblem(f"{lock}: no such file; change to the project's folder")
    lines = [line.split("#")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    pins = {name.split("[")[0]: pin for name, _, pin in (line.partition("==") for line in lines if line)}
    different = {name: (here, pin) for name, pin in pins.items() if (here := version_of(name)) != pin}
    missing = [name for name in _required() if version_of(name) is None]
    return Packages(len(pins), missing, different, {name: version_of(name) for name in RECORDED_PACKAGES})


def _required() -> list[str]:
    try:
        needed = metadata.requires("maccap") or []
    except metadata.PackageNotFoundError:
        needed = []
    names = [re.split(r"[^\w.-]", requirement)[0] for requirement in needed if "extra ==" not in requirement]
    return [*names, "snakemake"]


def gpus() -> list[tuple[str, int]]:
    """Name and memory in bytes of each NVIDIA GPU, as the driver knows them."""
    lines = [line.rsplit(",", 1) for line in query_gpus("name,memory.total")]
    return [(name.strip(), int(memory) * 2**20 if memory.strip().isdigit() else 0) for name, memory in lines]


def java() -> tuple[str, int | None]:
    """The path of the Java that the metrics will use and its version; the reason and None where there is none."""
    try:
        return ensure_java(), java_version()
    except EnvironmentProblem as error:
        return str(error), None


def fault_of(source: str) -> str:
    """Why nothing comes from a folder that is not there, or an address that does not answer within PATIENCE; or ""."""
    silent = "does not answer"
    if not is_url(source):
        return "" if Path(source).is_dir() else silent
    told: Queue[str] = Queue()

    def ask() -> None:
        try:
            requests.head(source, timeout=PATIENCE)
            told.put("")
        except requests.RequestException as error:
            told.put(f"cannot be asked. {SOCKS}" if "SOCKS" in str(error) else silent)

    threading.Thread(target=ask, daemon=True).start()  # a name server may be slower than any timeout
    with suppress(Empty):
        return told.get(timeout=PATIENCE)
    return silent
