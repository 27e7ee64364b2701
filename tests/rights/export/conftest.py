"""An estate of invented people with landed, derived and queried data, and one of them exported from it."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shelflife.access.query import query
from shelflife.estate import Estate
from shelflife.lake.checks import check_batches
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.export.contents import Controller, Recipient
from shelflife.rights.export.export import ExportReport, export_subject
from shelflife.rights.export.unpack import Opened, open_export
from shelflife.seal.envelope_header import Wrapping
from shelflife.seal.envelope_keys import ExportPrivateKey
from shelflife.subjects.directory import Alias, Subject, find
from shelflife.synthetic.inbox import write_inbox
from tests.conftest import NOW
from tests.lake.conftest import settings_in

if TYPE_CHECKING:
    from shelflife.synthetic.people import Person

KEY = ExportPrivateKey.generate(Wrapping.HPKE_X25519)
REQUEST = "0123456789abcdef0123456789abcdef"
UNTIL = dt.date(2026, 11, 22)
RECIPIENT = Recipient(
    "Northwind Analytics",
    "processor",
    "privacy@northwind.example",
    ("heart_daily",),
    "statistics",
    "contract",
)
CONTROLLER = Controller("Example Fitness", "privacy@fitness.example")


@dataclass(frozen=True)
class Exported:
    """An export, sealed and opened, and where it came from."""

    estate: Estate
    person: Person
    subject: Subject
    sealed: bytes
    report: ExportReport
    opened: Opened
    folder: Path


def subject_of(estate: Estate, value: str, kind: str = "account") -> Subject:
    name = Alias(kind, value)
    with estate.database.read() as conn:
        return find(estate, conn, [name])[name]


def export_of(estate: Estate, subject: Subject, **more) -> tuple[bytes, ExportReport]:
    """Export somebody into memory."""
    sink = io.BytesIO()
    values = {
        "regimes": ["eu_gdpr"],
        "recipients": [],
        "request_id": REQUEST,
        "clock": lambda: NOW,
        "recipient_key": KEY.public_key(),
    } | more
    report = export_subject(estate, subject, to=sink, **values)
    return sink.getvalue(), report


def unpacked(estate: Estate, subject: Subject, target: Path, **more) -> Path:
    """Export somebody and open it."""
    sealed, _ = export_of(estate, subject, **more)
    open_export(io.BytesIO(sealed), KEY, target, now=NOW)
    return target


def landed(folder: Path, files: dict[str, bytes], *, derived: bool = False) -> Estate:
    """Make an estate and land some files, given as account/name."""
    estate = Estate.create(settings_in(folder), NOW)
    for name, content in files.items():
        path = estate.settings.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    assert not report.refused_files, report.refused_files
    check_batches(estate, report.batches)
    if derived:
        derive(estate, clock=lambda: NOW)
    return estate


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Exported:
    """One of four invented people, exported after a week of data, a derivation and some queries."""
    folder = tmp_path_factory.mktemp("exported")
    estate = Estate.create(settings_in(folder), NOW)
    invented = write_inbox(estate.settings.inbox, people=4, days=7, seed=7, until=UNTIL)
    report = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW)
    check_batches(estate, report.batches)
    derive(estate, clock=lambda: NOW)
    asked = {"principal": "dr-quokka", "role": "clinician", "purpose": "care", "now": NOW}
    query(estate, "SELECT count(*) FROM glucose_daily", **asked)
    query(estate, "SELECT count(*) FROM cohort_weekly", **asked)
    person = next(one for one in invented.people if one.sensor == "clarity")
    subject = subject_of(estate, person.alias)
    sealed, made = export_of(estate, subject, recipients=[RECIPIENT], controller=CONTROLLER)
    target = folder / "opened"
    opened = open_export(io.BytesIO(sealed), KEY, target, now=NOW, signer=estate.ledger.verifier_key)
    return Exported(estate, person, subject, sealed, made, opened, target)
