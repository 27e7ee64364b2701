"""Facts about a person in Fitbit's profile, from the Web API and from the archive's `Profile.csv`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.sources import profile_text
from shelflife.sources.json_values import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shelflife.sources.source import Parsing

TIME_ZONE = "time_zone"
_OTHER: Mapping[str, tuple[str, ...]] = {
    TIME_ZONE: ("timezone",),
    "fitbit_id": ("encodedId", "id"),
    "full_name": ("fullName", "full_name"),
    "display_name": ("displayName",),
    "user_name": ("username",),
    "email": ("email_address",),
    "locale": ("locale",),
    "country": ("country",),
    "state": ("state",),
    "city": ("city",),
    "weight_unit": ("weightUnit", "weight_unit"),
    "distance_unit": ("distanceUnit", "distance_unit"),
}
_NOTHING = frozenset({"", "null"})


def learn_user(parsing: Parsing, fields: Mapping[str, object]) -> None:
    """Put the facts of a profile into `parsing.profile` and count the record.

    Args:
        parsing: the parse that it was read in.
        fields: the profile as the Web API (`firstName`) or the archive (`first_name`) names its fields.
    """
    parsing.ignore("profile")

    def first(*names: str) -> str | None:
        found = (text(fields.get(name)) for name in names)
        return next((value for value in found if value is not None and value not in _NOTHING), None)

    facts = parsing.profile
    facts.given_name = first("firstName", "first_name")
    facts.family_name = first("lastName", "last_name")
    facts.birth_date = first("dateOfBirth", "date_of_birth")
    sex = first("gender")
    facts.sex = None if sex is None else profile_text.sex(sex)
    for name, columns in _OTHER.items():
        value = first(*columns)
        if value is not None:
            facts.other[name] = value[:200]
