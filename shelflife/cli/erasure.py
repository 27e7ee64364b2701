"""`erase`, `finalize` and `certificate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from shelflife.cli.console import (
    Json,
    clock,
    confirmed,
    messages,
    opened,
    print_json,
    print_table,
    progress_lines,
)
from shelflife.errors import ConfigurationError
from shelflife.ledger.notes import VerifierKey
from shelflife.recovery.expiry import forget_final
from shelflife.rights import certificates, finality
from shelflife.rights.erasure import Options, check_options, due, explain, run_erasures

_certificate = typer.Typer(help="Signed proof of what was erased.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(erase)
    app.command()(finalize)
    app.add_typer(_certificate, name="certificate")


def erase(
    request_ids: Annotated[
        list[str] | None, typer.Argument(help="Erasure requests; all that are due when absent.")
    ] = None,
    batched: Annotated[
        bool,
        typer.Option(
            "--batched", help="Leave the rewrite of files to `finalize`, within the physical deadline."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase the people or streams of verified requests everywhere, verify that, and certify it.

    Shows the steps first and asks for the number of requests. Killed halfway, the same command goes on where it was.
    """
    with opened() as estate:
        chosen = request_ids or due(estate)
        if not chosen:
            messages.print("No erasure is due.")
            return
        steps = {request_id: explain(estate, request_id) for request_id in chosen}
        if dry_run or not (as_json or yes):
            for request_id, says in steps.items():
                messages.print(f"{request_id}\n" + "\n".join(f"  - {line}" for line in says), markup=False)
        if dry_run:
            return
        if not yes and not confirmed("requests to carry out", len(chosen)):
            raise typer.Abort
        options = Options(clock=clock, batched=batched, dagster_home=dagster_home())
        check_options(options)
        with progress_lines(shown=not as_json) as progress:
            report = run_erasures(
                estate, chosen, Options(clock, batched, options.dagster_home, progress=progress)
            )
    rows = [
        [
            one.request_id,
            one.state,
            one.facts.get("keys_destroyed", 0),
            report.blocked.get(one.request_id, ""),
        ]
        for one in report.requests
    ]
    if as_json:
        print_json(
            {
                "requests": [
                    dict(zip(("request", "state", "keys_destroyed", "blocked_by"), row, strict=True))
                    for row in rows
                ],
                "seconds": round(report.seconds, 3),
            }
        )
        return
    print_table(
        f"Erased in {report.seconds:.1f} s", ["request", "state", "keys destroyed", "blocked by"], rows
    )
    messages.print("Next: `shelflife certificate show REQUEST` prints the signed certificate.")


def finalize(as_json: Json = False) -> None:
    """Do what erasures left for later, and destroy the root keys whose finality window is over, and old landing keys.

    After that no backup of the control database opens what was erased, and the requests get their last certificate.
    """
    with opened() as estate:
        finished = finality.finish_deferred(estate, Options(clock=clock, dagster_home=dagster_home()))
        found = finality.finalize(estate, clock=clock)
        forgotten = forget_final(estate)
    facts = {
        "finished": len(finished),
        "root_keys_destroyed": found.root_keys,
        "landing_keys_destroyed": found.landing_keys,
        "final": len(found.requests),
        "journal_records_forgotten": forgotten,
    }
    if as_json:
        print_json(facts)
    else:
        print_table("", ["what", "count"], [[name.replace("_", " "), count] for name, count in facts.items()])


@_certificate.command()
def show(
    request_id: Annotated[str, typer.Argument(help="A request id.")],
    stage: Annotated[
        Literal["effective", "final"] | None, typer.Option(help="Which one; the newest when absent.")
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Write it to a file instead.")] = None,
) -> None:
    """Print a request's certificate, with its proof, for whoever wants to check it."""
    with opened() as estate:
        text = certificates.certificate_file(estate, request_id, stage)
    if to is None:
        typer.echo(text, nl=False)
    elif to.exists():
        raise ConfigurationError("The file exists already.", remedy="Name another one.")
    else:
        to.write_text(text)
        messages.print("Written.")


@_certificate.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A certificate file.")],
    ledger_key: Annotated[
        str | None, typer.Option(help="The ledger's key as its owner published it (`init` prints it).")
    ] = None,
    witness_key: Annotated[str | None, typer.Option(help="The witness's key, likewise.")] = None,
    as_json: Json = False,
) -> None:
    """Check a certificate offline, without any estate: signature, ledger entry, inclusion proof, cosignature."""
    if not file.is_file():
        raise ConfigurationError("There is no such file.", remedy="Check the path.")
    found = certificates.verify_certificate(
        file.read_text(errors="replace"),
        log=VerifierKey.parse(ledger_key) if ledger_key else None,
        witness=VerifierKey.parse(witness_key) if witness_key else None,
    )
    said = found.document
    facts = {
        "request": said["request"],
        "stage": said["stage"],
        "scope": said["scope"],
        "worst outcome": said["worst_outcome"],
        "effective at": said["effective_at"],
        "final at": said["final_at"] or f"not before {said['final_not_before']}",
        "ledger position": found.position,
        "witnessed at": found.witnessed_at.isoformat(timespec="seconds") if found.witnessed_at else None,
        "key": "given"
        if ledger_key
        else "the certificate's own: compare it with the one that its owner published",
    }
    if as_json:
        print_json(facts | {"document": said})
    else:
        print_table("The certificate checks out", ["what", "value"], [list(item) for item in facts.items()])


def dagster_home() -> Path | None:
    """Return Dagster's own storage, when the environment names one: it is looked at like every other store."""
    named = os.environ.get("DAGSTER_HOME")
    return Path(named) if named and Path(named).is_dir() else None
