"""`consent`: what people agreed to and took back, and acting on it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from shelflife.cli.console import Json, clock, messages, opened, print_json, print_table
from shelflife.cli.people import alias_from_stdin
from shelflife.cli.times import instant
from shelflife.errors import ConfigurationError
from shelflife.policy.consent_events import METHODS, PURPOSES, STREAM_NAMES, ConsentEvent
from shelflife.policy.loading import load_consent_policy
from shelflife.rights.withdrawals import apply_withdrawals
from shelflife.subjects.consent import standing
from shelflife.subjects.consent_ledger import Decisions, decide, decisions_of
from shelflife.subjects.directory import find

_consent = typer.Typer(help="What people agreed to and took back, stream by stream.", no_args_is_help=True)
AliasKind = Annotated[str, typer.Option(help="What sort of alias stands on stdin.")]
Streams = Annotated[
    list[str], typer.Option("--stream", help=f"A stream (repeatable): {', '.join(STREAM_NAMES)}.")
]
Purposes = Annotated[
    list[str], typer.Option("--purpose", help=f"A purpose (repeatable): {', '.join(PURPOSES)}.")
]
Method = Annotated[str, typer.Option(help=f"How it was decided: {', '.join(METHODS)}.")]
At = Annotated[str | None, typer.Option(help="When, with an offset (2026-11-23T12:00:00Z); now when absent.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_consent, name="consent")


@_consent.command()
def grant(
    stream: Streams,
    purpose: Purposes,
    method: Method,
    notice: Annotated[Path, typer.Option(help="The notice that was shown; its SHA-256 is recorded.")],
    at: At = None,
    expires: Annotated[str | None, typer.Option(help="When the grant ends, with an offset.")] = None,
    alias_kind: AliasKind = "account",
) -> None:
    """Record that the person whose alias stands on stdin agreed."""
    shown = _sha256(notice)
    _record(stream, purpose, "granted", method, at, alias_kind, notice=shown, expires=expires)


@_consent.command()
def withdraw(
    stream: Streams,
    purpose: Purposes,
    method: Method,
    at: At = None,
    alias_kind: AliasKind = "account",
) -> None:
    """Record that the person whose alias stands on stdin took consent back; it counts at once.

    `consent apply` does what the policy says besides, such as registering an erasure.
    """
    _record(stream, purpose, "withdrawn", method, at, alias_kind)


@_consent.command()
def show(alias_kind: AliasKind = "account", as_json: Json = False) -> None:
    """Show where the consent of the person whose alias stands on stdin stands."""
    alias = alias_from_stdin(alias_kind)
    with opened() as estate:
        validity = load_consent_policy(estate.settings.policies).validity
        with estate.database.read() as conn:
            person = find(estate, conn, [alias]).get(alias)
            if person is None:
                raise ConfigurationError("No subject has this alias.", remedy="Check the alias and its kind.")
            known = decisions_of(estate, conn, [person.identity_pid]).get(person.identity_pid, Decisions())
    found = {
        (stream, purpose): standing(known.events, (stream, purpose), clock(), validity)
        for stream in STREAM_NAMES
        for purpose in PURPOSES
    }
    if as_json:
        print_json({f"{stream} {purpose}": state for (stream, purpose), state in found.items()})
        return
    rows = [[stream, *(found[stream, purpose] for purpose in PURPOSES)] for stream in STREAM_NAMES]
    print_table(f"Consent, after {len(known.events)} decisions", ["stream", *PURPOSES], rows)


@_consent.command("apply")
def apply_command(as_json: Json = False) -> None:
    """Act on withdrawals and on grants that ran out, each once, as the policy says; prints the erasures registered."""
    with opened() as estate:
        done = apply_withdrawals(estate, clock=clock)
    if as_json:
        print_json({"actions": dict(sorted(done.actions.items())), "requests": done.requests})
        return
    told = ", ".join(f"{action}: {count}" for action, count in sorted(done.actions.items()))
    messages.print(f"Acted on {done.actions.total()} ({told})." if told else "Nothing to act on.")
    for request_id in done.requests:
        typer.echo(request_id)


def _record(
    streams: list[str],
    purposes: list[str],
    decision: str,
    method: str,
    at: str | None,
    alias_kind: str,
    *,
    notice: str | None = None,
    expires: str | None = None,
) -> None:
    now = clock()
    decided_at = instant(at) if at else now
    ends = instant(expires) if expires else None
    try:
        events = [
            ConsentEvent(decision, stream, purpose, method, decided_at, notice, ends)
            for stream in dict.fromkeys(streams)
            for purpose in dict.fromkeys(purposes)
        ]
    except ValueError as error:
        raise ConfigurationError(
            f"The decision cannot be recorded: {error}.", remedy="See --help for the words."
        ) from None
    alias = alias_from_stdin(alias_kind)
    with opened() as estate:
        new = decide(estate, alias, events, now)
    messages.print(f"Recorded {new} new decisions.")


def _sha256(notice: Path) -> str:
    try:
        return hashlib.sha256(notice.read_bytes()).hexdigest()
    except OSError:
        raise ConfigurationError("The notice cannot be read.", remedy="Name an existing file.") from None
