"""The header of a SQL model: what a table is, who answers for it, what its columns mean and what erasure does to it.

A header that leaves one of these open is refused: a table with no owner, class or erasure route must not exist.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  pydantic reads it at run time
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shelflife.errors import ConfigurationError
from shelflife.policy.located_yaml import parse_located
from shelflife.policy.retention import Function, Name, RetentionClass  # noqa: TC001  pydantic reads them at run time
from shelflife.signals.vocabulary import PARTITION_GRAIN, STREAMS

ATTRIBUTES = "attributes"
PID = "pid"

_OPENING = "/* model\n"
_CLOSING = "*/"
_Text = Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class ModelColumn(_Strict):
    """One column of a model's output.

    Attributes:
        sensitivity: `ordinary`, `sensitive` or `special`; decides which roles may read it.
        description: what the value means.
        unit: UCUM unit, for values that have one.
        formula: how a computed value is computed; a value that is no `ordinary` number always has one.
        source: the paper or standard that the formula comes from.
    """

    sensitivity: Literal["ordinary", "sensitive", "special"] = Field(alias="class")
    description: _Text
    unit: str | None = None
    formula: _Text | None = None
    source: _Text | None = None

    @model_validator(mode="after")
    def _formula_has_a_source(self) -> Self:
        if (self.formula is None) != (self.source is None):
            raise ValueError("a formula and its source come together")
        if self.unit is not None and self.formula is None:
            raise ValueError("a value with a unit needs the formula and its source")
        return self


class Disclosure(_Strict):
    """What may be published of a cohort table.

    Attributes:
        people: the column that counts the people behind a row.
        cells: the columns that split people into cells; totals along each of them are taken as known.
        within: the columns that start over: cells of different weeks are never added up.
        measures: a column that counts the people behind some values, and those values.
    """

    people: Name
    cells: list[Name] = Field(min_length=1)
    within: list[Name] = Field(default=[])
    measures: Mapping[Name, list[Name]] = Field(default={})

    @property
    def dimensions(self) -> list[str]:
        """The columns that say which cell a row is; never suppressed."""
        return [*self.within, *self.cells]


class ModelHeader(_Strict):
    """Everything that a model's leading comment must say."""

    name: Name
    zone: Literal["derived", "analytics"]
    grain: _Text
    keys: list[Name] = Field(min_length=1)
    owner: Function
    reads: list[Name] = Field(min_length=1)
    period: Literal["day", "month", "week"]
    retention_class: RetentionClass
    erasure: Literal["rewrite", "rederive", "keep"]
    erasure_reason: _Text | None = None
    disclosure: Disclosure | None
    columns: Mapping[Name, ModelColumn] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [text for broken, text in (*self._common(), *self._by_zone()) if broken]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _common(self) -> list[tuple[bool, str]]:
        return [
            (not set(self.keys) <= set(self.columns), "a key is not among the columns"),
            (
                any(self.columns[key].sensitivity != "ordinary" for key in self.keys if key in self.columns),
                "a key must be ordinary",
            ),
            (
                self.erasure == "keep" and self.erasure_reason is None,
                "erasure `keep` needs an erasure_reason",
            ),
            (PID in self.columns and self.erasure == "keep", "a table about people cannot keep the erased"),
        ]

    def _by_zone(self) -> list[tuple[bool, str]]:
        if self.zone == "derived":
            grains = {PARTITION_GRAIN[name] for name in self.reads if name in STREAMS}
            return [
                (not set(self.reads) <= set(STREAMS), "a derived model reads streams only"),
                (PID not in self.keys, f"a derived model has {PID} among its keys"),
                (
                    self.period != ("month" if "month" in grains else "day"),
                    "the period must be the streams' coarsest",
                ),
                (self.disclosure is not None, "disclosure is for analytics models"),
            ]
        published = self.disclosure
        named = set() if published is None else _named(published)
        return [
            (
                bool(set(self.reads) & set(STREAMS)),
                "an analytics model reads models and attributes, never streams",
            ),
            (PID in self.columns, f"an analytics model has no {PID}"),
            (published is None, "an analytics model needs a disclosure rule"),
            (not named <= set(self.columns), "the disclosure rule names a column that is not there"),
            (
                published is not None and set(published.dimensions) != set(self.keys),
                "keys must be the disclosure's within and cells",
            ),
            (
                published is not None and bool(_unguarded(self, published)),
                "every value that is not ordinary must be in the disclosure's measures",
            ),
        ]


def _named(disclosure: Disclosure) -> set[str]:
    values = {name for names in disclosure.measures.values() for name in names}
    return {disclosure.people, *disclosure.dimensions, *disclosure.measures, *values}


def _unguarded(header: ModelHeader, disclosure: Disclosure) -> set[str]:
    guarded = {name for names in disclosure.measures.values() for name in names}
    return {name for name, column in header.columns.items() if column.sensitivity != "ordinary"} - guarded


def split_model(text: str, *, name: str) -> tuple[ModelHeader, str]:
    """Split a model file into its header and its SELECT.

    Args:
        text: the whole file.
        name: the file's name, as errors show it.

    Raises:
        ConfigurationError: the header is missing or wrong; file and line are named.
    """
    if not text.startswith(_OPENING) or _CLOSING not in text:
        raise ConfigurationError(
            f"{name}:1: the model has no header.",
            remedy="Start the file with a `/* model` comment; see sql/derived.",
        )
    header, _, sql = text[len(_OPENING) :].partition(_CLOSING)
    return parse_located(header, name=name, model=ModelHeader, line_offset=1), sql.strip()
