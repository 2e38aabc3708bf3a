"""`maccap doctor` on faked machines: what it says is missing, and when it says that a profile can run."""

import http.server
import re
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import yaml

import maccap.cli.doctor
import maccap.cli.machine
from maccap.cli.costs import job_hours
from maccap.cli.machine import Machine, Packages, examine, fault_of, gpus, installed
from maccap.cli.main import main
from maccap.core.errors import EnvironmentProblem
from maccap.core.job import Job
from maccap.core.records import Records, now, write_record
from tests.helpers import ROOT

GOOD = Machine(
    python="3.11.7", packages=Packages(3, [], {}, {"torch": "2.14.1", "dvc": None}),
    gpus=[("NVIDIA H100", 80 * 2**30)], cores=8, memory=64 * 10**9, memory_free=60 * 10**9, disk_free=10**12,
    java="/usr/bin/java", java_version=11, source="https://huggingface.co", source_fault="", mirrored=False,
)  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project's folder with two profiles, the user's own image archive in place."""
    for name in ("config", "workflow", "maccap", "Snakefile", "requirements.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config").unlink()
    (tmp_path / "config").mkdir()
    for name in ("config", "base", "world", "mini", "paper"):
        content = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
        if name == "paper":
            content["local"] = {"flickr30k-images": "/data/flickr30k-images"}
        (tmp_path / f"config/{name}.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def diagnosis(monkeypatch, capsys, machine: Machine) -> tuple[int, dict[str, str]]:
    """Exit code and the text about each profile, by its name; the machine's under an empty name."""
    monkeypatch.setattr(maccap.cli.doctor, "examine", lambda lock: machine)
    code = main(["doctor"])
    parts = capsys.readouterr().out.split("\nProfile ")
    return code, {"": parts[0]} | {part.split()[0].rstrip(":"): part for part in parts[1:]}


def test_a_good_machine_can_run_everything_on_one_screen(project, monkeypatch, capsys):
    code, said = diagnosis(monkeypatch, capsys, GOOD)
    assert code == 0
    assert "mini (default): can run" in said["mini"]
    assert "paper: can run" in said["paper"]
    assert not any("missing" in part for part in said.values())
    assert "NVIDIA H100 (85.9 GB)" in said[""]
    assert "version 11, fit for the metrics and SPICE" in said[""]
    assert sum(part.count("\n") for part in said.values()) <= 24


@pytest.mark.parametrize(
    ("change", "profile", "said"),
    [
        ({"gpus": []}, "paper", "1 GPU for each job, 0 here; about 186 GPU hours"),
        ({"gpus": []}, "paper", "on 4 GPUs 47 h"),
        ({"java_version": 17}, "paper", "Java 8 or 11 for SPICE: put one first on PATH"),
        ({"memory": 4 * 10**9}, "paper", "8.0 GB of memory for SPICE: use a larger machine"),
        (
            {"source_fault": "does not answer"},
            "paper",
            "1 file of unknown size to download: https://huggingface.co does not answer; connect",
        ),
        ({"disk_free": 10**9}, "paper", "GB of disk: free some"),
        ({"disk_free": 10**7}, "mini", "0.5 GB of disk: free some"),
        ({"java": "no `java` on PATH", "java_version": None}, "mini", "Java for the caption metrics. no `java`"),
        ({"packages": Packages(3, ["torch"], {}, {})}, "mini", "packages torch: make install"),
        ({"python": "3.10.2"}, "mini", "Python 3.11 or later, this is 3.10.2"),
    ],
)
def test_what_is_missing_is_named_with_what_to_do(project, monkeypatch, capsys, change, profile, said):
    code, parts = diagnosis(monkeypatch, capsys, replace(GOOD, **change))
    assert said in parts[profile]
    assert "cannot run as it is" in parts[profile].splitlines()[0]
    assert code == (1 if profile == "mini" else 0)
    if profile == "paper":
        assert "can run" in parts["mini"]
        assert "missing" not in parts["mini"]


def test_hours_are_told_for_the_gpus_that_are_here(project, monkeypatch, capsys):
    _, one = diagnosis(monkeypatch, capsys, GOOD)
    _, four = diagnosis(monkeypatch, capsys, replace(GOOD, gpus=GOOD.gpus * 4))
    (total,) = re.findall(r"about (\d+) GPU hours", one["paper"])
    assert f"about {total} GPU hours" in four["paper"]
    (shared,) = re.findall(r"on 4 GPUs (\d+) h", four["paper"])
    assert int(shared) == pytest.approx(int(total) / 4, abs=1)
    assert "on 1 GPUs" not in one["paper"]


def test_what_jobs_took_is_the_sum_of_their_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, minutes in (("artifacts/mini/a", 30), ("results/mini/b", 60), ("artifacts/minimal/c", 600)):
        Path(name).parent.mkdir(parents=True)
        Path(name).touch()
        write_record("table", Job({}, [Path(name)], {}), now() - timedelta(minutes=minutes))
    assert job_hours("mini", Records()) == pytest.approx(1.5, abs=0.01)
    assert job_hours("mini", Records(), tracked=True) == 0, "nothing is in git"


def test_a_mirror_without_the_files_does_not_do(project, monkeypatch, capsys, tmp_path):
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    code, said = diagnosis(monkeypatch, capsys, replace(GOOD, source=str(mirror), mirrored=True))
    assert code == 0
    assert f"to download: {mirror} lacks " in said["paper"]
    assert f"`maccap mirror {mirror} " in said["paper"]


def test_the_paper_profile_needs_what_its_registry_says(project, monkeypatch, capsys):
    (project / "config/paper.yaml").write_text((ROOT / "config/paper.yaml").read_text())
    _, said = diagnosis(monkeypatch, capsys, GOOD)
    registry = yaml.safe_load((ROOT / "workflow/resources/assets.yaml").read_text())
    assert f"flickr30k-images, which you supply: {registry['flickr30k-images']['ask']}" in said["paper"]
    assert "opt-2.7b" not in said["paper"]


def test_a_profile_that_breaks_the_schema_or_names_nothing_is_a_finding(project, monkeypatch, capsys):
    paper = yaml.safe_load((project / "config/paper.yaml").read_text())
    (project / "config/paper.yaml").write_text(yaml.safe_dump(paper | {"beams": 3}))
    mini = yaml.safe_load((project / "config/mini.yaml").read_text())
    (project / "models.of.mine").mkdir()
    (model := project / "models.of.mine/a (1).gguf").touch()
    mini |= {
        "encoder": {"name": "no/such/folder"},
        "language_model": {"name": str(model)},
        "reported": {"file": "none.csv", "tolerance": 1.0},
    }
    (project / "config/mini.yaml").write_text(yaml.safe_dump(mini))
    code, said = diagnosis(monkeypatch, capsys, GOOD)
    assert code == 1
    assert "config key beams does not exist" in said["paper"]
    assert "the encoder in no/such/folder: no such folder" in said["mini"]
    assert f"ok        the language model in {model}\n" in said["mini"]
    assert "reported.file: none.csv: no such file" in said["mini"]


def test_other_versions_than_the_locks_are_said_but_do_not_stop(project, monkeypatch, capsys):
    packages = Packages(3, [], {"torch": ("2.13.0", "2.14.1"), "numpy": (None, "2.4.6")}, {})
    code, said = diagnosis(monkeypatch, capsys, replace(GOOD, packages=packages))
    assert code == 0
    assert "torch 2.13.0 (lock: 2.14.1), numpy (none) (lock: 2.4.6)" in said["mini"]


def test_versions_are_compared_with_the_lock(tmp_path, monkeypatch):
    required = ["pyyaml", "nothere[x]>=2", "e; extra == 'x'"]
    monkeypatch.setattr(maccap.cli.machine.metadata, "requires", lambda name: required)
    found = {"PyYAML": "6.0", "pyyaml": "6.0", "snakemake": "9.27.1"}

    def version(name: str) -> str:
        if name not in found:
            raise maccap.cli.machine.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(maccap.cli.machine.metadata, "version", version)
    lock = tmp_path / "requirements.lock"
    lock.write_text("# pins\nPyYAML==6.0.3\nsnakemake==9.27.1\nabsent[all]==1.0\n")
    packages = installed(lock)
    assert packages.pinned == 3
    assert packages.missing == ["nothere"]
    assert packages.different == {"PyYAML": ("6.0", "6.0.3"), "absent": (None, "1.0")}
    assert packages.matter["snakemake"] == "9.27.1"
    with pytest.raises(EnvironmentProblem, match=r"none\.lock: no such file"):
        installed(tmp_path / "none.lock")


def test_gpus_come_from_the_driver(tmp_path, monkeypatch):
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho 'NVIDIA A100-SXM4-80GB, 81920'\necho 'NVIDIA Spark, [N/A]'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert gpus() == [("NVIDIA A100-SXM4-80GB", 81920 * 2**20), ("NVIDIA Spark", 0)]
    fake.write_text("#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    assert gpus() == []


def test_a_source_answers_or_not_within_moments(tmp_path, monkeypatch):
    monkeypatch.setattr(maccap.cli.machine, "PATIENCE", 1.0)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert fault_of(str(tmp_path)) == ""
    assert fault_of(str(tmp_path / "none")) == "does not answer"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert fault_of(address) == "", "an error page is an answer"
        server.shutdown()
    assert fault_of(address) == "does not answer"
    assert fault_of("http://no-such-host.invalid") == "does not answer"


def test_a_socks_proxy_without_its_packages_is_named(monkeypatch):
    def head(*_: object, **__: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr(requests, "head", head)
    assert "cannot be asked. For a SOCKS proxy, run `pip install" in fault_of("http://address.invalid")


def test_this_machine_is_examined(monkeypatch):
    monkeypatch.setenv("MACCAP_MIRROR", str(ROOT))
    monkeypatch.chdir(ROOT)
    machine = examine(ROOT / "requirements.lock")
    assert machine.source_fault == ""
    assert machine.cores >= 1
    assert machine.disk_free > 0
    assert machine.memory > machine.memory_free > 0
    assert machine.packages.matter["torch"]
