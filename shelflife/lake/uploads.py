"""Sealed uploads on their way into the lake: opened in memory, checked, and remembered in the commit that lands them.

Nothing is believed before it is checked, in this order: landing key, seal, token, owner, device, signature, expiry,
sequence number, and then each row against the scope. Plaintext is in memory only, one upload at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shelflife.errors import CommitConflict, SealBroken, SourceError
from shelflife.lake.inbox import is_sealed
from shelflife.lake.upload_refusals import Refusal, refused
from shelflife.lake.upload_scope_check import check_rows, names_in, owned_by
from shelflife.seal.replay_window import Fate
from shelflife.seal.upload_envelope import MOST_SEALED_BYTES, open_upload
from shelflife.seal.upload_header import UploadHeader
from shelflife.seal.upload_scope import UploadScope
from shelflife.sources.source import ByteSource
from shelflife.subjects.devices import find_device, move_window, pseudonym_alias, token_key
from shelflife.subjects.directory import Alias, find
from shelflife.subjects.landing_keys import private_key
from shelflife.subjects.tombstones import tombstoned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa
    import sqlalchemy as sa

    from shelflife.control.database import Transaction
    from shelflife.estate import Estate
    from shelflife.lake.inbox import InboxFile
    from shelflife.seal.replay_window import ReplayWindow
    from shelflife.seal.upload_envelope import Upload
    from shelflife.seal.upload_keys import LandingPrivateKey
    from shelflife.sources.source import ConsentRecord, ProfileFacts
    from shelflife.subjects.devices import Device
    from shelflife.subjects.landing_keys import LandingKey

_FATES = {Fate.SEEN: Refusal.REPLAYED, Fate.TOO_OLD: Refusal.TOO_OLD}


@dataclass(frozen=True)
class Opened:
    """An upload that may be read.

    Attributes:
        source: the file inside.
        owner: the alias that its rows belong to, whatever folder the upload lay in.
        scope: what it may hold.
        sequence: its number.
        device: who sent it; None for the device of somebody who was erased, whose rows are all refused.
    """

    source: ByteSource = field(repr=False)
    owner: Alias
    scope: UploadScope = field(repr=False)
    sequence: int
    device: Device | None


class Uploads:
    """The sealed uploads of one batch.

    Args:
        estate: the estate.
        now: what expiry and grace times are compared with.
    """

    def __init__(self, estate: Estate, now: datetime) -> None:
        self._estate, self._now = estate, now
        self._keys: dict[str, tuple[LandingKey, LandingPrivateKey | None] | None] = {}
        self._windows: dict[bytes, tuple[Device, ReplayWindow]] = {}

    def open(self, file: InboxFile) -> Opened:
        """Open an upload and check everything but its rows.

        Raises:
            SourceError: it is refused.
        """
        with self._estate.database.read() as conn:
            upload = self._unsealed(conn, file)
            try:
                scope = UploadScope.opened(upload.token, token_key(self._estate, conn).public_key())
            except SealBroken as error:
                raise SourceError(error.what, remedy=error.remedy) from None
            if scope.device_id != upload.device_id:
                raise refused(Refusal.OTHER_DEVICE)
            owner = pseudonym_alias(scope.subject)
            erased = bool(tombstoned(self._estate, conn, [owner]))
            device = None if erased else self._device(conn, upload, scope, owner)
        return Opened(ByteSource.from_bytes(upload.payload), owner, scope, upload.sequence, device)

    def checked(self, opened: Opened, part: pa.RecordBatch) -> pa.RecordBatch:
        """Return rows of an upload as its owner's.

        Raises:
            SourceError: a row is not within the scope, or names somebody else.
        """
        if opened.device is not None:
            check_rows(part, opened.scope)
            self._check_names(opened.device, [Alias(kind, value) for kind, value in names_in(part)])
        return owned_by(part, opened.owner)

    def profile(self, opened: Opened, known: ProfileFacts) -> ProfileFacts:
        """Return what an upload says about a person as facts about its owner.

        Raises:
            SourceError: it is about somebody else.
        """
        if known.alias is not None and opened.device is not None:
            self._check_names(opened.device, [Alias(known.alias_kind or "", known.alias)])
        known.alias_kind, known.alias = opened.owner.kind, opened.owner.value
        return known

    def consent(self, opened: Opened, decided: ConsentRecord) -> ConsentRecord:
        """Return a decision in an upload as its owner's.

        Raises:
            SourceError: it is somebody else's, or grants a stream that the token does not name; taking back is always
                in its scope.
        """
        granted = decided.event.decision == "granted"
        if granted and opened.device is not None and decided.event.stream not in opened.scope.streams:
            raise refused(Refusal.OTHER_STREAM)
        if decided.alias is not None and opened.device is not None:
            self._check_names(opened.device, [Alias(decided.alias_kind or "", decided.alias)])
        return replace(decided, alias_kind=opened.owner.kind, alias=opened.owner.value)

    def accept(self, opened: Opened) -> None:
        """Note that an upload was read to its end; the batch's later uploads are compared with it."""
        if (device := opened.device) is not None:
            # The window as it was first looked up is what the commit compares the row with.
            first = self._windows[device.mac][0] if device.mac in self._windows else device
            self._windows[device.mac] = (first, self._window(device).moved(opened.sequence))

    def commit(self, tx: Transaction) -> None:
        """Move the replay windows of the batch's devices, in the transaction that lands it.

        Raises:
            CommitConflict: one was moved, revoked or erased since it was looked up.
        """
        for device, window in self._windows.values():
            if not move_window(tx, device, window):
                raise CommitConflict(
                    "Another process changed a device of this batch.", remedy="Run it again."
                )

    def in_order(self, files: Sequence[InboxFile]) -> list[InboxFile]:
        """Return files to land with each device's uploads in the order in which it made them.

        A backlog in the order of its names could leave uploads behind the replay window. The others keep their places.
        """
        places = [place for place, file in enumerate(files) if is_sealed(file)]
        ordered = list(files)
        if len(places) > 1:
            chosen = sorted((files[place] for place in places), key=self._order)
            for place, file in zip(places, chosen, strict=True):
                ordered[place] = file
        return ordered

    def _order(self, file: InboxFile) -> tuple[bytes, int]:
        try:
            with self._estate.database.read() as conn:
                upload = self._unsealed(conn, file)
        except SourceError:
            return b"", 0
        return upload.device_id, upload.sequence

    def _unsealed(self, conn: sa.Connection, file: InboxFile) -> Upload:
        try:
            with file.path.open("rb") as stream:
                sealed = stream.read(MOST_SEALED_BYTES + 1)
        except OSError:
            raise SourceError(
                "A file cannot be opened.", remedy="Check that it still exists and can be read."
            ) from None
        if len(sealed) > MOST_SEALED_BYTES:
            raise refused(Refusal.TOO_LARGE)
        try:
            return open_upload(sealed, self._landing_key(conn, UploadHeader.parse(sealed).key_id.hex()))
        except SealBroken as error:
            raise SourceError(error.what, remedy=error.remedy) from None

    def _landing_key(self, conn: sa.Connection, key_id: str) -> LandingPrivateKey:
        if key_id not in self._keys:
            self._keys[key_id] = private_key(self._estate, conn, key_id)
        found = self._keys[key_id]
        if found is None:
            raise refused(Refusal.UNKNOWN_KEY)
        known, private = found
        if private is None or not known.accepted(self._now):
            raise refused(Refusal.STALE_KEY)
        return private

    def _device(self, conn: sa.Connection, upload: Upload, scope: UploadScope, owner: Alias) -> Device:
        device = find_device(self._estate, conn, upload.device_id)
        if device is None:
            raise refused(Refusal.UNKNOWN_DEVICE)
        if not device.active:
            raise refused(Refusal.REVOKED)
        person = find(self._estate, conn, [owner]).get(owner)
        if person is None or person.identity_pid != device.owner:
            raise refused(Refusal.OTHER_SUBJECT)
        if not upload.is_signed_by(device.key):
            raise refused(Refusal.WRONG_SIGNATURE)
        if self._now >= scope.expires_at:
            raise refused(Refusal.EXPIRED)
        fate = self._window(device).fate(upload.sequence)
        if fate is not Fate.NEW:
            raise refused(_FATES[fate])
        return device

    def _window(self, device: Device) -> ReplayWindow:
        return self._windows[device.mac][1] if device.mac in self._windows else device.window

    def _check_names(self, device: Device, names: Sequence[Alias]) -> None:
        if not names:
            return
        with self._estate.database.read() as conn:
            known = find(self._estate, conn, names)
        if any(name not in known or known[name].identity_pid != device.owner for name in names):
            raise refused(Refusal.SOMEBODY_ELSE)
