"""YAML whose mistakes are reported with file and line, checked against a pydantic model.

Unknown keys, duplicate keys, aliases and tags are refused: a policy must say what it says once, in plain sight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

Model = TypeVar("Model", bound=BaseModel)
Place = tuple[str | int, ...]

# libyaml reads the same YAML an order of magnitude faster, where PyYAML was built with it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_PREFIX = "tag:yaml.org,2002:"
_STRING = _PREFIX + "str"
_SCALARS = frozenset({"str", "int", "float", "bool", "null"})


def parse_located(text: str, *, name: str, model: type[Model], line_offset: int = 0) -> Model:
    """Parse YAML text into a pydantic model.

    Args:
        text: the YAML text, one document whose root is a mapping.
        name: the file's name, as errors show it.
        model: what the document must be.
        line_offset: lines of the file that stand before `text`.

    Raises:
        ConfigurationError: not YAML, an unknown or missing key, or a wrong value; file and line are named.
    """
    reader = _Reader(name, line_offset)
    data = reader.read(text)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [
            f"{name}:{reader.line_of(found['loc'])}: {_where(found['loc'])}{found['msg']}"
            for found in error.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError("\n".join(problems), remedy="Correct the lines named.") from None


class _Reader:
    """Turns YAML nodes into plain values and remembers the line of each."""

    def __init__(self, name: str, line_offset: int) -> None:
        self._name = name
        self._offset = line_offset
        self._lines: dict[Place, int] = {}

    def read(self, text: str) -> object:
        """Return the document's plain value."""
        try:
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _LOADER)):
                raise self._wrong(1, "YAML aliases are not allowed here")
            node = yaml.compose(text, _LOADER)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise self._wrong(line, error.problem or "not YAML") from None
        except yaml.YAMLError:
            raise self._wrong(1, "not YAML") from None
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(1, "the document must be a mapping of keys to values")
        return self._value(node, ())

    def line_of(self, place: Place) -> int:
        """Return the line of a place, or of the nearest thing around it that stands in the text."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1 + self._offset)

    def _value(self, node: yaml.Node, place: Place) -> object:
        self._lines.setdefault(place, node.start_mark.line + 1 + self._offset)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*place, number)) for number, child in enumerate(node.value)]
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> object:
        """Return a scalar's plain value; dates stay text, so that a model decides what they are."""
        if node.tag == _PREFIX + "timestamp":
            return node.value
        if node.tag.removeprefix(_PREFIX) not in _SCALARS:
            raise self._wrong(node.start_mark.line + 1, "YAML tags are not allowed here")
        return yaml.SafeLoader("").construct_object(node)

    def _mapping(self, node: yaml.MappingNode, place: Place) -> Mapping[str, object]:
        values: dict[str, object] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STRING:
                raise self._wrong(line, "a key must be plain text")
            if key_node.value in values:
                raise self._wrong(line, f"the key {key_node.value!r} stands here twice")
            self._lines[*place, key_node.value] = line + self._offset
            values[key_node.value] = self._value(child, (*place, key_node.value))
        return values

    def _wrong(self, line: int, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._name}:{line + self._offset}: {what}.", remedy="Correct the line named."
        )


def _where(place: Place) -> str:
    return f"{'.'.join(map(str, place))}: " if place else ""
