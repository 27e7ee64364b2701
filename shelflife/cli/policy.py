"""`policy`: check, schema, diff, adopt and schedule."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shelflife.cli.console import Json, clock, messages, opened, print_json, print_table
from shelflife.config import Settings, load_settings
from shelflife.copies.registry import load_declarations
from shelflife.errors import ConfigurationError
from shelflife.lake.models import load_models
from shelflife.policy.changes import Adoption, adoption
from shelflife.policy.checks import Findings, TableFacts
from shelflife.policy.checks import check as check_policies
from shelflife.policy.loading import (
    CONSENT,
    load_consent_policy,
    load_policies,
    load_policy,
    load_rulebook,
)
from shelflife.policy.retention import RetentionPolicy
from shelflife.policy.schedule import schedule as retention_schedule
from shelflife.policy.schema import policy_schema
from shelflife.retention.adoption import adopt as adopt_policies
from shelflife.retention.adoption import adopted_policies
from shelflife.signals.vocabulary import STREAMS

_policy = typer.Typer(help="Retention policies, regimes and their calendars.", no_args_is_help=True)

# What an estate holds besides streams and computed tables, and so must have a rule.
_ALSO_KEPT = (
    "quarantine_unclassified",
    "copies",
    "backups",
    "requests",
    "exports",
    "query_audit",
    "attribute_disclosures",
    "dagster_runs",
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_policy, name="policy")


@_policy.command("check")
def check(as_json: Json = False) -> None:
    """Read every policy, regime and calendar and the policy of consent, and say what is wrong, with file and line. Exit code 3 if anything is.

    A copy that is declared to live longer than its rule is wrong too. Warns of tables that outlive what they are made from, of backups and records at odds with a law, and of rules that
    nobody has compared with their source for a year.
    """
    settings = load_settings()
    policies, rulebook = load_policies(settings.policies), load_rulebook(settings.policies)
    if settings.consent == "required" or (settings.policies / CONSENT).is_file():
        load_consent_policy(settings.policies)
    found = _findings(settings)
    for warning in found.warnings:
        messages.print(f"warning: {warning}", markup=False)
    if found.problems:
        raise ConfigurationError("\n".join(found.problems), remedy="Correct the policies or models named.")
    if as_json:
        print_json(
            {
                "policies": len(policies),
                "regimes": len(rulebook.regimes),
                "calendars": len(rulebook.calendars),
                "warnings": list(found.warnings),
            }
        )
    else:
        messages.print(
            f"{len(policies)} policies, {len(rulebook.regimes)} regimes and {len(rulebook.calendars)} calendars are "
            f"valid; {len(found.warnings)} warnings."
        )


@_policy.command("schema")
def schema(
    of: Annotated[
        str, typer.Argument(help="retention_policy, regimes, calendars or consent.")
    ] = "retention_policy",
) -> None:
    """Print the JSON Schema of a kind of policy file, for editors and checks."""
    print_json(policy_schema(of))


@_policy.command("diff")
def diff(
    before: Annotated[
        Path | None, typer.Argument(help="A policy file or a folder of them; what is adopted when absent.")
    ] = None,
    after: Annotated[
        Path | None, typer.Argument(help="A policy file or a folder of them; the setting's when absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what differs between two sets of policies, what of it lengthens retention, and what forbids its adoption."""
    settings = load_settings()
    if before is None:
        with opened() as estate, estate.database.read() as conn:
            old = adopted_policies(conn)
    else:
        old = _read(before)
    judged = adoption(old, _read(after or settings.policies))
    if as_json:
        print_json(asdict(judged))
    else:
        _print_changes(judged)


@_policy.command("adopt")
def adopt(
    principal: Annotated[str, typer.Option(help="Who decided it: a function or a team.")],
    as_json: Json = False,
) -> None:
    """Put the policies of the settings in force and record it. The same again changes nothing.

    A version that keeps anything longer, or drops a rule, needs a newer version and a new reason.
    """
    settings = load_settings()
    policies = load_policies(settings.policies)
    if problems := _findings(settings).problems:
        raise ConfigurationError("\n".join(problems), remedy="Correct the policies or models named.")
    with opened() as estate:
        done = adopt_policies(estate, policies, clock(), principal)
    if as_json:
        print_json(asdict(done))
        return
    if not done.recorded:
        messages.print("These very policies are in force already; nothing was recorded.")
        return
    longer = sum(change.lengthens for change in done.changes)
    messages.print(
        f"Adopted: {', '.join(done.recorded)}. {len(done.changes)} changes, {longer} of them lengthen retention or "
        f"drop a rule. Ledger entry {done.ledger_position}."
    )


@_policy.command("schedule")
def schedule() -> None:
    """Print the public retention schedule as Markdown, written from the policies and regimes."""
    folder = load_settings().policies
    sys.stdout.write(retention_schedule(load_policies(folder), load_rulebook(folder)))


def _findings(settings: Settings) -> Findings:
    """Judge the policies, regimes and models of the settings together."""
    tables = {
        name: TableFacts(model.reads, model.retention_class, personal=model.disclosure is None)
        for name, model in load_models(settings.models).items()
    }
    return check_policies(
        load_policies(settings.policies),
        load_rulebook(settings.policies),
        names=[*STREAMS, *(f"quarantine_{stream}" for stream in STREAMS), *_ALSO_KEPT],
        tables=tables,
        copies={one.name: one.ttl for one in load_declarations(settings).values()},
        on=clock().date(),
    )


def _read(path: Path) -> list[RetentionPolicy]:
    return load_policies(path) if path.is_dir() else [load_policy(path)]


def _print_changes(judged: Adoption) -> None:
    rows = [
        [
            one.policy,
            one.subject,
            one.kind.replace("_", " "),
            one.before,
            one.after,
            "yes" if one.lengthens else "",
        ]
        for one in judged.changes
    ]
    print_table(f"{len(rows)} changes", ["policy", "what", "change", "before", "after", "lengthens"], rows)
    for problem in judged.problems:
        messages.print(f"cannot be adopted: {problem}", markup=False)
