"""The package's documents about the data: who it is about, where it came from, how long it stays, who saw it. Pure."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shelflife.rights.export.labels import (
    BASIS_LABELS,
    FLAG_LABELS,
    PROBLEM_LABELS,
    SIGNAL_LABELS,
    STAGE_LABELS,
    STATISTIC_LABELS,
    readable,
)
from shelflife.signals.vocabulary import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shelflife.rights.export.contents import Contents, ExportTable
    from shelflife.rights.export.tally import Tally

NO_CONSENTS = (
    "No decision of yours is recorded in this warehouse, so this list is empty. That says nothing about whether consent "
    "was given: it may be recorded elsewhere. Ask the organisation."
)
CONSENTS_NOTE = (
    "Every decision that was recorded, oldest first. Where `counts` is true, no later decision stands in its place. "
    "`notice_sha256` is the SHA-256 of the text that you were shown: compare it with your copy of the text."
)
NO_RECIPIENTS = "No copy and no recipient outside of the vault was declared for this export."
NO_REGIME = (
    "Nobody said which law this export is made under, so that everything is left out that any law known here forbids to "
    "send. You can ask the organisation which rights you have, and complain to the authority where you live."
)
QUERY_NOTE = (
    "Each entry is a query over tables that hold rows of yours. The log records which tables a query read, not whose "
    "rows were in its answer: your rows may or may not have been among them."
)
HANDOVER_NOTE = (
    "When figures about groups of people are computed, an age band and a sex of everybody are handed over once, "
    "without names and without a birth date."
)
NO_DECISIONS = (
    "This warehouse takes no automated decisions. It computes the figures below; each formula is the one that is run. "
    "Whether another system of the organisation decides by them is not known here. Ask the organisation."
)


def json_text(value: object) -> str:
    """Return a document as JSON that a person can read, too."""
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"


def documents(contents: Contents, tally: Tally) -> dict[str, str]:
    """Return every document by its name in the package."""
    made: dict[str, object] = {
        "profile.json": _profile(contents),
        "consents.json": _consents(contents),
        "dictionary.json": _dictionary([*contents.tables, *contents.copies]),
        "retention.json": [asdict(line) for line in contents.retention],
        "recipients.json": _recipients(contents),
        "access_log.json": _access_log(contents),
        "sources.json": _sources(tally),
        "automated_decisions.json": _decisions(contents),
        "rights.json": {
            "controller": asdict(contents.controller),
            "regimes": [asdict(right) for right in contents.rights],
            **({} if contents.rights else {"note": NO_REGIME}),
        },
        "withheld.json": {
            "withheld": [asdict(item) for item in contents.withheld],
            "looked_for": list(contents.looked_for),
        },
    }
    texts = {name: json_text(document) for name, document in made.items()}
    texts["dictionary.csv"] = _dictionary_csv([*contents.tables, *contents.copies])
    return texts


def data_name(table: ExportTable, suffix: str) -> str:
    """Return where a table lies in the package."""
    folder = {"derived": "data/derived", "copy": "data/copies"}.get(table.kind, "data")
    return f"{folder}/{table.name}.{suffix}"


def _profile(contents: Contents) -> dict[str, object]:
    person = contents.person
    return {
        "known_since": person.since,
        "facts": dict(sorted(person.facts.items())),
        "aliases": [{"kind": one.kind, "value": one.value} for one in person.aliases],
        "note": "Facts are direct identifiers as your sources gave them. Aliases are the names that sources know you by. "
        "The day is that of the first arrival.",
    }


def _recipients(contents: Contents) -> dict[str, object]:
    listed = [asdict(one) for one in contents.recipients]
    return {"recipients": listed} | ({} if listed else {"note": NO_RECIPIENTS})


def _consents(contents: Contents) -> dict[str, object]:
    listed = [
        {
            **asdict(one),
            "decided_at": one.decided_at.isoformat(timespec="seconds"),
            "expires_at": one.expires_at.isoformat(timespec="seconds") if one.expires_at else None,
        }
        for one in contents.consents
    ]
    return {"consents": listed, "note": CONSENTS_NOTE if listed else NO_CONSENTS}


def _access_log(contents: Contents) -> dict[str, object]:
    return {
        "queries": [{**asdict(look), "at": look.at.isoformat(timespec="seconds")} for look in contents.looks],
        "queries_note": QUERY_NOTE,
        "attribute_handovers": [
            {**asdict(one), "at": one.at.isoformat(timespec="seconds")} for one in contents.handovers
        ],
        "attribute_handovers_note": HANDOVER_NOTE,
    }


def _sources(tally: Tally) -> dict[str, object]:
    listed = [
        {name: value for name, value in asdict(source).items() if value not in ("", None)}
        for source in tally.sources.values()
    ]
    return {"sources": listed, "rows_of_further_sources": tally.other_sources}


def _decisions(contents: Contents) -> dict[str, object]:
    return {
        "decisions": [],
        "note": NO_DECISIONS,
        "computed": [
            {"table": one.table, "grain": one.grain, "formulas": dict(one.formulas)}
            for one in contents.computed
        ],
    }


def _dictionary(tables: Sequence[ExportTable]) -> dict[str, object]:
    return {
        "tables": {table.name: _described(table) for table in tables},
        "signals": {
            name: {
                "meaning": readable(name, SIGNAL_LABELS),
                "stream": signal.stream,
                "unit": signal.unit,
                "loinc": signal.loinc,
            }
            for name, signal in SIGNALS.items()
        },
        "stages": dict(STAGE_LABELS),
        "statistics": dict(STATISTIC_LABELS),
        "tz_basis": dict(BASIS_LABELS),
        "quality_flags": dict(FLAG_LABELS),
        "problems": dict(PROBLEM_LABELS),
        "classes": {
            "ordinary": "says little about you by itself",
            "sensitive": "says something about your body or your habits",
            "special": "health data of a special category, such as glucose",
        },
        "times": "A time in a column that ends in _utc or _at is UTC. Where tz_basis is `unknown`, the source gave no "
        "time zone: the clock time that it gave stands there as if it were UTC.",
    }


def _described(table: ExportTable) -> dict[str, Any]:
    return {
        "files": [data_name(table, suffix) for suffix in ("csv", "ndjson", "parquet")],
        "grain": table.grain,
        "columns": [asdict(column) for column in table.columns],
    }


def _dictionary_csv(tables: Sequence[ExportTable]) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["table", "column", "type", "meaning", "unit", "time_zone", "class"])
    for table in tables:
        for column in table.columns:
            writer.writerow([table.name, *_cells(asdict(column))])
    return sink.getvalue()


def _cells(column: Mapping[str, Any]) -> list[str]:
    return [column[name] for name in ("name", "kind", "meaning", "unit", "time_zone", "sensitivity")]
