"""`subjects`, `lineage`, `audit` and `ledger`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import sqlalchemy as sa
import typer

from shelflife.access.audit import asked_sql, attempts
from shelflife.cli import identity
from shelflife.cli.console import Json, clock, messages, opened, print_json, print_table
from shelflife.cli.people import alias_from_stdin
from shelflife.control.subject_tables import alias, subject
from shelflife.errors import ConfigurationError
from shelflife.ledger.ledger import verify as verify_ledger
from shelflife.lineage.graph import feeds as column_feeds
from shelflife.lineage.graph import render_tree, where_did
from shelflife.subjects.directory import find
from shelflife.subjects.tombstones import register_again

_EVERY_QUERY = 2**31 - 1
_subjects = typer.Typer(help="Who the estate knows, by opaque ids only.", no_args_is_help=True)
_lineage = typer.Typer(help="Where data came from and where it went.", no_args_is_help=True)
_ledger = typer.Typer(help="The signed record of what was done.", no_args_is_help=True)
_audit = typer.Typer(help="Who asked what, and why.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    identity.add_to(_subjects)
    for group, name in (
        (_subjects, "subjects"),
        (_lineage, "lineage"),
        (_audit, "audit"),
        (_ledger, "ledger"),
    ):
        app.add_typer(group, name=name)


@_subjects.command("list")
def list_subjects(as_json: Json = False) -> None:
    """List subjects: opaque id, when first seen, how many aliases of which kinds."""
    with opened() as estate, estate.database.read() as conn:
        kinds: dict[bytes, list[str]] = {}
        for row in conn.execute(sa.select(alias.c.pid, alias.c.kind).order_by(alias.c.kind)):
            kinds.setdefault(bytes(row.pid), []).append(row.kind)
        people = conn.execute(
            sa.select(subject.c.pid, subject.c.created_at).order_by(subject.c.created_at)
        ).all()
    rows = [
        [
            bytes(p.pid).hex(),
            p.created_at.isoformat(timespec="seconds"),
            " ".join(kinds.get(bytes(p.pid), [])),
        ]
        for p in people
    ]
    if as_json:
        print_json([dict(zip(("subject", "since", "aliases"), row, strict=True)) for row in rows])
    else:
        print_table(f"{len(rows)} subjects", ["subject", "since", "aliases"], rows)


@_subjects.command("find")
def find_subject(
    kind: Annotated[str, typer.Option(help="What sort of alias it is.")] = "account",
    as_json: Json = False,
) -> None:
    """Read an alias from stdin (never from the command line, which is kept in histories) and print its opaque id."""
    name = alias_from_stdin(kind)
    with opened() as estate, estate.database.read() as conn:
        found = find(estate, conn, [name]).get(name)
    if found is None:
        raise ConfigurationError("No subject has this alias.", remedy="Check the alias and its --kind.")
    if as_json:
        print_json({"subject": found.identity_pid.hex()})
    else:
        typer.echo(found.identity_pid.hex())


@_subjects.command("register")
def register_subject(
    kind: Annotated[str, typer.Option(help="What sort of alias it is.")] = "account",
) -> None:
    """Let an erased person, whose alias stands on stdin, start anew: what was observed until now stays refused."""
    name = alias_from_stdin(kind)
    with opened() as estate, estate.database.commit() as tx:
        now = clock()
        register_again(estate, tx, name, now)
        estate.ledger.append(tx, [{"type": "register_again"}], now)
    messages.print("Registered. The next landing makes a new subject.")


@_lineage.command()
def feeds(
    column: Annotated[str, typer.Argument(help="A column, as model.column.")],
    everything: Annotated[
        bool,
        typer.Option("--all", help="Show also what only decides which rows count: filters, joins, groups."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a derived column is computed from, back to the raw streams."""
    with opened() as estate, estate.database.read() as conn:
        found = column_feeds(conn, column)
    if not everything:
        found = found.direct()
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(render_tree(found))


@_lineage.command()
def where(
    batch: Annotated[str, typer.Argument(help="A batch id, as `land` reports it.")], as_json: Json = False
) -> None:
    """Show where a landed batch went: partitions, files, derived tables."""
    with opened() as estate, estate.database.read() as conn:
        found = where_did(conn, batch)
    if as_json:
        print_json(asdict(found))
    else:
        typer.echo(render_tree(found))


@_audit.command("list")
def list_queries(
    last: Annotated[int, typer.Option(min=1, help="How many of the newest to show.")] = 20,
    as_json: Json = False,
) -> None:
    """List recorded queries, newest first: who, as what, why, which tables, with what outcome."""
    with opened() as estate, estate.database.read() as conn:
        found = attempts(conn, last=last)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        [
            one.asked_at.isoformat(timespec="seconds"),
            one.principal,
            one.role,
            one.purpose,
            one.decision,
            " ".join(one.tables),
            "" if one.rows is None else one.rows,
            one.query_id,
        ]
        for one in found
    ]
    columns = ["asked at", "principal", "role", "purpose", "decision", "tables", "rows", "query"]
    print_table(f"{len(rows)} queries", columns, rows)


@_audit.command("show")
def show_query(
    query_id: Annotated[str, typer.Argument(help="A query id, as `audit list` shows it.")],
) -> None:
    """Print the SQL text of one recorded query. It can hold a person's values: for the auditor's eyes."""
    with opened() as estate, estate.database.read() as conn:
        if query_id not in {one.query_id for one in attempts(conn, last=_EVERY_QUERY)}:
            raise ConfigurationError("No query has this id.", remedy="See `shelflife audit list`.")
        typer.echo(asked_sql(estate, conn, query_id))


@_ledger.command("verify")
def verify(as_json: Json = False) -> None:
    """Check the whole ledger: every entry, the tree, every signature, and the witness."""
    with opened() as estate, estate.database.read() as conn:
        report = verify_ledger(conn, estate.ledger.verifier_key, estate.witness)
    facts = {
        "entries": report.size,
        "root": report.root.hex(),
        "checkpoints": report.checkpoints,
        "witnessed_entries": report.witnessed_size,
        "witnessed_at": report.witnessed_at.isoformat(timespec="seconds") if report.witnessed_at else None,
        "unwitnessed_entries": report.unwitnessed,
    }
    if as_json:
        print_json(facts)
    else:
        print_table(
            "The ledger checks out", ["what", "value"], [[k.replace("_", " "), v] for k, v in facts.items()]
        )
