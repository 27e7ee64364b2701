"""Exports in a process of its own, so that a test can kill it: `python -m tests.rights.export.worker FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from shelflife.estate import Estate
from shelflife.rights.export.export import export_subject
from shelflife.rights.export.files import write_export
from shelflife.seal.envelope_keys import Passphrase
from tests.conftest import NOW
from tests.lake.conftest import settings_in
from tests.rights.export.conftest import REQUEST, subject_of

PASSPHRASE = Passphrase("quokkas at the night market")
ACCOUNT = "acct-quokka-77313"


def main(folder: Path) -> None:
    estate = Estate.open(settings_in(folder), NOW)
    subject = subject_of(estate, ACCOUNT)
    write_export(
        folder / "out" / "person.sealed",
        lambda sink: export_subject(
            estate,
            subject,
            to=sink,
            passphrase=PASSPHRASE,
            regimes=["eu_gdpr"],
            recipients=[],
            request_id=REQUEST,
            clock=lambda: NOW,
        ),
    )
    estate.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
