"""What an export must leave out, regime by regime. Pure.

Some laws forbid to send certain things even to the person they are about: a thief who gets hold of the answer must not
find a social security number or a face template in it (11 CCR 7024(d)). The person is told, with particularity, what
is held and left out. Where several regimes hold, what any of them forbids stays out: what was sent cannot be taken back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from shelflife.errors import ConfigurationError
from shelflife.rights.export.contents import Person, Withheld

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shelflife.policy.regimes import Regime

RIGHTS_OF_OTHERS = "rights_of_others"


@dataclass(frozen=True)
class Category:
    """One category that a regime can withhold.

    Attributes:
        words: what it is called when the person is told.
        names: pattern over the names of profile facts and kinds of aliases, in lower case with underscores.
    """

    words: str
    names: re.Pattern[str]


def _category(words: str, names: str) -> Category:
    return Category(words, re.compile(rf"(^|_)({names})(_|$)"))


CATEGORIES: Mapping[str, Category] = MappingProxyType(
    {
        "ssn": _category(
            "a social security number", "ssn|social_security(_number|_no)?|social_insurance(_number)?|sin"
        ),
        "government_id": _category(
            "a number of a government-issued identity document",
            "passport|driv(er|ers|ing)_licen[cs]e|national_id|government_id|gov_id|id_card|identity_card|tax_id|"
            "taxpayer_id|residence_permit",
        ),
        "account_number": _category(
            "a financial account or card number",
            "iban|bank_account|account_number|card_number|credit_card|debit_card|routing_number",
        ),
        "health_insurance_id": _category(
            "a health insurance or medical identification number",
            "health_insurance|insurance_(id|number)|medical_record_number|medical_id|mrn|nhs_number|medicare|medicaid",
        ),
        "password": _category(
            "a password, a security question or its answer",
            "password|passphrase|passcode|pin|security_(question|answer)",
        ),
        "unique_biometric_data": _category(
            "unique biometric data generated from measurements of a body: a face, hand, voice, gait, eye or finger "
            "template",
            "(face|hand|palm|voice|gait|iris|retina|finger|fingerprint|biometric)_?(template|print|embedding|scan|id|"
            "geometry|hash)|voiceprint|fingerprint|faceprint|iris|retina",
        ),
    }
)
"""What each category of `access.withhold` in the regimes stands for."""


@dataclass(frozen=True)
class Decision:
    """What is left out and what stays.

    Attributes:
        person: the identifiers that go into the export.
        withheld: what does not, each with its reason.
        looked_for: the categories that were looked for, in words, found or not.
        received_text: whether the text of records that could not be read may go out: it can hold anything.
    """

    person: Person
    withheld: tuple[Withheld, ...]
    looked_for: tuple[str, ...]
    received_text: bool


def decide(person: Person, regimes: Sequence[Regime]) -> Decision:
    """Say what an export under these regimes leaves out.

    Args:
        person: everything that is known of the person.
        regimes: the regimes that the request is answered under.

    Raises:
        ConfigurationError: no regime is named, or one withholds a category that nothing here stands for.
    """
    if not regimes:
        raise ConfigurationError(
            "No regime says what the export may hold.", remedy="Name at least one, such as eu_gdpr."
        )
    rules = {name: regime for regime in regimes for name in _withheld_by(regime)}
    unknown = sorted(set(rules) - set(CATEGORIES) - {RIGHTS_OF_OTHERS})
    if unknown:
        raise ConfigurationError(
            f"A regime withholds {', '.join(unknown)}, which no category of the export stands for.",
            remedy="Correct `withhold` in regimes.yaml, or add the category to the export.",
        )
    found: list[Withheld] = []
    facts, aliases = dict(person.facts), list(person.aliases)
    for name, regime in rules.items():
        if name == RIGHTS_OF_OTHERS:
            continue
        category = CATEGORIES[name]
        left_out = [fact for fact in facts if _matches(category, fact)]
        kinds = [alias.kind for alias in aliases if _matches(category, alias.kind)]
        facts = {fact: value for fact, value in facts.items() if fact not in left_out}
        aliases = [alias for alias in aliases if not _matches(category, alias.kind)]
        found += [_item(name, category, what, regime) for what in (*left_out, *sorted(set(kinds)))]
    barred = set(rules) - {RIGHTS_OF_OTHERS}
    return Decision(
        Person(facts, tuple(aliases), person.since),
        tuple(found),
        tuple(CATEGORIES[name].words for name in CATEGORIES if name in barred),
        not barred,
    )


def employees_withheld() -> Withheld:
    """Return the entry for the names of employees, which never go out (CJEU C-579/21, GDPR Art. 15(4))."""
    return Withheld(
        RIGHTS_OF_OTHERS,
        "The names of the people who ran the queries in access_log.json.",
        "They are personal data of those people. You see when, in which role and for which purpose they looked.",
        "GDPR Art. 15(4); CJEU C-579/21",
    )


def holds_withheld() -> Withheld:
    """Return the entry for data under a legal hold, which no export ever reads."""
    return Withheld(
        "legal_hold",
        "Rows that a legal hold keeps apart from all use, if there are any of you.",
        "Held rows are locked away until the hold ends; nobody can look at them, and no export reads them.",
        "The hold's own basis; ask the organisation whether a hold concerns you",
    )


def text_withheld(regimes: Iterable[Regime]) -> Withheld:
    """Return the entry for the text of unreadable records, which nobody can search for what must stay out."""
    barring = (regime.access for regime in regimes if set(_withheld_by(regime)) - {RIGHTS_OF_OTHERS})
    rule = "; ".join(access.cite for access in barring if access is not None)
    return Withheld(
        "unreadable_text",
        "The received text of records that could not be read (reason bad_record in the set-aside rows).",
        "It can hold anything, also what must not be sent, and cannot be searched for it with certainty.",
        rule,
    )


def _withheld_by(regime: Regime) -> list[str]:
    return list(regime.access.withhold) if regime.access is not None else []


def _matches(category: Category, name: str) -> bool:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return category.names.search(re.sub(r"[^a-z0-9]+", "_", spaced.lower())) is not None


def _item(name: str, category: Category, what: str, regime: Regime) -> Withheld:
    rule = regime.access.cite if regime.access is not None else regime.name
    return Withheld(
        name,
        f"We hold {category.words} of you, kept under the name {what!r}.",
        "The law forbids to send it in answer to a request, so that nobody who intercepts the answer gets it.",
        f"{regime.name}: {rule}",
    )
