"""How a configuration is held against OpenAI's code: a rule a field."""

from collections.abc import Callable
from typing import NamedTuple

from clip_onnx import command
from stages.download import described


class Rule(NamedTuple):
    """`right(sizes, section)`: the values with which a field describes OpenAI's network.

    `openai` says what its code does, with the first of them in the place of {}. `absent` is what
    the field is where it is left out; None: nothing to check.
    """

    right: Callable
    openai: str
    absent: object = None


def only(*values, openai, absent=None):
    """The Rule of a field that OpenAI's code has one way, whatever the sizes."""
    return Rule(lambda sizes, section: values, openai, absent)


def size(of, absent=None):
    """The Rule of a number or list that the tensors say, too: `of(sizes)`."""
    return Rule(lambda sizes, section: (of(sizes),), "goes by the tensors, which say {}", absent)


def square(of):
    """The same of what may be written as a number or as two of them."""
    return Rule(
        lambda sizes, section: (of(sizes), [of(sizes)] * 2), "goes by the tensors, which say {}"
    )


def check(path, section, rules, sizes, place):
    """Refuse a checkpoint if a section of the configuration at `place` breaks one of its rules."""
    for field, rule in rules.items():
        if field not in section and rule.absent is None:
            continue
        value, right = section.get(field, rule.absent), rule.right(sizes, section)
        if not any(_same(value, one) for one in right):
            openai = rule.openai.replace("{}", described.shown(right[0]))
            raise refusal(path, f"{field} in {place}", described.shown(value), openai)


def check_known(path, section, known, place):
    """Refuse fields that this project does not know, unless they turn something off."""
    for field in section.keys() - known:
        if section[field] not in (None, False, 0, "", [], {}):
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
