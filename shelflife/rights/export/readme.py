"""The package's README: what it is, how to read it, how to check it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shelflife.rights.export.markup import day

if TYPE_CHECKING:
    from shelflife.ledger.notes import VerifierKey
    from shelflife.rights.export.contents import Contents


def readme(contents: Contents, signer: VerifierKey) -> str:
    """Return the text of README.txt."""
    sender = contents.controller.name or "the organisation that sent it"
    return f"""YOUR DATA

This is everything that {sender} holds about you in its biometric
data warehouse, as of {day(contents.made_at.date())}. Request {contents.request_id}.

START HERE
  index.html          a page to read, with charts; open it in any browser
  dictionary.csv      what every column means, in which unit and time zone

THE DATA
  data/               one file a stream, as CSV, NDJSON and Parquet (same rows)
  data/derived/       figures computed from them, by day or night
  data/copies/        what copies outside of the warehouse hold of these
  data/quarantined.*  rows that could not be used, with the reason
  fhir/bundle.json    the measurements as FHIR R4 Observations

ABOUT THE DATA
  profile.json, sources.json, recipients.json, access_log.json,
  retention.json, automated_decisions.json, consents.json,
  withheld.json, rights.json

Times are UTC unless a column says otherwise. CSV files are UTF-8; some
spreadsheets run cells that begin with = + - or @ as formulas, so import
them as text if you do not trust a source of yours.

CHECKING IT
  manifest.json lists every file with its SHA-256; manifest.sig is an
  Ed25519 signature over it (format: c2sp.org/signed-note) under the key

  {signer}

  Compare this line with the one that the organisation publishes. The tool
  that opens the sealed file checks all of this by itself.

These files hold health data. Keep them where nobody else reads them.
"""
