import os
import socket

import pytest

from clip_onnx import command
from tools import pictures


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda folder: os.mkfifo(folder / "odd"), "is a pipe, a socket or a device"),
        (lambda folder: (folder / "odd").symlink_to("nowhere"), "is a link that leads nowhere"),
        (lambda folder: open(os.fsencode(folder) + b"/\xff.png", "wb").close(), "is not UTF-8"),
    ],
    ids=["pipe", "dead link", "name"],
)
def test_what_dvc_cannot_hash_is_refused_by_name(tmp_path, make, why):
    (tmp_path / "within").mkdir()
    make(tmp_path / "within")
    with pytest.raises(command.Refusal, match=f"within.*{why}: move it out of evalset.images"):
        pictures.check(tmp_path)


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("odd")
        with pytest.raises(command.Refusal, match="is a pipe, a socket or a device"):
            pictures.check(".")


def test_pictures_links_to_them_and_a_table_pass(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").symlink_to("a.png")
    pictures.check(tmp_path)
    pictures.check(tmp_path / "a.png")
