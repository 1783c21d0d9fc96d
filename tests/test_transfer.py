"""The real download code against a local server that behaves as badly as the internet."""

import hashlib
import http.server
import shutil
import threading

import numpy as np
import pytest

from clip_onnx import command, openai
from clip_onnx.settings import params
from stages.download import transfer

import small

CONTENT = np.random.default_rng(0).bytes(3 * transfer.CHUNK + 12345)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves `server.content`; a request takes the next of `server.moods`, the last one stays."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        mood = server.moods.pop(0) if len(server.moods) > 1 else server.moods[0]
        server.requests.append((self.path, self.headers["Range"]))
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        content = server.content
        if isinstance(mood, int):
            self.send_response(mood)
            self.end_headers()
            return
        if mood != "no range" and start >= len(content):
            self.send_response(416)
            self.end_headers()
            return
        if mood == "no range":
            start = 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if mood in ("drop", "stall"):
            self.wfile.write(content[start : start + transfer.CHUNK + 7])
            if mood == "stall":
                server.released.wait(20)
            self.close_connection = True
            return
        self.wfile.write(content[start:])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(transfer, "PAUSE", 0.01)
    monkeypatch.setattr(transfer, "TIMEOUT", (2, 0.5))
    monkeypatch.delenv("CLIP_MIRROR", raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.content, server.moods, server.requests = CONTENT, ["well"], []
        server.released = threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def fetch(server, tmp_path):
    target = tmp_path / "file.pt"
    transfer.fetch(f"{server.url}/file.pt", DIGEST, target)
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file.pt"]
    return [asked for _, asked in server.requests]


def refusal(server, tmp_path):
    with pytest.raises(command.Refusal) as caught:
        transfer.fetch(f"{server.url}/file.pt", DIGEST, tmp_path / "file.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "file.pt").exists()
    return str(caught.value)


def test_fetches_and_leaves_nothing_else(server, tmp_path):
    assert fetch(server, tmp_path) == ["bytes=0-"]


@pytest.mark.parametrize("mood", ["drop", "stall"])
def test_asks_for_the_rest_after_an_interruption(server, tmp_path, mood):
    server.moods = [mood, mood, "well"]
    first, second, third = (int(asked[6:-1]) for asked in fetch(server, tmp_path))
    assert 0 == first < second < third < len(CONTENT)


def test_goes_on_where_a_killed_run_stopped(server, tmp_path):
    (tmp_path / "file.pt.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path) == ["bytes=1000-"]


def test_takes_a_part_that_is_whole(server, tmp_path):
    (tmp_path / "file.pt.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path) == [f"bytes={len(CONTENT)}-"]


def test_starts_again_where_the_server_ignores_range(server, tmp_path):
    server.moods = ["drop", "no range"]
    assert len(fetch(server, tmp_path)) == 2


def test_starts_again_once_if_what_was_left_is_not_the_files(server, tmp_path):
    (tmp_path / "file.pt.part").write_bytes(b"x" * 1000)
    assert fetch(server, tmp_path) == ["bytes=1000-", "bytes=0-"]


@pytest.mark.parametrize("status", [503, 500, 429])
def test_tries_again_after_a_servers_trouble(server, tmp_path, status):
    server.moods = [status, status, "well"]
    assert len(fetch(server, tmp_path)) == 3


def test_gives_up_after_some_attempts_and_names_the_ways_out(server, tmp_path):
    server.moods = [503]
    message = refusal(server, tmp_path)
    assert len(server.requests) == transfer.ATTEMPTS
    for word in ("status 503", "CLIP_MIRROR", "file:"):
        assert word in message


def test_no_network_names_the_ways_out(server, tmp_path):
    server.url = "http://127.0.0.1:9"  # the discard port: nothing listens
    message = refusal(server, tmp_path)
    for word in ("refused", "CLIP_MIRROR", "file:"):
        assert word in message


def test_a_wrong_address_is_not_tried_again(server, tmp_path):
    server.moods = [404]
    assert "status 404" in refusal(server, tmp_path)
    assert len(server.requests) == 1


def test_wrong_bytes_are_refused_and_removed(server, tmp_path):
    server.content = CONTENT[:-1] + b"x"
    assert DIGEST in refusal(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_seen_before_the_first_byte(server, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=2 * len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    message = refusal(server, tmp_path)
    assert str(2 * len(CONTENT)) in message
    assert transfer.size(tmp_path / "file.pt.part") == 0


def test_the_registry_is_openais():
    models = params.load().models
    addresses = {model.source for model in models.values() if model.source.startswith("https")}
    assert addresses == set(openai.MODELS.values())
    for model in models.values():
        if model.source in addresses:
            assert f"/{model.sha256}/" in model.source


def test_download_stage_goes_from_address_to_weights_through_a_mirror(
    server, workspace, archives, monkeypatch
):
    server.content = archives["vit"].read_bytes()
    server.moods = ["drop", "well"]
    pin = small.sha256(archives["vit"])
    content = small.params({})
    source = f"{transfer.OFFICIAL}/{pin}/ViT-B-32.pt"
    content["models"] = {"mine": {"source": source, "sha256": pin}}
    content["grid"]["models"] = ["mine"]
    small.write_params(workspace, content)
    monkeypatch.setenv("CLIP_MIRROR", f"{server.url}/mirror/")
    small.run_stage("download", "mine", "data/downloads", "data/checkpoints/mine")
    assert {path for path, _ in server.requests} == {f"/mirror/{pin}/ViT-B-32.pt"}
    assert list((workspace / "data/downloads").iterdir()) == []
    assert (workspace / "data/checkpoints/mine/weights.safetensors").exists()


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_local_path_of_every_spelling(prefix):
    assert str(transfer.local_path(f"{prefix}/a/b.pt")) == "/a/b.pt"
