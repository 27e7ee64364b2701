"""Consent records as a platform sends them, for tests of estates that require consent."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from shelflife.policy.consent_events import STREAM_NAMES
from tests.conftest import NOW

NOTICE = "5f" * 32


@pytest.fixture
def consent_required(monkeypatch) -> None:
    """The environment of an estate that keeps data by consent."""
    monkeypatch.setenv("SHELFLIFE_CONSENT", "required")


def decision(
    account: str | None,
    stream: str = "heart",
    decided: str = "granted",
    *,
    purpose: str = "collection",
    at: dt.datetime | str = NOW - dt.timedelta(days=30),
    **more: object,
) -> bytes:
    """One consent record as a line."""
    record = {
        "record": "consent",
        "account": account,
        "stream": stream,
        "purpose": purpose,
        "decision": decided,
        "notice_sha256": NOTICE,
        "method": "in_app",
        "at": at if isinstance(at, str) else at.isoformat(),
    }
    return json.dumps(record | more).encode()


def grants(*accounts: str, streams=STREAM_NAMES, **more: object) -> bytes:
    """Consent of some accounts to the collection of streams."""
    return b"\n".join(decision(name, stream, **more) for name in accounts for stream in streams)


def beat(account: str, start: str, signal: str = "heart_rate", value: object = 61) -> bytes:
    """One sample as a line."""
    unit = {"heart_rate": "/min", "glucose_interstitial": "mg/dL", "steps": "{steps}"}.get(signal)
    row = {"subject": account, "signal": signal, "value": value, "unit": unit, "start": start}
    return json.dumps(row).encode()
