"""An estate of a few people with landed, derived and published data, and ways to ask for things on their behalf."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from shelflife.copies.publish import publish
from shelflife.estate import Estate
from shelflife.lake.checks import check_batches
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.rights.erasure import Options, run_erasures
from shelflife.rights.request_states import Kind
from shelflife.rights.requests import record_identity_check, submit
from shelflife.subjects.directory import Alias
from tests.conftest import NOW
from tests.lake.conftest import put, settings, settings_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["put", "settings"]

PEOPLE = ("ada", "bob", "eve", "joe", "kim", "lou", "mia", "ned", "ola", "pia", "quy", "ray")


def samples_of(people=PEOPLE, *, days=3, month=11) -> bytes:
    """Heart rate and glucose of some people over some days, as NDJSON."""
    rows = []
    for number, name in enumerate(people):
        for day in range(1, days + 1):
            for minute in range(0, 60, 5):
                start = f"2026-{month:02d}-{day:02d}T08:{minute:02d}:00Z"
                beat = {
                    "subject": name,
                    "signal": "heart_rate",
                    "value": 60 + number + minute % 7,
                    "unit": "/min",
                }
                sugar = {
                    "subject": name,
                    "signal": "glucose_interstitial",
                    "value": 90 + number + minute,
                    "unit": "mg/dL",
                }
                rows += [beat | {"start": start}, sugar | {"start": start}]
    return "\n".join(map(json.dumps, rows)).encode()


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def forward(self, **length: float) -> None:
        self.now += dt.timedelta(**length)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def estate(settings) -> Iterator[Estate]:
    made = Estate.create(settings, NOW)
    yield made
    made.close()


@pytest.fixture(scope="session")
def prepared_estate(tmp_path_factory) -> Path:
    """The folder of a filled estate that nobody changes."""
    folder = tmp_path_factory.mktemp("prepared")
    made = Estate.create(settings_in(folder), NOW)

    def put_there(body: bytes, account: str, name: str) -> None:
        target = made.settings.inbox / account / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)

    fill(made, put_there, Clock())
    made.close()
    return folder


@pytest.fixture
def filled(prepared_estate, tmp_path, settings) -> Iterator[Estate]:
    """A filled estate of the test's own."""
    shutil.copytree(prepared_estate / "estate", tmp_path / "estate")
    opened = Estate.open(settings, NOW)
    yield opened
    opened.close()


def fill(estate, put, clock, people=PEOPLE) -> None:
    """Land, judge, derive and publish."""
    put(samples_of(people), "x", "first.ndjson")
    report = land(estate, list_inbox(estate.settings.inbox), clock=clock)
    assert report.total("quarantined") == report.total("refused") == 0
    check_batches(estate, report.batches)
    derive(estate, clock=clock)
    publish(estate, clock=clock)


def ask(
    estate, name: str, clock, *, kind=Kind.ERASURE, streams=(), regimes=("eu_gdpr",), reason="request"
) -> str:
    """Register a verified request of somebody and return its id."""
    made = submit(
        estate,
        kind=kind,
        alias=Alias("account", name),
        now=clock(),
        streams=streams,
        regimes=regimes,
        reason=reason,
    )
    record_identity_check(estate, made.request_id, method="signed_in_session", passed=True, now=clock())
    return made.request_id


def options(clock, **more) -> Options:
    """Options of a run that never really waits."""
    return Options(clock=clock, wait=lambda seconds: clock.forward(seconds=seconds), **more)


def erase(estate, name: str, clock, **asked) -> str:
    """Ask for an erasure and carry it out; return the request's id."""
    request_id = ask(estate, name, clock, **asked)
    run_erasures(estate, [request_id], options(clock))
    return request_id


def reopened(folder) -> Estate:
    return Estate.open(settings_in(folder), NOW)
