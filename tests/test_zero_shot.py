import numpy as np
import pytest

from clip_onnx import command
from clip_onnx.host import sessions, tokens, zero_shot
from clip_onnx.measure import parity
from stages.compose import label_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty stages/compose/labels."""
    monkeypatch.setattr(label_files, "LABEL_FILES", tmp_path)
    return tmp_path


def test_a_file_is_read_as_the_list_that_it_spells(folder):
    (folder / "pets.txt").write_text("a cat\n\n a dog \n", "utf-8")
    assert (
        label_files.read("pets.txt") == label_files.read(["a cat", "a dog"]) == ["a cat", "a dog"]
    )


def test_a_missing_file_is_refused_with_those_that_are_there(folder):
    (folder / "pets.txt").write_text("a cat\na dog\n", "utf-8")
    with pytest.raises(command.Refusal, match=r"birds\.txt' is no readable .* holds: pets\.txt"):
        label_files.read("birds.txt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["cat", "dog", "cat"], "'cat' is empty or stands twice"),
        (["cat", " "], "' ' is empty"),
        (["cat"], "two labels or more"),
    ],
)
def test_lists_that_make_no_classifier_are_refused(given, message):
    with pytest.raises(command.Refusal, match=message):
        label_files.read(given)


def test_prompts_hold_every_label_in_every_template():
    found = zero_shot.prompts(["cat", "dog"], ["a {}", "the {}."])
    assert found == [["a cat", "the cat."], ["a dog", "the dog."]]


@pytest.mark.parametrize("template", ["a photo", "{} and {}"])
def test_a_template_without_one_place_for_the_label_is_refused(template):
    with pytest.raises(command.Refusal, match="once, where the label goes"):
        zero_shot.prompts(["cat", "dog"], [template])


@pytest.fixture(scope="module")
def textual(built):
    tokenizer = tokens.load(built / "data/checkpoints/vit/tokenizer.json", context=None)
    return sessions.session(built / "data/models/vit/textual/fp32"), tokenizer


def test_templates_are_averaged_as_unit_vectors(textual):
    session, tokenizer = textual
    prompts = [["a cat", "the cat."], ["a dog", "the dog."]]
    found = zero_shot.embed(prompts, session, tokenizer, tokens.CONTEXT)
    rows = tokens.encode(tokenizer, ["a dog", "the dog."])
    units = parity.normalized(sessions.run(session, [tokens.pad([row]) for row in rows]))
    expected = units.mean(0) / np.linalg.norm(units.mean(0))
    np.testing.assert_allclose(found[1], expected, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_a_prompt_that_clip_cannot_read_whole_is_refused(textual):
    with pytest.raises(command.Refusal, match="82 tokens, the model reads 77"):
        zero_shot.embed([["cat " * 80], ["dog"]], *textual, tokens.CONTEXT)
