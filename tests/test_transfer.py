"""The real download code against a local server: interruptions, lengths, broken promises."""

import email.utils
import shutil
import time

import pytest

from stages.download import addresses, connection, transfer

import file_server
import small
from file_server import CONTENT, DIGEST, fetch, refusal


@pytest.fixture
def server(monkeypatch):
    with file_server.running(monkeypatch) as found:
        yield found


def test_fetches_and_leaves_nothing_else(server, tmp_path):
    assert fetch(server, tmp_path) == [None]


@pytest.mark.parametrize("mood", ["drop", "stall"])
def test_asks_for_the_rest_after_an_interruption(server, tmp_path, mood):
    server.moods = [mood, mood, "well"]
    first, *others = fetch(server, tmp_path)
    second, third = (int(asked[6:-1]) for asked in others)
    assert first is None
    assert 0 < second < third < len(CONTENT)


def test_less_than_a_chunk_a_connection_is_progress(server, tmp_path):
    server.moods = ["drop early"] * (2 * transfer.ATTEMPTS) + ["well"]
    asked = fetch(server, tmp_path)
    assert asked[2] == "bytes=200000-"
    assert len(asked) == 2 * transfer.ATTEMPTS + 1


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
    assert fetch(server, tmp_path) == ["bytes=1000-", None]


@pytest.mark.parametrize("status", [503, 500, 429, 408])
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


@pytest.mark.parametrize("mood", ["wrong offset", "no Content-Range"])
def test_starts_over_once_where_other_bytes_come_than_were_asked_for(server, tmp_path, mood):
    server.moods = ["drop", mood, "well"]
    assert fetch(server, tmp_path) == [None, f"bytes={connection.CHUNK + 7}-", None]


def test_a_server_that_never_sends_what_is_asked_for_is_refused(server, tmp_path):
    server.moods = ["drop", "wrong offset", "drop", "wrong offset"]
    message = refusal(server, tmp_path)
    assert "other bytes than it is asked for" in message
    assert "pins" not in message
    assert len(server.requests) == 4
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [b"other" * 600_000, b"x" * 5_000_000])
def test_starts_over_where_the_file_changed_after_a_cut(server, tmp_path, before, monkeypatch):
    """5,000,000 bytes are more than there are now: the second request is answered with 416."""
    server.content, server.moods = before, ["drop", "well"]
    answer = file_server.Handler.answer

    def change(self, status, headers):
        answer(self, status, headers)
        if len(server.requests) == len(before) // 3_000_000:
            server.content = CONTENT

    monkeypatch.setattr(file_server.Handler, "answer", change)
    if len(before) > len(CONTENT):
        (tmp_path / "file.pt.part").write_bytes(before)
    asked = fetch(server, tmp_path)
    assert asked[-1] is None
    assert asked[-2].startswith("bytes=")


def test_416_for_a_whole_file_is_refused(server, tmp_path):
    server.moods = [416]
    assert "status 416" in refusal(server, tmp_path)


@pytest.mark.parametrize("status", [304, 300, 204])
def test_an_answer_without_the_file_is_refused(server, tmp_path, status):
    server.moods = [status]
    assert f"status {status}" in refusal(server, tmp_path)
    assert len(server.requests) == 1


def test_waits_as_long_as_the_server_asks(server, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    moods = [(503, {"Retry-After": text}) for text in ("7", date, "soon", "9" * 5000)]
    server.moods = [*moods, "well"]
    fetch(server, tmp_path)
    assert waits[0] == 7
    assert 98 <= waits[1] <= 100
    assert waits[2:] == [4 * transfer.PAUSE, 8 * transfer.PAUSE]


def test_a_long_wait_is_not_sat_out(server, tmp_path):
    server.moods = [(429, {"Retry-After": "86400"})]
    assert "come back in 86400 seconds" in refusal(server, tmp_path)
    assert len(server.requests) == 1


def test_a_connection_that_only_drips_is_given_up(server, tmp_path):
    server.moods = ["drip"]
    begun = time.monotonic()
    assert "bytes a second, too slow" in refusal(server, tmp_path)
    assert len(server.requests) == transfer.ATTEMPTS
    assert time.monotonic() - begun < 2 * transfer.ATTEMPTS * connection.TIMEOUT[1]


def test_a_length_that_is_too_long_ends_in_the_whole_file(server, tmp_path):
    server.moods = ["too long", "well"]
    assert fetch(server, tmp_path) == [None, f"bytes={len(CONTENT)}-"]


def test_a_length_that_is_always_too_long_is_named(server, tmp_path):
    server.moods = ["too long, no range"]
    assert "closed early" in refusal(server, tmp_path)


@pytest.mark.parametrize("mood", ["no length", "negative", "absurd"])
def test_a_length_that_is_no_number_is_not_believed(server, tmp_path, mood):
    server.moods = [mood]
    assert fetch(server, tmp_path) == [None]


def test_an_endless_file_stops_before_the_disk_is_full(server, tmp_path, monkeypatch):
    server.moods = ["no length"]
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 2_000_000)
    )
    assert "has 2000000 bytes free" in refusal(server, tmp_path)
    assert transfer.size(tmp_path / "file.pt.part") < 2_000_000


def test_an_encoded_file_is_refused(server, tmp_path):
    server.moods = ["gzip"]
    assert "encoded" in refusal(server, tmp_path)


def test_download_stage_goes_from_address_to_weights_through_a_mirror(
    server, workspace, archives, monkeypatch
):
    server.content = archives["vit"].read_bytes()
    server.moods = ["drop", "well"]
    pin = small.sha256(archives["vit"])
    content = small.params({})
    source = f"{addresses.OFFICIAL}/{pin}/ViT-B-32.pt"
    content["models"] = {"mine": {"source": source, "sha256": pin}}
    content["grid"]["models"] = ["mine"]
    content["floors"] = {"mine": {}}
    small.write_params(workspace, content)
    monkeypatch.setenv("CLIP_MIRROR", f"{server.url}/mirror/\n")
    small.run_stage("download", "mine", "data/downloads", "data/checkpoints/mine")
    assert {path for path, _ in server.requests} == {f"/mirror/{pin}/ViT-B-32.pt"}
    assert list((workspace / "data/downloads").iterdir()) == []
    assert (workspace / "data/checkpoints/mine/weights.safetensors").exists()
