"""What copies there may be: `retention_policies/copies.yaml`, typed, strict, mistakes told with file and line.

A place outside of the vault may hold people's data only as far as it is declared here: what, of which classes, for how
long, why, who answers for it and who receives it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from shelflife.policy.duration import Duration  # noqa: TC001  pydantic reads it at run time
from shelflife.policy.strict import Function, Name, Strict, Text

Kind = Literal["sqlite_cache", "duckdb_mart", "parquet_extract", "redis_cache", "http_cache"]
Class = Literal["ordinary", "sensitive", "special"]
CopyName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
Option = str | int | bool | list[str]

_Label = Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]

FOLDER = "copies"
"""Folder of the estate's home that copies of files lie in, never among the vault's own zones."""

SCHEMES: dict[str, tuple[str, ...]] = {
    "sqlite_cache": (),
    "duckdb_mart": (),
    "parquet_extract": (),
    "redis_cache": ("redis", "rediss", "unix"),
    "http_cache": ("http", "https"),
}
"""URL schemes of each kind of place; none for a folder."""

ALWAYS_SEALED = frozenset({"sqlite_cache"})
"""Kinds whose format has no form in clear."""

SECRET = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_PATH = re.compile(rf"{FOLDER}(/[a-z0-9][a-z0-9_-]*)+")


class Recipient(Strict):
    """Who receives a copy (GDPR Article 13(1)(e), 15(1)(c))."""

    name: _Label = Field(description="The organisation or function that receives it.")
    contact: _Label = Field(description="Where a person reaches it: a function's address, never a person's.")
    basis: Text = Field(description="Why it may receive it: contract, consent, legal duty.")


class CopyDeclaration(Strict):
    """One copy."""

    name: CopyName = Field(description="Name of the copy; also of its dataset in lineage.")
    kind: Kind = Field(description="What it is.")
    location: str = Field(
        description="A folder below the estate's home (copies/...), or a URL whose secret is ${VARIABLE}."
    )
    owner: Function = Field(description="The function that answers for it, never a person.")
    deputy: Function = Field(description="The function that answers when the owner cannot.")
    purpose: Name = Field(description="What it is used for.")
    ttl: Duration = Field(description="How long a publication may stay.")
    datasets: list[Name] = Field(min_length=1, description="Models that it holds.")
    classes: list[Class] = Field(min_length=1, description="Sensitivity classes of columns that it may hold.")
    recipients: list[Recipient] = Field(min_length=1, description="Who receives it.")
    encryption: Literal["native", "none"] = Field(
        default="native", description="Whether it is ciphertext under a key of the estate."
    )
    encryption_reason: Text | None = Field(default=None, description="Why it is in clear.")
    options: dict[Name, Option] = Field(default={}, description="Further settings of its kind.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [text for broken, text in (*self._content(), *self._place()) if broken]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _content(self) -> list[tuple[bool, str]]:
        in_clear = self.encryption == "none"
        return [
            (self.deputy == self.owner, "the deputy must be another function than the owner"),
            (len(set(self.datasets)) < len(self.datasets), "a dataset stands here twice"),
            (len(set(self.classes)) < len(self.classes), "a class stands here twice"),
            ("ordinary" not in self.classes, "keys are ordinary columns: classes must have `ordinary`"),
            ("special" in self.classes and in_clear, "columns of the class special are never kept in clear"),
            (
                "special" in self.classes and self.kind == "http_cache",
                "columns of the class special never go into an HTTP cache",
            ),
            (in_clear and self.kind in ALWAYS_SEALED, f"a {self.kind} is always sealed"),
            (in_clear and self.encryption_reason is None, "encryption `none` needs an encryption_reason"),
            (
                not in_clear and self.encryption_reason is not None,
                "encryption_reason is for encryption `none`",
            ),
        ]

    def _place(self) -> list[tuple[bool, str]]:
        schemes = SCHEMES[self.kind]
        if not schemes:
            return [(not _PATH.fullmatch(self.location), f"location must be a folder {FOLDER}/... ")]
        try:
            url = urlsplit(self.location)
            secrets = (url.password, url.username if url.password is None else None)
        except ValueError:
            return [(True, "location must be a URL")]
        return [
            (url.scheme not in schemes, f"location must be a URL that starts with {' or '.join(schemes)}:"),
            (
                any(secret and not SECRET.fullmatch(secret) for secret in secrets),
                "a secret in a location stands in an environment variable: ${NAME}",
            ),
        ]

    @property
    def lifetime(self) -> timedelta:
        """The time to live in days; a month counts as its shortest."""
        return timedelta(days=28 * self.ttl.months + self.ttl.days)


class CopyDeclarations(Strict):
    """Every copy that there may be."""

    copies: list[CopyDeclaration] = Field(description="The copies; an empty list means that there are none.")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [one.name for one in self.copies]
        if len(set(names)) < len(names):
            raise ValueError("two copies have one name")
        places = [f"{one.location}/" for one in self.copies if not SCHEMES[one.kind]]
        for number, place in enumerate(places):
            if any(place.startswith(other) for other in places[:number] + places[number + 1 :]):
                raise ValueError("two copies lie in one folder")
        return self
