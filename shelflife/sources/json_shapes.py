"""A small language to describe what a JSON document must look like, and to say which field is not like that.

A fault names fields by the description's own words, never by those of the document, so it can be shown to anybody.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from shelflife.sources.json_documents import is_number

if TYPE_CHECKING:
    from collections.abc import Mapping

_DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a document.

    Attributes:
        pointer: the field, as a JSON pointer (RFC 6901) of property names; empty for the whole document.
        what: what is wrong with it, as the end of a sentence that begins with the field.
    """

    pointer: str
    what: str

    def within(self, name: str) -> Fault:
        """Return the fault as seen from the object whose property `name` holds what is faulty."""
        return Fault(f"/{name}{self.pointer}", self.what)


class Shape(Protocol):
    """What a JSON value must look like."""

    def fault(self, value: Any) -> Fault | None:
        """Return the first thing that is wrong with a value; None when nothing is."""
        ...


@dataclass(frozen=True)
class Text:
    """A text.

    Attributes:
        choices: the texts that are permitted; any when empty.
        pattern: what the whole text must match.
    """

    choices: tuple[str, ...] = ()
    pattern: str | None = None

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with a value."""
        if not isinstance(value, str):
            return Fault("", "is no text")
        if self.choices and value not in self.choices:
            return Fault("", "is none of the permitted words")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return Fault("", "is not written as it must be")
        return None


@dataclass(frozen=True)
class DateTime:
    """A date-time with its offset, after RFC 3339 section 5.6."""

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with a value."""
        match = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
        return None if match and _is_day(match[1]) else Fault("", "is no date-time with an offset (RFC 3339)")


@dataclass(frozen=True)
class Number:
    """A number.

    Attributes:
        whole: whether it must be an integer.
    """

    whole: bool = False

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with a value."""
        if not is_number(value):
            return Fault("", "is no number")
        return Fault("", "is no whole number") if self.whole and not isinstance(value, int) else None


@dataclass(frozen=True)
class Flag:
    """A truth value."""

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with a value."""
        return None if isinstance(value, bool) else Fault("", "is neither true nor false")


@dataclass(frozen=True)
class Fields:
    """An object; properties that are not described are permitted, as JSON Schema has it.

    Attributes:
        properties: the shape of each property that is described.
        required: properties that must be there.
    """

    properties: Mapping[str, Shape] = field(default_factory=dict)
    required: tuple[str, ...] = ()

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with a value: the first property that is, then the first that is missing."""
        if not isinstance(value, dict):
            return Fault("", "is no object")
        for name, shape in self.properties.items():
            found = shape.fault(value[name]) if name in value else None
            if found is not None:
                return found.within(name)
        missing = next((name for name in self.required if name not in value), None)
        return None if missing is None else Fault(f"/{missing}", "is missing")


@dataclass(frozen=True)
class OneOf:
    """An object that fits exactly one of several descriptions.

    Attributes:
        branches: the descriptions.
        required: properties that must be there besides.
    """

    branches: tuple[Fields, ...]
    required: tuple[str, ...] = ()

    def fault(self, value: Any) -> Fault | None:
        """Return what is wrong with a value."""
        faults = [branch.fault(value) for branch in self.branches]
        fitting = faults.count(None)
        if fitting == 1:
            return Fields(required=self.required).fault(value)
        if fitting:
            return Fault("", "says the same thing in more than one way")
        if not isinstance(value, dict):
            return Fault("", "is no object")
        # The branch that the document most likely meant is the one whose properties it has.
        meant = max(self.branches, key=lambda branch: sum(name in value for name in branch.required))
        if not any(name in value for name in meant.required):
            return Fault("", "has none of the properties that it must have")
        return meant.fault(value)

    def fitting(self, value: Any) -> Fields | None:
        """Return the description that a value fits; None when it is none or more than one."""
        fits = [branch for branch in self.branches if branch.fault(value) is None]
        return fits[0] if len(fits) == 1 else None


def _is_day(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True
