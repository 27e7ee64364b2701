"""What every model of a policy file is built on: nothing unknown, nothing converted by guess, nothing changed later."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Function = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
Text = Annotated[str, StringConstraints(min_length=10, strip_whitespace=True)]
Version = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(\.\d+)?$")]


def _read_day(value: object) -> object:
    """Read a date as ISO 8601 writes it; YAML's own dates arrive here as text."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return dt.date.fromisoformat(value)
    raise ValueError("must be a date such as 2026-11-23")


Day = Annotated[dt.date, BeforeValidator(_read_day)]


class Strict(BaseModel):
    """A model that refuses unknown keys and values of another type, and cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
