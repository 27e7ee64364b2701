"""`request`: the register of what people asked for, its clocks, and running what was asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelflife.cli.console import Json, clock, messages, opened, print_json, print_rows, print_table
from shelflife.cli.erasure import erase as run_erase
from shelflife.cli.people import alias_from_stdin
from shelflife.policy.loading import load_rulebook
from shelflife.rights import requests as register_of
from shelflife.rights.clocks import SOON_DAYS, obligations_of, open_alerts
from shelflife.rights.outcomes import outcomes
from shelflife.rights.request_states import Kind, State

_request = typer.Typer(help="What people asked for: export, erasure and its clocks.", no_args_is_help=True)
RequestId = Annotated[str, typer.Argument(help="A request id, as `request list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_request, name="request")


@_request.command()
def submit(
    kind: Annotated[Kind, typer.Option(help="What is asked for.")],
    alias_kind: Annotated[str, typer.Option(help="What sort of alias stands on stdin.")] = "account",
    stream: Annotated[list[str] | None, typer.Option(help="Erase this stream only (repeatable).")] = None,
    regime: Annotated[
        list[str] | None, typer.Option(help="A law that the person can invoke (repeatable).")
    ] = None,
    reason: Annotated[str, typer.Option(help="request, consent_withdrawal, account_closed, ...")] = "request",
    recipient_key: Annotated[
        Path | None, typer.Option(help="Public key that an export is sealed to (`export keygen`).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Register a request of the person whose alias stands on stdin; prints its opaque id."""
    alias = alias_from_stdin(alias_kind)
    with opened() as estate:
        made = register_of.submit(
            estate,
            kind=kind,
            alias=alias,
            now=clock(),
            streams=stream or (),
            regimes=regime or (),
            reason=reason,
            recipient_key=_public_key(recipient_key),
        )
    if as_json:
        print_json({"request": made.request_id, "state": made.state})
    else:
        typer.echo(made.request_id)


@_request.command()
def verify(
    request_id: RequestId,
    method: Annotated[str, typer.Option(help="How the identity was checked.")],
    failed: Annotated[bool, typer.Option("--failed", help="The check did not pass.")] = False,
) -> None:
    """Record that the identity was checked. The method and its outcome are kept; throw the evidence away."""
    with opened() as estate:
        found = register_of.record_identity_check(
            estate, request_id, method=method, passed=not failed, now=clock()
        )
    messages.print(f"The request is {found.state}.")


@_request.command("list")
def list_requests(
    everything: Annotated[bool, typer.Option("--all", help="Show closed ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List requests: opaque id, kind, state, when received, the next date that counts."""
    with opened() as estate, estate.database.read() as conn:
        found = register_of.requests(conn) if everything else register_of.still_open(conn)
        rulebook = load_rulebook(estate.settings.policies)
        due = {
            one.request_id: min(
                (
                    o.due
                    for o in obligations_of(rulebook, one, register_of.events(conn, one.request_id))
                    if o.due and o.met_on is None
                ),
                default=None,
            )
            for one in found
        }
    rows = [
        [one.request_id, one.kind, " ".join(one.streams) or "everything", one.state,
         one.received_at.date().isoformat(), due[one.request_id] or ""]
        for one in found
    ]  # fmt: skip
    names = ("request", "kind", "scope", "state", "received", "next due")
    print_rows(f"{len(rows)} requests", names, rows, as_json=as_json)


@_request.command()
def show(request_id: RequestId, as_json: Json = False) -> None:
    """Show one request: its state, what happened, what is due under each law, what became of each place."""
    with opened() as estate, estate.database.read() as conn:
        asked = register_of.request_in(conn, request_id)
        happened = register_of.events(conn, request_id)
        due = obligations_of(load_rulebook(estate.settings.policies), asked, happened)
        places = outcomes(conn, request_id)
    if as_json:
        print_json(
            {
                "request": asked.request_id,
                "kind": asked.kind,
                "streams": list(asked.streams),
                "state": asked.state,
                "facts": asked.facts,
                "events": [vars(one) for one in happened],
                "obligations": [vars(one) for one in due],
                "outcomes": [vars(one) for one in places],
            }
        )
        return
    scope = " ".join(asked.streams) or "everything"
    messages.print(f"{asked.kind} of {scope}: {asked.state}")
    print_table(
        "What happened",
        ["event", "at"],
        [[one.event, one.at.isoformat(timespec="seconds")] for one in happened],
    )
    print_table(
        "What is due",
        ["regime", "obligation", "due", "latest", "met", "note"],
        [[o.regime, o.name, o.due or "", o.latest or "", o.met_on or "", o.note] for o in due],
    )
    if places:
        print_table(
            "What became of it",
            ["place", "outcome", "until"],
            [[one.place, one.outcome, one.until.date() if one.until else ""] for one in places],
        )


@_request.command()
def event(
    request_id: RequestId,
    name: Annotated[str, typer.Argument(help="acknowledged, extended, clarification_asked, clarified, ...")],
) -> None:
    """Record something that a clock starts, stops or moves at."""
    with opened() as estate:
        register_of.record_event(estate, request_id, name, clock())
    messages.print("Recorded.")


@_request.command()
def deny(
    request_id: RequestId,
    basis: Annotated[str, typer.Option(help="The legal basis, as a short code.")],
) -> None:
    """Deny a request for which nothing was done yet, and shred who asked."""
    with opened() as estate:
        register_of.close(estate, request_id, State.DENIED, basis=basis, now=clock())
    messages.print("Denied. Who asked was shredded.")


@_request.command()
def withdraw(request_id: RequestId) -> None:
    """Close a request that the person took back, and shred who asked."""
    with opened() as estate:
        register_of.close(estate, request_id, State.WITHDRAWN, basis="withdrawn_by_person", now=clock())
    messages.print("Withdrawn. Who asked was shredded.")


@_request.command()
def due(
    days: Annotated[int, typer.Option(min=0, help="How many days ahead to look.")] = SOON_DAYS,
    as_json: Json = False,
) -> None:
    """List what is overdue or soon due; exits with 4 when something is overdue."""
    with opened() as estate, estate.database.read() as conn:
        found = open_alerts(conn, load_rulebook(estate.settings.policies), clock().date(), days)
    if as_json:
        print_json([vars(one) for one in found])
    else:
        rows = [[one.request_id, one.regime, one.name, one.due, one.state, one.days_left] for one in found]
        columns = ["request", "regime", "obligation", "due", "state", "days left"]
        print_table(f"{len(found)} dates", columns, rows)
    if any(one.state == "overdue" for one in found):
        raise typer.Exit(4)


@_request.command()
def run(
    request_id: RequestId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Do what a verified request asks for: deliver the export, or erase."""
    with opened() as estate:
        kind = register_of.get(estate, request_id).kind
    if kind is Kind.EXPORT:
        from shelflife.cli.export import deliver  # noqa: PLC0415  the export's libraries take a moment to import

        deliver(request_id, as_json=as_json)
    else:
        run_erase([request_id], yes=yes, as_json=as_json)


def _public_key(path: Path | None) -> bytes:
    return path.read_bytes() if path else b""
