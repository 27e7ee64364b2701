"""What a change of a copy records, in the commit that makes it true: lineage and one ledger entry of counts and digests."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Literal

from shelflife.lake.catalog import partitions_by_id
from shelflife.lineage import record as lineage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shelflife.control.database import Transaction
    from shelflife.copies.catalog_items import Change, InCommit
    from shelflife.copies.protocol import Item
    from shelflife.copies.reading_models import Input
    from shelflife.estate import Estate
    from shelflife.ledger.entries import JSON

_OPAQUE = re.compile(r"[0-9a-f]{32}")


def publication(
    estate: Estate,
    tx: Transaction,
    name: str,
    inputs: Sequence[Input],
    items: Sequence[Item],
    *,
    inputs_hash: bytes,
    started: datetime,
    now: datetime,
) -> None:
    """Record a publication: which units it read, which objects it wrote."""
    rows = sum(item.rows for item in items)
    run = lineage.start_run(tx, f"publish.{name}", "publish", started)
    for one in inputs:
        lineage.add_inputs(tx, run, f"{one.model.zone}/{one.model.name}", _units(tx, one))
    _add_outputs(tx, run, name, items)
    entry: dict[str, JSON] = {
        "type": "publish",
        "run": run,
        "copy": name,
        "rows": rows,
        "items": len(items),
        "inputs_sha256": inputs_hash.hex(),
        "items_sha256": _digest(items),
    }
    [position] = estate.ledger.append(tx, [entry], now)
    lineage.finish_run(tx, run, now, facts={"ledger_position": position, "rows": rows})


def erasure(
    estate: Estate,
    tx: Transaction,
    name: str,
    items: Sequence[Item],
    *,
    people: int,
    removed: int,
    now: datetime,
) -> None:
    """Record that people were removed from a copy: how many, how many rows, what was written in their place."""
    run = lineage.start_run(tx, f"erase.{name}", "erase", now)
    _add_outputs(tx, run, name, items)
    entry: dict[str, JSON] = {
        "type": "erase_copy",
        "run": run,
        "copy": name,
        "people": people,
        "removed": removed,
        "items": len(items),
        "items_sha256": _digest(items),
    }
    [position] = estate.ledger.append(tx, [entry], now)
    lineage.finish_run(tx, run, now, facts={"ledger_position": position, "removed": removed})


def removal(
    estate: Estate, tx: Transaction, name: str, why: Literal["expired", "withdrawn", "moved"], change: Change
) -> None:
    """Record that objects of a copy were removed, and why."""
    run = lineage.start_run(tx, f"remove.{name}", "purge", change.now)
    entry: dict[str, JSON] = {
        "type": "remove_copy",
        "run": run,
        "copy": name,
        "items": change.gone,
        "rows": change.rows_gone,
        "why": why,
    }
    [position] = estate.ledger.append(tx, [entry], change.now)
    lineage.finish_run(tx, run, change.now, facts={"ledger_position": position, "items": change.gone})


def removes(estate: Estate, name: str, why: Literal["expired", "withdrawn", "moved"]) -> InCommit:
    """Return what a commit that removes objects of a copy does besides."""

    def record(tx: Transaction, change: Change) -> None:
        if change.gone:
            removal(estate, tx, name, why, change)

    return record


def _units(tx: Transaction, one: Input) -> set[str]:
    homes = partitions_by_id(tx.conn, [file.partition_id for file in one.files])
    return {f"{homes[file.partition_id].period}/{file.bucket}" for file in one.files}


def _add_outputs(tx: Transaction, run: str, name: str, items: Sequence[Item]) -> None:
    rows: defaultdict[str, int] = defaultdict(int)
    for item in items:
        rows[_opaque(name, item.item)] += item.rows
    lineage.add_outputs(tx, run, f"copies/{name}", rows, size=sum(item.size for item in items))


def _opaque(name: str, item: str) -> str:
    """Return an item's own random id, or one made of its name where a place's objects have names of their own."""
    found = _OPAQUE.match(item)
    return found[0] if found else hashlib.sha256(f"{name}/{item}".encode()).hexdigest()[:32]


def _digest(items: Sequence[Item]) -> str:
    lines = sorted(f"{item.item} {'' if item.sha256 is None else item.sha256.hex()}" for item in items)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
