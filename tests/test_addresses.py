"""Sources and mirrors: what is an address, and how a message shows it."""

import pytest

from clip_onnx import command, openai
from clip_onnx.settings import params
from stages.download import addresses

from file_server import LOGIN, one_line


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/a/b.pt", "https://host/a/b.pt"),
        (f"https://{LOGIN}host:8/a@b/c?q=1@2#f", "https://…"),
        (f"https://{LOGIN}host:8/a/c?q=1#f", "https://host:8/a/c"),
        (f"{LOGIN}host/a", "host/a"),
        ("https://host/\x1b[2J", "https://host/\\x1b[2J"),
    ],
)
def test_an_address_is_shown_without_what_is_secret(address, shown):
    assert addresses.shown(address) == shown


@pytest.mark.parametrize(
    "mirror", ["host/base", f"ftp://{LOGIN}host", f"https://{LOGIN}host/?signature=x", "http:/x y"]
)
def test_a_mirror_that_is_no_address_is_refused(monkeypatch, mirror):
    monkeypatch.setenv("CLIP_MIRROR", mirror)
    with pytest.raises(command.Refusal, match="CLIP_MIRROR") as caught:
        addresses.mirrored(f"{addresses.OFFICIAL}/x.pt")
    one_line(caught.value)
    assert addresses.mirrored("https://elsewhere/x.pt") == "https://elsewhere/x.pt"


@pytest.mark.parametrize("source", [f"ftp://{LOGIN}host/x", f"HTTPS://{LOGIN}host/x?signature"])
def test_a_source_of_another_protocol_is_refused(source):
    with pytest.raises(command.Refusal, match=r"host/x is neither a path nor an address") as caught:
        addresses.local_path(source)
    one_line(caught.value)


@pytest.mark.parametrize("letter", ["\0", "\ud800"])
def test_a_source_with_a_character_that_no_path_has_is_refused(letter):
    with pytest.raises(command.Refusal, match="is no path, for it holds a char") as caught:
        addresses.local_path(f"data/{letter}.pt")
    one_line(caught.value)


def test_the_registry_is_openais():
    models = params.load().models
    official = [m for m in models.values() if m.source.startswith(addresses.OFFICIAL)]
    assert {model.source for model in official} == set(openai.MODELS.values())
    assert all(f"/{model.sha256}/" in model.source for model in official)


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_local_path_of_every_spelling(prefix):
    assert str(addresses.local_path(f"{prefix}/a/b.pt")) == "/a/b.pt"
