"""`export`: everything about one person, sealed to them; opening it; the requester's keys."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from shelflife.cli.console import Json, clock, messages, opened, print_json, print_table
from shelflife.cli.people import alias_from_stdin
from shelflife.errors import ConfigurationError, KeyDestroyed, StorageError
from shelflife.ledger.notes import VerifierKey
from shelflife.rights import exporting
from shelflife.rights.export.contents import Controller
from shelflife.rights.export.export import ExportReport, export_subject
from shelflife.rights.export.files import write_export
from shelflife.rights.export.unpack import open_export
from shelflife.seal.envelope import peek_header
from shelflife.seal.envelope_header import Wrapping
from shelflife.seal.envelope_keys import ExportPrivateKey, ExportPublicKey, Passphrase
from shelflife.subjects.directory import Alias, find

if TYPE_CHECKING:
    from shelflife.estate import Estate
    from shelflife.seal.envelope_keys import OpenWith
    from shelflife.subjects.directory import Subject

_export = typer.Typer(help="Everything about one person, sealed to them.", no_args_is_help=True)
_LARGEST_KEY_FILE = 65_536

PassphraseFile = Annotated[
    Path | None, typer.Option(help="File whose first line is the passphrase; asked for when absent.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(_export, name="export")


@_export.command()
def new(
    to: Annotated[Path, typer.Option(help="File to make; must not exist.")],
    regime: Annotated[
        list[str] | None,
        typer.Option(
            help="A law that it is made under, such as eu_gdpr (repeatable); the strictest if absent."
        ),
    ] = None,
    kind: Annotated[str, typer.Option(help="What sort of alias stands on stdin.")] = "account",
    recipient_key: Annotated[
        Path | None, typer.Option(help="The requester's public key (`export keygen`).")
    ] = None,
    passphrase_file: PassphraseFile = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Days until it expires.")] = 30,
    organisation: Annotated[str, typer.Option(help="Who answers for the data, as the person reads it.")] = "",
    contact: Annotated[str, typer.Option(help="Where the person can turn to, as they read it.")] = "",
    as_json: Json = False,
) -> None:
    """Export everything about the person whose alias stands on stdin (never on the command line).

    It is sealed to the requester's public key or under a passphrase, and nobody else can open it.
    """
    alias = alias_from_stdin(kind)
    key = ExportPublicKey.parse(_text(recipient_key)) if recipient_key else None
    phrase = None if key else Passphrase.new(_passphrase(passphrase_file, confirm=True))
    with opened() as estate:
        person = _person(estate, alias)

        def write(sink: BinaryIO) -> ExportReport:
            return export_subject(
                estate,
                person,
                to=sink,
                recipient_key=key,
                passphrase=phrase,
                regimes=regime or [],
                recipients=exporting.copy_recipients(estate.settings),
                request_id=uuid.uuid4().hex,
                clock=clock,
                valid_for=timedelta(days=days),
                controller=Controller(organisation, contact),
            )

        report = write_export(to, write)
    _show(report, as_json=as_json)


@_export.command("open")
def open_(
    file: Annotated[Path, typer.Argument(help="The sealed file.")],
    to: Annotated[Path, typer.Option(help="Folder to make; must not exist.")],
    key: Annotated[Path | None, typer.Option(help="Your private key (`export keygen`).")] = None,
    passphrase_file: PassphraseFile = None,
    signer: Annotated[
        str | None, typer.Option(help="The key that must have signed, as its owner publishes it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Open a sealed export into a new folder. Needs no estate.

    Without --signer the signature only shows that nothing was altered since; compare the key that is printed.
    """
    expected = VerifierKey.parse(signer) if signer else None
    try:
        with file.open("rb") as source:
            own = _own(source, key, passphrase_file)
            found = open_export(source, own, to, now=clock(), signer=expected)
    except OSError as error:
        raise StorageError(
            f"The sealed file cannot be read: {error.strerror}.", remedy="Check the path and the permissions."
        ) from None
    if as_json:
        print_json(asdict(found))
        return
    messages.print(f"{found.files} files, {found.bytes:,} bytes. Read index.html first.")
    messages.print(f"Signed by {found.signer}", markup=False, soft_wrap=True)


@_export.command()
def keygen(
    to: Annotated[Path, typer.Option(help="File for the private key; the public one gets .pub added.")],
    scheme: Annotated[
        Literal["hybrid", "x25519"],
        typer.Option(help="hybrid also withstands a later quantum computer."),
    ] = "hybrid",
    as_json: Json = False,
) -> None:
    """Make the key pair of a requester. Send the .pub file; keep the other one."""
    wrapping = Wrapping.HPKE_X25519 if scheme == "x25519" else Wrapping.HPKE_MLKEM768_X25519
    made = ExportPrivateKey.generate(wrapping)
    public = to.with_name(f"{to.name}.pub")
    _write_new(to, made.text(), 0o600)
    _write_new(public, made.public_key().text(), 0o644)
    if as_json:
        print_json({"private_key": str(to), "public_key": str(public)})
    else:
        messages.print("Made a key pair. Whoever has the private key can read exports sealed to the other.")


def deliver(request_id: str, *, as_json: bool) -> None:
    """Make the package of a verified request, and say where it lies."""
    with opened() as estate:
        report = exporting.deliver(estate, request_id, clock=clock)
        path = exporting.export_path(estate.settings, request_id)
    _show(report, as_json=as_json, path=path)


def _show(report: ExportReport, *, as_json: bool, path: Path | None = None) -> None:
    facts = asdict(report) | {"expires_at": report.expires_at.isoformat()}
    facts |= {"file": str(path)} if path else {}
    if as_json:
        print_json(facts)
    else:
        print_table("Exported", ["what", "value"], [[k.replace("_", " "), v] for k, v in facts.items()])


def _person(estate: Estate, alias: Alias) -> Subject:
    """Return the person behind an alias; one error whether nobody has it or they were erased."""
    try:
        with estate.database.read() as conn:
            found = find(estate, conn, [alias]).get(alias)
    except KeyDestroyed:
        found = None
    if found is None:
        raise ConfigurationError("No subject has this alias.", remedy="Check the alias and its --kind.")
    return found


def _own(source: BinaryIO, key: Path | None, passphrase_file: Path | None) -> OpenWith:
    if key is not None:
        return ExportPrivateKey.parse(_text(key))
    if passphrase_file is None and peek_header(source).wrapping is not Wrapping.ARGON2ID:
        raise ConfigurationError("This export is opened with a private key.", remedy="Name it with --key.")
    return Passphrase(_passphrase(passphrase_file, confirm=False))


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        return _text(file).partition("\n")[0].removesuffix("\r")
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "Nothing says whom the export is for.",
            remedy="Add --recipient-key FILE or --passphrase-file FILE; a passphrase is only asked for at a terminal.",
        )
    prompted: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return prompted


def _text(file: Path) -> str:
    try:
        with file.open("rb") as source:
            return source.read(_LARGEST_KEY_FILE).decode()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            "A key or passphrase file cannot be read as text.", remedy="Check the path and the permissions."
        ) from None


def _write_new(path: Path, line: str, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise StorageError(
            f"A key file cannot be made: {error.strerror}.", remedy="Name a file that does not exist."
        ) from None
    with os.fdopen(handle, "w") as file:
        file.write(line + "\n")
