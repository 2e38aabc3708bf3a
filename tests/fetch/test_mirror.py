"""What a mirror holds, as far as can be seen from outside."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from maccap.core.artifacts import POINTER
from maccap.fetch.mirror import lacking
from maccap.fetch.registry import FileAsset, HubAsset


def test_what_a_mirror_lacks_is_asked_of_a_folder_and_of_an_address(tmp_path: Path) -> None:
    """A file is there if it is whole and no page of a web site; a model if its index is."""
    files = {"whole": b"1234", "short": b"123", "web": b"<html></html>", "pointer": POINTER + b"v1", "pinned": b"12"}
    sizes = {"whole": 4, "short": 4, "pinned": 2, "gone": 1}
    assets = [FileAsset(name, name, ("https://a.example/",), sizes.get(name), None) for name in (*files, "gone")]
    assets += [HubAsset(name, f"o/{name}", "a" * 40, ("*",)) for name in ("model", "part")]
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for name, file in (("model", "index.json"), ("part", "config.json")):
        (folder := tmp_path / "models/o" / name / ("a" * 40)).mkdir(parents=True)
        (folder / file).write_text("{}")
    assert lacking(str(tmp_path), assets) == ["short", "web", "pointer", "gone", "part"]
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        assert lacking(address, assets) == ["short", "gone", "part"], "of an unknown size the address is believed"
        server.shutdown()
    assert lacking(address, assets) == [], "one that does not answer is named elsewhere"
