"""The one place that makes Dagster metadata: an allow-list of facts, each with the shape that its value must have.

Dagster keeps metadata for ever, in several tables. Whatever is not on the list, or does not have its shape, is an
error here, so that a value, a name or a path cannot get into Dagster's storage by a new line of code elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import dagster as dg

from shelflife.errors import ConfigurationError
from shelflife.signals.rules import PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Made = dict[str, dg.MetadataValue]

REFUSALS: tuple[str, ...] = ("erased", "expired", "no_consent", "no_owner")
OTHER = "other"
_OPAQUE_ID = re.compile(r"[0-9a-f]{32}")
_PERIOD = re.compile(r"\d{4}-\d{2}(-\d{2})?|\d{4}-W\d{2}")
_RULE = re.compile(r"[a-z0-9_]{1,40}(\.[a-z_]{1,20})?")
_HEADER_TEXT = re.compile(r"[\x20-\x7e]{1,200}")


def _count(value: object) -> dg.MetadataValue:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _refused()
    return dg.MetadataValue.int(value)


def _seconds(value: object) -> dg.MetadataValue:
    if not isinstance(value, float) or value < 0:
        raise _refused()
    return dg.MetadataValue.float(round(value, 3))


def _period(value: object) -> dg.MetadataValue:
    if not isinstance(value, str) or not _PERIOD.fullmatch(value):
        raise _refused()
    return dg.MetadataValue.text(value)


def _opaque_ids(value: object) -> dg.MetadataValue:
    if not isinstance(value, list) or not all(
        isinstance(item, str) and _OPAQUE_ID.fullmatch(item) for item in value
    ):
        raise _refused()
    return dg.MetadataValue.text(" ".join(value) or "none")


def _reasons(value: object) -> dg.MetadataValue:
    """Rows by reason; a reason that is not in the vocabulary is shown as `other`."""
    known = {*PROBLEMS, *REFUSALS}
    rows: dict[str, int] = {}
    for reason, count in _counts(value).items():
        shown = reason if reason in known else OTHER
        rows[shown] = rows.get(shown, 0) + count
    return _table("reason", rows)


def _rules(value: object) -> dg.MetadataValue:
    """Violations by rule; a rule's name stands in code."""
    rows = _counts(value)
    if not all(_RULE.fullmatch(name) for name in rows):
        raise _refused()
    return _table("rule", rows)


def _expectations(value: object) -> dg.MetadataValue:
    """Batches that fail an expectation, by expectation; its name stands in code."""
    rows = _counts(value)
    if not all(_RULE.fullmatch(name) for name in rows):
        raise _refused()
    return _table("expectation", rows, of="batches")


def _header_text(value: object) -> dg.MetadataValue:
    """Text of a model's header or a policy: written by an engineer, kept in the repository."""
    if not isinstance(value, str) or not _HEADER_TEXT.fullmatch(value):
        raise _refused()
    return dg.MetadataValue.text(value)


_RUN_FACTS: Mapping[str, tuple[str, Callable[[object], dg.MetadataValue]]] = {
    "batch_ids": ("batch ids", _opaque_ids),
    "batches": ("batches", _count),
    "buckets": ("buckets", _count),
    "bytes_landed": ("bytes landed", _count),
    "checked_rows": ("rows checked", _count),
    "consents_ended": ("withdrawals and expired consents acted on", _count),
    "copies_withdrawn": ("withdrawn copies removed", _count),
    "copy_items_expired": ("expired objects removed from copies", _count),
    "duplicates": ("duplicates", _count),
    "erasures_final": ("erasures final", _count),
    "expectations": ("expectations", _count),
    "expectations_failed": ("expectations failed", _expectations),
    "export_bytes": ("bytes of the sealed export", _count),
    "exports_expired": ("expired exports removed", _count),
    "files": ("files", _count),
    "files_known": ("files landed before", _count),
    "files_refused": ("files refused", _count),
    "keys_destroyed": ("keys destroyed", _count),
    "landed": ("samples landed", _count),
    "obligations_soon": ("obligations due soon", _count),
    "partitions_purged": ("partitions purged", _count),
    "partitions_touched": ("partitions touched", _count),
    "period": ("period", _period),
    "quarantined": ("rows in quarantine", _count),
    "reasons": ("rows kept out, by reason", _reasons),
    "refused": ("rows refused", _count),
    "requests_blocked": ("requests that wait for counsel", _count),
    "requests_done": ("requests done", _count),
    "requests_registered": ("erasure requests registered", _count),
    "residues": ("residues", _count),
    "root_keys_destroyed": ("root keys destroyed", _count),
    "landing_keys_destroyed": ("landing keys destroyed", _count),
    "rows": ("dagster/partition_row_count", _count),
    "rows_derived": ("rows derived", _count),
    "rows_preserved": ("rows preserved for holds", _count),
    "rows_known_already": ("rows known already", _count),
    "rows_moved": ("rows moved", _count),
    "rows_purged": ("rows purged", _count),
    "runs_deleted": ("old runs deleted", _count),
    "samples_in": ("samples in", _count),
    "seconds": ("seconds", _seconds),
    "stores_verified": ("stores looked at", _count),
    "units_derived": ("units derived", _count),
    "violations": ("violations, by rule", _rules),
}
_DEFINITION_FACTS: tuple[str, ...] = ("grain", "retention_class", "erasure", "period", "disclosure")


def facts(**values: object) -> Made:
    """Return facts of a run as Dagster metadata.

    Args:
        values: facts by their name in the allow-list.

    Raises:
        ConfigurationError: a fact is not on the list, or its value does not have the fact's shape.
    """
    if not values.keys() <= _RUN_FACTS.keys():
        raise _refused()
    # A table without a line says nothing.
    told = {name: value for name, value in values.items() if value != {}}
    return {_RUN_FACTS[name][0]: _RUN_FACTS[name][1](value) for name, value in told.items()}


def definition_facts(
    schema: dg.TableSchema, lineage: dg.TableColumnLineage | None = None, **header: str
) -> dict[str, object]:
    """Return facts of an asset's definition as Dagster metadata: its columns, their lineage, its model header.

    Raises:
        ConfigurationError: a fact is not on the list, or is not one line of plain text.
    """
    if not header.keys() <= set(_DEFINITION_FACTS):
        raise _refused()
    made: dict[str, object] = {name.replace("_", " "): _header_text(text) for name, text in header.items()}
    made["dagster/column_schema"] = schema
    if lineage is not None:
        made["dagster/column_lineage"] = lineage
    return made


def _counts(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise _refused()
    for count in value.values():
        _count(count)
    return value


def _table(first: str, counts: Mapping[str, int], *, of: str = "rows") -> dg.MetadataValue:
    columns = [dg.TableColumn(first, "string"), dg.TableColumn(of, "int")]
    records = [dg.TableRecord({first: name, of: count}) for name, count in sorted(counts.items())]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _refused() -> ConfigurationError:
    return ConfigurationError(
        "A fact that is not on the metadata allow-list was about to be given to Dagster.",
        remedy="Add the fact and the shape of its value to assets/metadata.py, if it can never hold personal data.",
    )
