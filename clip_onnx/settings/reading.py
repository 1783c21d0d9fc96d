"""A YAML file as Python has it, or one line that says what is wrong with it."""

from pathlib import Path

import yaml

from clip_onnx import command

MOST_VALUES = 20_000  # with what aliases repeat: a few lines of them make billions


class _Loader(yaml.SafeLoader):
    """Refuses what DVC's own reader refuses: a key that stands twice."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.value in seen:
                problem = f"{key.value!r} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read(path):
    """The content of a YAML file in UTF-8. Raises Refusal with the place of what is wrong."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _count(node, {})
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except FileNotFoundError:
        raise command.Refusal(f"{path} is missing here: run from the project's root") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise command.Refusal(
            f"{path}: line {line} is not UTF-8 ({error.object[error.start]:#04x}): save it as UTF-8"
        ) from None
    except RecursionError:
        raise command.Refusal(f"{path}: it is nested too deeply: write it flat") from None
    except (LookupError, TypeError, AttributeError) as error:  # PyYAML's own, of tags such as !!int
        reason = f"a tag, of two exclamation marks, does not fit its value ({error!r})"
        raise command.Refusal(f"{path}: {reason}: remove it") from None
    except yaml.MarkedYAMLError as error:  # without the line itself, which may hold a password
        place = error.problem_mark or error.context_mark
        reason = f"line {place.line + 1}, column {place.column + 1}: {error.problem}"
        raise command.Refusal(f"{path}: {reason}: mend that line") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise command.Refusal(f"{path}: {reason}: mend that line") from None


def _count(node, known):
    """How many values a node stands for. Raises ValueError for too many, or one inside itself."""
    if id(node) in known:
        if known[id(node)] is None:
            raise ValueError("an alias stands inside what it names")
        return known[id(node)]
    known[id(node)] = None
    parts = node.value if isinstance(node, yaml.CollectionNode) else []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in parts for part in pair]
    known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    if known[id(node)] > MOST_VALUES:
        raise ValueError(f"it stands for more than {MOST_VALUES} values")
    return known[id(node)]
