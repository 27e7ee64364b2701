"""`subjects alias`, `subjects transfer`, `merge`, `split`, `zone` and `changes`: who is who, and whose is what.

Aliases are read from stdin, one a line, never from the command line, which is kept in histories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shelflife.cli.console import Json, clock, confirmed, messages, opened, print_json, print_table
from shelflife.cli.people import aliases_from_stdin
from shelflife.cli.times import instant
from shelflife.identity.change import changes, get, withdraw
from shelflife.identity.plan import REASONS
from shelflife.identity.prepare import check, merge_terms, prepare, preview, split_terms, transfer_terms
from shelflife.identity.selection import Selection
from shelflife.identity.stages import Running, explain, run
from shelflife.subjects.aliases import add_alias, end_alias, person_behind
from shelflife.subjects.periods import Period
from shelflife.subjects.profile import set_time_zone

if TYPE_CHECKING:
    from shelflife.estate import Estate
    from shelflife.identity.change import Terms
    from shelflife.identity.plan import Plan

_ACCOUNT = "account"
Kind = Annotated[str, typer.Option(help="What sort of alias the first line is.")]
OtherKind = Annotated[str, typer.Option("--to-kind", help="What sort of alias the second line is.")]
Since = Annotated[str | None, typer.Option(help="From when on: ISO 8601 with an offset.")]
Until = Annotated[str | None, typer.Option(help="Until when, not included: ISO 8601 with an offset.")]
Stream = Annotated[list[str] | None, typer.Option(help="A stream; may be given several times.")]
Platform = Annotated[str | None, typer.Option(help="The platform that the rows came from.")]
App = Annotated[str | None, typer.Option(help="The app that the rows came from.")]
Make = Annotated[str | None, typer.Option("--device-make", help="The maker of the device.")]
Model = Annotated[str | None, typer.Option("--device-model", help="The model of the device.")]
OnlyPreview = Annotated[bool, typer.Option("--preview", help="Only show what would change.")]
OnlyPrepare = Annotated[
    bool, typer.Option("--prepare", help="Write it down and print its id, to be run later.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without being asked.")]

_alias = typer.Typer(help="Names that people are known by, and when.", no_args_is_help=True)


def add_to(subjects: typer.Typer) -> None:
    """Add this module's commands to `subjects`."""
    subjects.add_typer(_alias, name="alias")
    for name, command in (
        ("transfer", transfer),
        ("merge", merge),
        ("split", split),
        ("zone", zone),
        ("changes", list_changes),
        ("run", run_change),
        ("withdraw", withdraw_change),
    ):
        subjects.command(name)(command)


@_alias.command("add")
def add(
    kind: Kind = _ACCOUNT, to_kind: OtherKind = _ACCOUNT, since: Since = None, until: Until = None
) -> None:
    """Give a person, whose alias stands in the first line, the further alias of the second line."""
    known, name = aliases_from_stdin(kind, to_kind)
    period = _period(since, until)
    with opened() as estate, estate.database.commit() as tx:
        add_alias(estate, tx, person_behind(estate, tx, known), name, period, clock())
    messages.print("Added. Rows that are landed already stay whose they are.")


@_alias.command("end")
def end(at: Annotated[str, typer.Option(help="From when on it is nobody's.")], kind: Kind = _ACCOUNT) -> None:
    """End whoever's the alias on stdin is: later rows under it are refused until somebody gets it."""
    [name] = aliases_from_stdin(kind)
    with opened() as estate, estate.database.commit() as tx:
        end_alias(estate, tx, name, instant(at), clock())
    messages.print("Ended. Rows that are landed already stay whose they are.")


def zone(
    name: Annotated[str, typer.Argument(help="An IANA time zone, such as Europe/Berlin.")],
    kind: Kind = _ACCOUNT,
) -> None:
    """Say in which time zone the wall-clock times of the person on stdin are; used for the next files."""
    [alias] = aliases_from_stdin(kind)
    with opened() as estate, estate.database.commit() as tx:
        set_time_zone(estate, tx, person_behind(estate, tx, alias), name)
    messages.print("Set.")


def merge(
    kind: Kind = _ACCOUNT,
    to_kind: OtherKind = _ACCOUNT,
    only_preview: OnlyPreview = False,
    only_prepare: OnlyPrepare = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make two subjects one: the one of the first line remains, that of the second line ends."""
    kept, gone = aliases_from_stdin(kind, to_kind)
    with opened() as estate:
        with estate.database.read() as conn:
            terms = merge_terms(estate, conn, kept, gone)
        _go_on(estate, terms, only_preview=only_preview, only_prepare=only_prepare, yes=yes, as_json=as_json)


def split(
    kind: Kind = _ACCOUNT,
    to_kind: OtherKind = _ACCOUNT,
    since: Since = None,
    until: Until = None,
    stream: Stream = None,
    platform: Platform = None,
    app: App = None,
    device_make: Make = None,
    device_model: Model = None,
    only_preview: OnlyPreview = False,
    only_prepare: OnlyPrepare = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Move rows of the subject of the first line to that of the second line, who may be new."""
    source, target = aliases_from_stdin(kind, to_kind)
    period = _period(since, until)
    chosen = Selection(period, tuple(stream or ()), platform, app, device_make, device_model)
    with opened() as estate:
        with estate.database.read() as conn:
            terms = split_terms(estate, conn, source, target, chosen)
        _go_on(estate, terms, only_preview=only_preview, only_prepare=only_prepare, yes=yes, as_json=as_json)


def transfer(
    at: Annotated[str, typer.Option(help="When it passed on: ISO 8601 with an offset.")],
    kind: Kind = "device",
    to_kind: OtherKind = _ACCOUNT,
    stream: Stream = None,
    platform: Platform = None,
    app: App = None,
    device_make: Make = None,
    device_model: Model = None,
    only_preview: OnlyPreview = False,
    only_prepare: OnlyPrepare = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Pass the alias of the first line, as of a re-sold device, on to the subject of the second, with the rows since then."""
    name, target = aliases_from_stdin(kind, to_kind)
    chosen = Selection(Period(), tuple(stream or ()), platform, app, device_make, device_model)
    with opened() as estate:
        with estate.database.read() as conn:
            terms = transfer_terms(estate, conn, name, target, instant(at), chosen)
        _go_on(estate, terms, only_preview=only_preview, only_prepare=only_prepare, yes=yes, as_json=as_json)


def list_changes(as_json: Json = False) -> None:
    """List identity changes: their ids, kinds, states and counts."""
    with opened() as estate, estate.database.read() as conn:
        found = changes(conn)
    columns = ["change", "kind", "state", "rows", "started at"]
    rows = [
        [
            one.change_id,
            str(one.kind),
            str(one.state),
            one.facts.get("rows", 0),
            one.started_at.isoformat(timespec="seconds"),
        ]
        for one in found
    ]
    if as_json:
        print_json(
            [{"change": one.change_id, "kind": one.kind, "state": one.state, **one.facts} for one in found]
        )
    else:
        print_table(f"{len(rows)} changes", columns, rows)


def run_change(
    change_id: Annotated[str, typer.Argument(help="A change id, as `--prepare` prints it.")],
) -> None:
    """Run a prepared change to its end, or go on with one that was stopped."""
    with opened() as estate:
        for step in explain(estate, change_id):
            messages.print(f"to do: {step}")
        _run(estate, change_id)


def withdraw_change(
    change_id: Annotated[str, typer.Argument(help="A change id, as `--prepare` prints it.")],
) -> None:
    """Give up a change that was prepared and not begun."""
    with opened() as estate:
        withdraw(estate, change_id, clock())
    messages.print("Withdrawn.")


def _go_on(
    estate: Estate, terms: Terms, *, only_preview: bool, only_prepare: bool, yes: bool, as_json: bool
) -> None:
    found = preview(estate, terms)
    _show(found, as_json=as_json)
    if only_preview:
        return
    check(found.obstacles)
    if only_prepare:
        change_id, _ = prepare(estate, terms, clock())
        typer.echo(change_id)
    elif yes or confirmed("rows move", found.rows):
        change_id, _ = prepare(estate, terms, clock())
        _run(estate, change_id)


def _run(estate: Estate, change_id: str) -> None:
    run(estate, change_id, Running(clock=clock, progress=lambda says: messages.print(f"[dim]{says}[/]")))
    done = get(estate, change_id)
    moved, known = done.facts.get("rows_moved", 0), done.facts.get("rows_known_already", 0)
    messages.print(
        f"Done: {moved:,} rows moved, {known:,} were there already. Publish copies next: `shelflife copy publish`."
    )


def _show(found: Plan, *, as_json: bool) -> None:
    if as_json:
        lines = [[one.table_name, one.period, one.rows, one.duplicates] for one in found.lines]
        print_json({"kind": found.kind, **found.facts(), "obstacles": list(found.obstacles), "moves": lines})
        return
    rows = [[one.table_name, one.period, one.rows, one.duplicates] for one in found.lines]
    print_table("What would move", ["table", "period", "rows", "there already"], rows)
    facts = [[name.replace("_", " "), count] for name, count in found.facts().items()]
    print_table("In all", ["what", "count"], facts)
    for one in found.obstacles:
        messages.print(f"In the way: {REASONS[one]}.")


def _period(since: str | None, until: str | None) -> Period:
    return Period(None if since is None else instant(since), None if until is None else instant(until))
