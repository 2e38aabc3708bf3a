"""A server on loopback and options that lose no time."""

import pytest
from huggingface_hub import constants

from maccap.fetch.download import Options
from maccap.fetch.lock import AssetLock
from tests.fetch.common import QUICK
from tests.helpers.server import Server


@pytest.fixture
def server(monkeypatch):
    """The only place that is asked, as publisher and as hub."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("MACCAP_MIRROR", "MACCAP_PROFILE", "HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        template = running.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield running


@pytest.fixture
def options(server, tmp_path):
    lock = AssetLock(tmp_path / "assets.lock.json")
    return Options(lock, None, QUICK, registry="my/assets.yaml", profile="config/mine.yaml")
