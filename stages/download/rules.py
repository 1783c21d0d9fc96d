"""How a configuration is held against OpenAI's code, and what is built besides: a rule a field."""

from collections.abc import Callable
from typing import NamedTuple

from clip_onnx import command
from clip_onnx.checkpoint.network import HEAD_WIDTH
from stages.download import described


class Rule(NamedTuple):
    """`right(sizes, section)`: the values with which a field describes OpenAI's network, if any do.

    `openai` says what its code does, with the first of them in the place of {}. `absent` is what
    the field is where it is left out; None: nothing to check. `built(sizes, value)` says of other
    values whether networks that have them are built, too; none: no others. What `by_tensors` is a
    size that the tensors say as well.
    """

    right: Callable
    openai: str
    absent: object = None
    built: Callable | None = None
    by_tensors: bool = False


def only(*values, openai, absent=None, built=None):
    """The Rule of a field that OpenAI's code has one way, whatever the sizes."""
    return Rule(lambda sizes, section: values, openai, absent, built)


TENSORS = "goes by the tensors, which say {}"


def size(of, absent=None):
    """The Rule of a number or list that the tensors say, too: `of(sizes)`."""
    return Rule(lambda sizes, section: (of(sizes),), TENSORS, absent, by_tensors=True)


def square(of, absent=None):
    """The same of what may be written as a number or as two of them."""
    return Rule(lambda s, section: (of(s), [of(s)] * 2), TENSORS, absent, by_tensors=True)


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_eps(sizes, value):
    """Whether a LayerNorm with this eps is built; a ResNet's model has OpenAI's."""
    return plain(sizes) and is_number(value) and 0 < value < 1


def divides(width):
    """built(sizes, count) of a number of heads, or their width, that divides `width(sizes)`."""
    return lambda sizes, value: (
        plain(sizes) and type(value) is int and value > 0 and width(sizes) % value == 0
    )


def heads(width):
    """right(sizes, section) of a number of heads: 64 wide, where that divides `width(sizes)`."""

    def right(sizes, section):
        whole = width(sizes) % HEAD_WIDTH == 0
        return (width(sizes) // HEAD_WIDTH if whole else 1,)

    return right


def plain(sizes):
    """Whether all towers are transformers, of which other kinds than OpenAI's are built."""
    return sizes.vit or "visual" not in sizes.towers


def check(path, section, rules, sizes, place):
    """Refuse a checkpoint if a section of the configuration at `place` breaks one of its rules."""
    for field, rule in rules.items():
        if field not in section and rule.absent is None:
            continue
        value, right = section.get(field, rule.absent), rule.right(sizes, section)
        if any(_same(value, one) for one in right) or (rule.built and rule.built(sizes, value)):
            continue
        openai = rule.openai.replace("{}", described.shown(next(iter(right), None)))
        shown = ("" if field in section else "absent, which means ") + described.shown(value)
        raise refusal(path, f"{field} in {place}", shown, openai)


def completed(section, rules, sizes):
    """A section that was checked, as its package takes it: with the sizes of the tensors, which it
    may leave to them, and whole numbers where it has such as 2.0."""
    whole = dict(section)
    for field, rule in rules.items():
        if rule.by_tensors or field in section:
            right = next(iter(rule.right(sizes, section)), None)
            if rule.by_tensors:
                whole[field] = right
            elif isinstance(right, int) and isinstance(section[field], float):
                whole[field] = int(section[field])
    return whole


def check_known(path, section, known, place):
    """Refuse fields that this project does not know, as open_clip does."""
    for field in sorted(section.keys() - known):
        name, value = described.shown(field)[1:-1], described.shown(section[field])
        raise refusal(path, f"{name} in {place}", value, "knows no such field")


def refusal(path, field, value, openai):
    return command.Refusal(
        f"{path} is another network, which this project does not build: {field} is {value},"
        f" OpenAI's code {openai}"
    )


def _same(value, right):
    """Whether two JSON values are equal; true is not 1."""
    return value == right and isinstance(value, bool) == isinstance(right, bool)
