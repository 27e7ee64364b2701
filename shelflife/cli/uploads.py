"""`landing-key`, `device` and `seal-upload`: what devices seal their uploads to, and who may upload what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from shelflife.cli.console import Json, clock, messages, opened, print_json, print_rows
from shelflife.cli.people import alias_from_stdin
from shelflife.errors import ConfigurationError, StorageError
from shelflife.seal.upload_envelope import MOST_PAYLOAD_BYTES, seal_upload
from shelflife.seal.upload_keys import DevicePublicKey, LandingPublicKey, device_signer
from shelflife.seal.upload_scope import ID_BYTES, UploadScope, token_from, token_text
from shelflife.subjects import devices
from shelflife.subjects import landing_keys as keys

_LARGEST_KEY_FILE = 131_072
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
_landing_key = typer.Typer(help="The key that devices seal uploads to.", no_args_is_help=True)
_device = typer.Typer(
    help="Devices that may send sealed uploads, and what each may send.", no_args_is_help=True
)
DeviceId = Annotated[str, typer.Argument(help="A device id, as `device register` printed it.")]
AliasKind = Annotated[str, typer.Option(help="What sort of alias stands on stdin.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("seal-upload")(seal)
    app.add_typer(_landing_key, name="landing-key")
    app.add_typer(_device, name="device")


@_landing_key.command()
def rotate(
    grace_days: Annotated[
        float, typer.Option(min=0, help="Days for which uploads to the key before it are accepted.")
    ] = 14,
    as_json: Json = False,
) -> None:
    """Make a new landing key, print it, and destroy the private keys whose grace time is over."""
    with opened() as estate:
        made = keys.rotate(estate, grace=timedelta(days=grace_days), clock=clock)
    _show_key(made, as_json=as_json)


@_landing_key.command()
def show(as_json: Json = False) -> None:
    """Print the line of the current landing key, which devices need; it may be shown to anybody."""
    with opened() as estate, estate.database.read() as conn:
        found = keys.current_key(conn)
    _show_key(found, as_json=as_json)


@_landing_key.command("list")
def list_keys(as_json: Json = False) -> None:
    """List landing keys: id, state, when made, until when uploads are accepted."""
    with opened() as estate, estate.database.read() as conn:
        found = keys.landing_keys(conn)
    names = ("key", "state", "made", "accepted until")
    rows = [
        [
            one.key_id,
            one.state,
            one.created_at.isoformat(timespec="seconds"),
            one.accepted_until.isoformat(timespec="seconds") if one.accepted_until else "",
        ]
        for one in found
    ]
    print_rows(f"{len(rows)} landing keys", names, rows, as_json=as_json)


@_landing_key.command()
def retire(
    key_id: Annotated[
        str | None, typer.Argument(help="A key to destroy at once; all past their grace time when absent.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Destroy private keys: what was sealed to them and is not landed yet opens no more, for anybody."""
    with opened() as estate:
        count = keys.retire(estate, key_id, clock=clock)
    if as_json:
        print_json({"retired": count})
    else:
        messages.print(f"{count} landing keys retired.")


@_device.command("register")
def register_device(
    key: Annotated[Path, typer.Option(help="The device's P-256 public key: PEM, DER, or an X9.63 point.")],
    alias_kind: AliasKind = "account",
    as_json: Json = False,
) -> None:
    """Register a device of the person whose alias stands on stdin (never on the command line); prints its id."""
    found = DevicePublicKey.load(_content(key))
    alias = alias_from_stdin(alias_kind)
    with opened() as estate:
        device_id = devices.register(estate, alias, found, clock=clock)
    if as_json:
        print_json({"device": device_id.hex()})
    else:
        typer.echo(device_id.hex())


@_device.command()
def revoke(device_id: DeviceId) -> None:
    """Refuse everything that a device sends from now on, as when it was lost or sold."""
    with opened() as estate:
        devices.revoke(estate, _id(device_id), clock=clock)
    messages.print("The device is revoked.")


@_device.command("list")
def list_devices(alias_kind: AliasKind = "account", as_json: Json = False) -> None:
    """List the devices of the person whose alias stands on stdin: id, state, since when, newest upload."""
    alias = alias_from_stdin(alias_kind)
    with opened() as estate, estate.database.read() as conn:
        found = devices.devices_of(estate, conn, alias)
    names = ("device", "state", "since", "newest upload")
    rows = [
        [
            one.device_id.hex(),
            "active" if one.active else "revoked",
            one.registered_at.date().isoformat(),
            one.window.highest,
        ]
        for one in found
    ]
    print_rows(f"{len(rows)} devices", names, rows, as_json=as_json)


@_device.command()
def token(
    device_id: DeviceId,
    stream: Annotated[list[str], typer.Option(help="A stream that it may send (repeatable).")],
    samples_from: Annotated[datetime | None, typer.Option(help="Samples may begin here (UTC).")] = None,
    samples_until: Annotated[datetime | None, typer.Option(help="Samples must end by then (UTC).")] = None,
    days: Annotated[float, typer.Option(min=0, help="Days until the token expires.")] = 30,
    as_json: Json = False,
) -> None:
    """Print a signed scope token: whose samples of which streams and times a device may send until when."""
    now = clock()
    with opened() as estate:
        made = devices.issue_token(
            estate,
            _id(device_id),
            streams=stream,
            samples_from=_utc(samples_from, datetime.fromtimestamp(0, UTC)),
            samples_until=_utc(samples_until, _FOREVER),
            expires_at=now + timedelta(days=days),
        )
    if as_json:
        print_json({"token": token_text(made)})
    else:
        typer.echo(token_text(made))


def seal(
    file: Annotated[Path, typer.Argument(help="A file of any source that `land` reads, at most 64 MiB.")],
    landing_key: Annotated[Path, typer.Option(help="File with the line of `landing-key show`.")],
    device_key: Annotated[Path, typer.Option(help="The device's P-256 private key, PEM.")],
    token: Annotated[Path, typer.Option(help="File with the line of `device token`.")],
    sequence: Annotated[int, typer.Option(min=1, help="Number of this upload: 1, 2, 3, ...")],
    out: Annotated[Path, typer.Option(help="File to make; must not exist.")],
) -> None:
    """Sign a file as a device does and seal it to the landing key: the reference client. Needs no estate."""
    scope = token_from(_text(token))
    sealed = seal_upload(
        _content(file, MOST_PAYLOAD_BYTES),
        to=LandingPublicKey.parse(_text(landing_key)),
        device_id=UploadScope.parse(scope).device_id,
        sequence=sequence,
        made_at=clock(),
        token=scope,
        sign=device_signer(_content(device_key)),
    )
    try:
        with out.open("xb") as sink:
            sink.write(sealed)
    except OSError as error:
        raise StorageError(
            f"The upload cannot be written: {error.strerror}.", remedy="Name a file that does not exist."
        ) from None
    messages.print(f"{len(sealed):,} bytes, which only the estate opens.")


def _show_key(found: keys.LandingKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": found.key_id, "line": found.public.text()})
    else:
        typer.echo(found.public.text())


def _id(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != ID_BYTES:
        raise ConfigurationError(
            "This is no device id.", remedy="Give the 32 digits that `device register` printed."
        )
    return found


def _utc(time: datetime | None, absent: datetime) -> datetime:
    """Return a time of the command line, which is in UTC."""
    return absent if time is None else time.replace(tzinfo=UTC)


def _text(path: Path) -> str:
    return _content(path).decode("utf-8", "replace")


def _content(path: Path, most: int = _LARGEST_KEY_FILE) -> bytes:
    try:
        with path.open("rb") as source:
            return source.read(most + 1)
    except OSError as error:
        raise StorageError(
            f"A named file cannot be read: {error.strerror}.", remedy="Check the path and the permissions."
        ) from None
