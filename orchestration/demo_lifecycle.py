"""The second half of the demonstration: purge, export, erase, a late sync, a restore, and the search for what is left.

Everything goes through the same jobs that the schedules and the request sensor start. What a person's own device does,
making a key and opening the export, is done here on their behalf.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from shelflife.control.tables import landed_file, partition
from shelflife.estate import Estate
from shelflife.recovery.restore import restore
from shelflife.rights import requests
from shelflife.rights.certificates import certificate_file, verify_certificate
from shelflife.rights.export.unpack import open_export
from shelflife.rights.exporting import export_path
from shelflife.rights.request_states import Kind
from shelflife.rights.verify import verify
from shelflife.seal.envelope_keys import ExportPrivateKey
from shelflife.subjects.directory import Alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from shelflife.config import Settings

REGIMES = ("eu_gdpr",)
OLD_YEARS = 4
BEATS = 24


def write_beats(inbox: Path, account: str, day: date) -> None:
    """Let an account's phone send a day of heart rates, one an hour, as canonical NDJSON."""
    rows = [
        {
            "subject": account,
            "signal": "heart_rate",
            "value": 58 + hour,
            "unit": "/min",
            "start": f"{day.isoformat()}T{hour:02d}:00:00Z",
        }
        for hour in range(BEATS)
    ]
    folder = inbox / account
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"phone-{day.isoformat()}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_old_phone(inbox: Path, account: str, today: date) -> None:
    """Let an old phone turn up with a day that is past every retention, so that there is something to purge."""
    write_beats(inbox, account, today - timedelta(days=366 * OLD_YEARS))


@dataclass
class Lifecycle:
    """The demonstration's second half: what it needs, and what it has done so far.

    Attributes:
        execute: runs a job of the project with a run configuration, recorded like any other.
        derive: runs what the stale sensor would ask for, until nothing is stale.
        told: the counts for the last line.
    """

    settings: Settings
    folder: Path
    clock: Callable[[], datetime]
    execute: Callable[[dg.RunRequest], None]
    derive: Callable[[Estate], None]
    step: Callable[[str], None]
    told: dict[str, int | str] = field(default_factory=dict)

    def run(self, exported: str, erased: str, forgetful: str) -> None:
        """Go through a lifecycle.

        Args:
            exported: account of the person who wants an export.
            erased: account of the person who wants to be forgotten, after that export.
            forgetful: account of the person who wants only their glucose forgotten.
        """
        os.environ["SHELFLIFE_BACKUPS"] = str(self.folder / "backups")
        self._job("Publishing copies", "publish_copies")
        self._job("Backing up", "backup")
        self._purge()
        self._export(exported)
        request_id = self._erase(erased, forgetful)
        self._sync_late(erased)
        self._lose_and_restore()
        self._look_for_residue()
        self._certificate(request_id)

    def _purge(self) -> None:
        self._job("Purging what expired (job nightly_purge)", "nightly_purge")
        with self._opened() as estate, estate.database.read() as conn:
            query = partition.select().where(partition.c.state == "destroyed")
            self.told["purged_partitions"] = len(conn.execute(query).all())

    def _export(self, account: str) -> None:
        """Ask for an export, let the job deliver it, and open it as the person would."""
        own = ExportPrivateKey.generate()
        with self._opened() as estate:
            key = own.public_key().text().encode()
            request_id = self._ask(estate, Kind.EXPORT, account, recipient_key=key)
        config = {"ops": {"export": {"config": {"request_id": request_id}}}}
        self._job("Exporting one person (job dsar_export)", "dsar_export", config)
        package = export_path(self.settings, request_id)
        self.told["export_bytes"] = package.stat().st_size
        with package.open("rb") as source:
            open_export(source, own, self.folder / "export", now=self.clock())

    def _erase(self, whole: str, glucose: str) -> str:
        with self._opened() as estate:
            ids = [
                self._ask(estate, Kind.ERASURE, whole),
                self._ask(estate, Kind.ERASURE, glucose, streams=("glucose",)),
            ]
        config = {"ops": {"erase": {"config": {"request_ids": ids}}}}
        self._job("Erasing one person, and the glucose of another (job dsar_erase)", "dsar_erase", config)
        self.told["erased"] = len(ids)
        return ids[0]

    def _sync_late(self, account: str) -> None:
        """Let the erased person's phone send what it still holds."""
        before = self._refused()
        write_beats(self.settings.inbox, account, self.clock().date() - timedelta(days=2))
        today = self.clock().date().isoformat()
        self.step("A late sync of the erased person (job land_inbox)")
        self.execute(dg.RunRequest(job_name="land_inbox", partition_key=today))
        self.told["refused_after_erasure"] = self._refused() - before

    def _lose_and_restore(self) -> None:
        """Lose the control database and put the backup from before the erasure back."""
        self.step("Losing the control database, restoring the backup from before the erasure")
        shutil.rmtree(self.settings.home / "control")
        restore(self.settings, self.folder / "backups", clock=self.clock)
        with self._opened() as estate:
            self.derive(estate)
        self._job("Carrying out the restored requests (job dsar_erase)", "dsar_erase")
        self._job("Publishing copies", "publish_copies")

    def _look_for_residue(self) -> None:
        self.step("Looking for what is left, everywhere")
        with self._opened() as estate:
            found = verify(estate, now=self.clock(), dagster_home=self.folder / "dagster")
        self.told["residues"] = len(found.findings)

    def _certificate(self, request_id: str) -> None:
        """Write the certificate and check it as its holder would, with nothing but the file."""
        with self._opened() as estate:
            text = certificate_file(estate, request_id)
        path = self.folder / "certificate.json"
        path.write_text(text)
        verify_certificate(text)
        self.told["certificate"] = path.name

    def _ask(
        self,
        estate: Estate,
        kind: Kind,
        account: str,
        *,
        streams: tuple[str, ...] = (),
        recipient_key: bytes = b"",
    ) -> str:
        made = requests.submit(
            estate,
            kind=kind,
            alias=Alias("account", account),
            now=self.clock(),
            regimes=REGIMES,
            streams=streams,
            recipient_key=recipient_key,
        )
        requests.record_identity_check(
            estate, made.request_id, method="signed_in_session", passed=True, now=self.clock()
        )
        return made.request_id

    def _job(self, says: str, name: str, config: Mapping[str, object] | None = None) -> None:
        self.step(says)
        self.execute(dg.RunRequest(job_name=name, run_config=config))

    @contextmanager
    def _opened(self) -> Iterator[Estate]:
        estate = Estate.open(self.settings, self.clock())
        try:
            yield estate
        finally:
            estate.close()

    def _refused(self) -> int:
        with self._opened() as estate, estate.database.read() as conn:
            return sum(row.refused for row in conn.execute(landed_file.select()))
