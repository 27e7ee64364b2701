"""`hold`: recorded decisions that stop purge and erasure for named data."""

from __future__ import annotations

import datetime as dt
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shelflife.cli.console import Json, clock, confirmed, messages, opened, print_json, print_table
from shelflife.errors import ConfigurationError, StorageError
from shelflife.estate import Estate
from shelflife.lake.catalog import files_of_partitions
from shelflife.retention.held_rows import held_partitions
from shelflife.retention.hold_terms import Terms
from shelflife.retention.holds import (
    Hold,
    active_hold,
    all_holds,
    amend,
    find_hold,
    overdue_reviews,
    people_of,
    place,
)
from shelflife.retention.production import produce
from shelflife.retention.release import release
from shelflife.rights.finality import settle_released
from shelflife.seal.envelope_keys import ExportPublicKey
from shelflife.subjects.directory import Alias, find

_hold = typer.Typer(
    help="Decisions that stop purge and erasure for named data, for a legal matter.", no_args_is_help=True
)
HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="A hold id, as `hold list` shows it.")]
Day = Annotated[str | None, typer.Option(help="A local day, as 2026-11-23; no limit when absent.")]
Owner = Annotated[str | None, typer.Option(help="The function that answers for it, such as legal.")]
Review = Annotated[str | None, typer.Option(help="The day on which it is decided anew.")]
Basis = Annotated[
    list[str] | None,
    typer.Option(help="Why data may be kept, as REGIME=CODE (eu_gdpr=art-17-3-e); may be repeated."),
]
AliasKind = Annotated[str, typer.Option(help="What sort of aliases stand on stdin, one a line.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_hold, name="hold")


@_hold.command("place")
def place_hold(
    matter: Annotated[str, typer.Option(help="Reference number of the matter, never a name.")],
    owner: Annotated[str, typer.Option(help="The function that answers for it, such as legal.")],
    review_on: Annotated[str, typer.Option(help="The day on which it is decided anew.")],
    basis: Basis = None,
    stream: Annotated[
        list[str] | None, typer.Option(help="A stream that it covers; may be repeated; all when absent.")
    ] = None,
    first_day: Day = None,
    last_day: Day = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="Cover everyone; nothing is read.")] = False,
    alias_kind: AliasKind = "account",
    as_json: Json = False,
) -> None:
    """Place a hold on the people whose aliases stand on stdin, one a line, or on everyone; prints its opaque id."""
    terms = Terms(matter, owner, _day(review_on), _bases(basis or []))
    with opened() as estate:
        people = None if everyone else _people(estate, alias_kind)
        made = place(
            estate,
            terms,
            people=people,
            streams=stream,
            first_day=_day(first_day) if first_day else None,
            last_day=_day(last_day) if last_day else None,
            now=clock(),
        )
    if as_json:
        print_json({"hold": made.hold_id, "people": None if people is None else len(people)})
    else:
        typer.echo(made.hold_id)


@_hold.command("list")
def list_holds(
    everything: Annotated[bool, typer.Option("--all", help="Show released ones too.")] = False,
    as_json: Json = False,
) -> None:
    """List holds: what each covers, who answers for it, and whose review is overdue."""
    with opened() as estate, estate.database.read() as conn:
        found = [one for one in all_holds(conn) if everything or one.state == "active"]
        late = {one.hold_id for one in overdue_reviews(conn, clock().date())}
        people = {one.hold_id: len(people_of(conn, one.hold_id)) for one in found}
    rows = [
        [
            one.hold_id,
            one.matter,
            "everyone" if one.everyone else f"{people[one.hold_id]} people",
            " ".join(one.streams),
            _span(one),
            one.owner,
            f"{one.review_on}{' (overdue)' if one.hold_id in late else ''}",
            one.state,
        ]
        for one in found
    ]
    names = ("hold", "matter", "covers", "streams", "days", "owner", "review", "state")
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        print_table(f"{len(rows)} holds", names, rows)


@_hold.command("show")
def show_hold(hold_id: HoldId, as_json: Json = False) -> None:
    """Show one hold and what it keeps by now, in counts. Names nobody."""
    with opened() as estate, estate.database.read() as conn:
        one = find_hold(conn, hold_id)
        homes = held_partitions(conn, one)
        files = files_of_partitions(conn, [home.partition_id for home in homes])
        facts = {
            **asdict(one),
            "people": len(people_of(conn, hold_id)),
            "overdue": one in overdue_reviews(conn, clock().date()),
            "held_partitions": len(homes),
            "held_rows": sum(file.samples for file in files),
        }
    facts.pop("key_number")
    if as_json:
        print_json(facts)
    else:
        print_table("Hold", ["what", "value"], [[k.replace("_", " "), _shown(v)] for k, v in facts.items()])


@_hold.command("amend")
def amend_hold(
    hold_id: HoldId,
    matter: Annotated[str | None, typer.Option(help="Another reference number.")] = None,
    owner: Owner = None,
    review_on: Review = None,
    basis: Basis = None,
    add_people: Annotated[
        bool, typer.Option("--add-people", help="Add the people whose aliases stand on stdin.")
    ] = False,
    alias_kind: AliasKind = "account",
) -> None:
    """Change what a hold says, and add people to it. What it covers never shrinks."""
    with opened() as estate:
        with estate.database.read() as conn:
            before = active_hold(conn, hold_id)
        terms = Terms(
            matter or before.matter,
            owner or before.owner,
            _day(review_on) if review_on else before.review_on,
            {**before.bases, **_bases(basis or [])},
        )
        more = _people(estate, alias_kind) if add_people else []
        amend(estate, hold_id, terms, more_people=more, now=clock())
    messages.print("The hold is amended.")


@_hold.command("release")
def release_hold(
    hold_id: HoldId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Release a hold: what it kept is destroyed at once; what it kept from expiring goes with the next plan.

    Asks for the number of rows that are destroyed.
    """
    with opened() as estate:
        with estate.database.read() as conn:
            homes = held_partitions(conn, find_hold(conn, hold_id))
            files = files_of_partitions(conn, [home.partition_id for home in homes])
        if not yes and not confirmed("held rows that are destroyed", sum(file.samples for file in files)):
            raise typer.Abort
        done = release(estate, hold_id, clock=clock)
        settled = settle_released(estate, clock())
    facts = asdict(done) | {"erasures_settled": len(settled)}
    if as_json:
        print_json(facts)
    else:
        print_table("Released", ["what", "count"], [[k.replace("_", " "), v] for k, v in facts.items()])


@_hold.command("produce")
def produce_hold(
    hold_id: HoldId,
    to: Annotated[Path, typer.Option(help="File that the sealed envelope is written to.")],
    recipient_key: Annotated[Path, typer.Option(help="Public key of counsel (`export keygen`).")],
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it can be opened.")] = 30,
) -> None:
    """Write everything that a hold keeps into one envelope that only counsel's key opens. The ledger records it."""
    key = _public_key(recipient_key)
    with opened() as estate:
        part = to.with_name(f".{to.name}.part")
        try:
            with part.open("xb") as sink:
                done = produce(estate, hold_id, sink, key, lifetime=dt.timedelta(days=days), clock=clock)
                sink.flush()
                os.fsync(sink.fileno())
            part.replace(to)
        except OSError as error:
            raise StorageError(
                f"The envelope cannot be written: {error.strerror}.",
                remedy="Name a file in a writable folder.",
            ) from None
        finally:
            part.unlink(missing_ok=True)
    messages.print(f"{done.rows:,} rows of {done.people:,} people; SHA-256 {done.sha256.hex()}")


def _people(estate: Estate, kind: str) -> list[bytes]:
    """Read aliases from stdin, one a line; never from the command line, which is kept in histories.

    Raises:
        ConfigurationError: there is none, or one is unknown; which one is not said.
    """
    if sys.stdin.isatty():
        messages.print("Type one alias a line, then Ctrl-D:")
    names = [Alias(kind, line.strip()) for line in sys.stdin if line.strip()]
    with estate.database.read() as conn:
        known = find(estate, conn, names)
    unknown = len(set(names) - set(known))
    if unknown or not names:
        raise ConfigurationError(
            f"{unknown} of {len(names)} aliases are unknown.",
            remedy="Check the aliases and --alias-kind; --everyone covers everyone.",
        )
    return sorted({person.identity_pid for person in known.values()})


def _bases(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if not all(mark and code for _, mark, code in pairs):
        raise ConfigurationError(
            "A basis is not a regime and a code.", remedy="Write --basis eu_gdpr=art-17-3-e."
        )
    return {regime: code for regime, _, code in pairs}


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError("A day is not a date.", remedy="Write it as 2026-11-23.") from None


def _public_key(path: Path) -> ExportPublicKey:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("The public key cannot be read.", remedy="Name an existing file.") from None
    return ExportPublicKey.parse(text.strip())


def _span(one: Hold) -> str:
    return f"{one.first_day or '...'} to {one.last_day or '...'}"


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return " ".join(f"{name}={code}" for name, code in sorted(value.items()))
    return " ".join(value) if isinstance(value, tuple) else value
