"""A synthetic inbox: vendor files of invented people, and what a landing must make of each."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from shelflife.policy.consent_events import STREAM_NAMES
from shelflife.synthetic.apple_xml import export_text
from shelflife.synthetic.people import Person, invent
from shelflife.synthetic.tables import clarity_text, fitbit_text, glucose_ml_text

FITBIT_FOLDER = "fitbit"
NOTICE = "We collect what your devices measure, stream by stream, to show it to you. You can take this back at any time."
_CONSENTED_BEFORE = dt.timedelta(days=30)


@dataclass(frozen=True)
class ExpectedFile:
    """What must become of one file.

    Attributes:
        path: path in the inbox.
        adapter: name of the source adapter.
        records: source records.
        rows: records that become rows.
        problems: rows for quarantine, by reason.
        duplicates: sound rows that repeat an earlier one of the same person.
        ignored: records that become no row, by type.
    """

    path: Path
    adapter: str
    records: int
    rows: int
    problems: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    ignored: dict[str, int] = field(default_factory=dict)

    @property
    def landed(self) -> int:
        """Rows that a first landing accepts."""
        return self.rows - sum(self.problems.values()) - self.duplicates


@dataclass(frozen=True)
class SyntheticEstate:
    """What was written.

    Attributes:
        people: the invented people.
        files: every file and what must become of it.
    """

    people: list[Person]
    files: list[ExpectedFile]

    @property
    def accounts(self) -> list[str]:
        """Accounts of the people who have one."""
        return [person.alias for person in self.people if person.source == "apple_health"]

    @property
    def canaries(self) -> list[str]:
        """Texts that name somebody and must never be found outside the vault."""
        return sorted({text for person in self.people for text in person.canaries()})

    @property
    def samples(self) -> int:
        """Rows that a first landing accepts, of all files."""
        return sum(file.landed for file in self.files)


def write_inbox(
    folder: Path, *, people: int = 48, days: int = 21, seed: int, until: dt.date
) -> SyntheticEstate:
    """Write vendor files of invented people, the same for the same arguments.

    Args:
        folder: the inbox; `<account>/export.xml`, `<account>/clarity.csv` or `<account>/glucose.csv`,
            `fitbit/heartrate_seconds.csv`, `consents.ndjson` and `profiles.ndjson` are written into it.
        people: number of people, at least 3 for every kind of file.
        days: days of data of each, at least 2.
        seed: chooses the people and their data.
        until: last day of the data.
    """
    everyone = invent(people, seed, until)
    first_day = until - dt.timedelta(days=days - 1)
    files = [_write_consents(folder, everyone, first_day), _write_profiles(folder, everyone)]
    for person in everyone:
        files += _write_person(folder, person, first_day, days, seed)
    trackers = [person for person in everyone if person.source == "fitbit"]
    if trackers:
        text, readings = fitbit_text(trackers, first_day, days, seed)
        path = Path(FITBIT_FOLDER) / "heartrate_seconds.csv"
        _write(folder / path, text)
        files.append(ExpectedFile(path, "fitbit_fitabase", readings, readings))
    return SyntheticEstate(everyone, files)


def _write_person(
    folder: Path, person: Person, first_day: dt.date, days: int, seed: int
) -> list[ExpectedFile]:
    files = []
    if person.source == "apple_health":
        files.append(_write_export(folder, person, first_day, days, seed))
    if person.sensor == "clarity":
        text, readings, others = clarity_text(person, first_day, days, seed)
        path = Path(person.alias) / "clarity.csv"
        _write(folder / path, text)
        names = ("FirstName", "LastName", "DateOfBirth", "Device", "Alert")
        files.append(
            ExpectedFile(path, "dexcom_clarity", readings + others, readings, ignored=dict.fromkeys(names, 1))
        )
    elif person.sensor == "glucose_ml":
        text, readings = glucose_ml_text(person, first_day, days, seed)
        path = Path(person.alias) / "glucose.csv"
        _write(folder / path, text)
        files.append(ExpectedFile(path, "glucose_ml", readings, readings))
    return files


def _write_export(folder: Path, person: Person, first_day: dt.date, days: int, seed: int) -> ExpectedFile:
    export = export_text(person, first_day, days, seed)
    path = Path(person.alias) / "export.xml"
    _write(folder / path, export.text())
    return ExpectedFile(
        path,
        "apple_health",
        records=export.rows + export.ignored.total(),
        rows=export.rows,
        problems=dict(export.problems),
        duplicates=export.duplicates,
        ignored=dict(export.ignored),
    )


def _write_consents(folder: Path, people: list[Person], first_day: dt.date) -> ExpectedFile:
    """Write what everybody agreed to before the first day: collecting and sharing of every stream, and no sale."""
    at = dt.datetime.combine(first_day, dt.time(12), dt.UTC) - _CONSENTED_BEFORE
    decided = [
        {
            "record": "consent",
            "account": person.alias,
            "subject_kind": person.alias_kind,
            "stream": stream,
            "purpose": purpose,
            "decision": "granted",
            "notice_sha256": hashlib.sha256(NOTICE.encode()).hexdigest(),
            "method": "in_app",
            "at": at.isoformat(),
        }
        for person in people
        for purpose in ("collection", "sharing")
        for stream in STREAM_NAMES
    ]
    _write(folder / "consents.ndjson", "".join(json.dumps(one) + "\n" for one in decided))
    return ExpectedFile(
        Path("consents.ndjson"), "canonical_ndjson", len(decided), 0, ignored={"consent": len(decided)}
    )


def _write_profiles(folder: Path, people: list[Person]) -> ExpectedFile:
    lines = [json.dumps(_profile(person), ensure_ascii=False) + "\n" for person in people]
    _write(folder / "profiles.ndjson", "".join(lines))
    return ExpectedFile(
        Path("profiles.ndjson"), "canonical_ndjson", len(people), 0, ignored={"profile": len(people)}
    )


def _profile(person: Person) -> dict[str, str]:
    return {
        "record": "profile",
        "account": person.alias,
        "subject_kind": person.alias_kind,
        "given_name": person.given_name,
        "family_name": person.family_name,
        "birth_date": person.birth_date.isoformat(),
        "sex": person.sex,
        "email": person.email,
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
