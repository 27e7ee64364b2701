"""People and copies: erased from every copy, exported from every copy; and who receives copies.

One copy's failure keeps no other copy from being erased, and is an outcome, not an exception: the request that asked
for it stays open until the outcome is better.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.copies import recording
from shelflife.copies.locking import copy_lock
from shelflife.copies.protocol import TOKEN, Erased
from shelflife.copies.registry import open_adapter
from shelflife.copies.remembered import standing
from shelflife.copies.tokens import copy_token, copy_tokens
from shelflife.errors import ShelflifeError, Transient
from shelflife.lake.models import load_models
from shelflife.signals.vocabulary import STREAMS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import pyarrow as pa

    from shelflife.control.database import Transaction
    from shelflife.copies.catalog_items import Change
    from shelflife.copies.declarations import CopyDeclaration
    from shelflife.estate import Estate
    from shelflife.lake.models import Model

TARGET_PREFIX = "copy/"
"""How a request's outcomes name a copy: `copy/<name>`."""

RETRY_AFTER = timedelta(hours=1)


def erase_from_copies(
    estate: Estate, subject_ids: Sequence[bytes], *, streams: Collection[str] | None, now: datetime
) -> dict[str, Erased]:
    """Remove people from every copy, also from those whose declaration was withdrawn and that still stand.

    Args:
        estate: the estate.
        subject_ids: the people's subject ids, 16 bytes each.
        streams: only what is computed from these streams; everything when absent.
        now: the time.

    Returns:
        What became of them in each copy. Trouble with one copy is its outcome: `deferred_until` where trying again can
        help, else `failed`.

    Raises:
        ConfigurationError: the declarations themselves cannot be read.
    """
    found: dict[str, Erased] = {}
    for name, declaration in standing(estate.settings).items():
        datasets = _touched(estate, declaration, streams)
        try:
            found[name] = _erase_one(estate, declaration, subject_ids, datasets, now)
        except Transient:
            found[name] = Erased("deferred_until", until=now + RETRY_AFTER)
        except ShelflifeError:
            found[name] = Erased("failed")
    return found


def export_from_copies(estate: Estate, subject_id: bytes) -> dict[str, dict[str, pa.Table]]:
    """Return what every copy holds about one person, by copy and dataset, without the copy's token.

    Copies that cannot give back what they hold, or hold nothing of the person, are left out.

    Raises:
        CopyUnreachable: a copy does not answer; an export without it would not be complete.
        CommitConflict: another process keeps changing a copy.
    """
    found: dict[str, dict[str, pa.Table]] = {}
    for name, declaration in standing(estate.settings).items():
        with estate.database.read() as conn:
            token = copy_token(estate, conn, name, subject_id)
        adapter = open_adapter(estate, declaration)
        if adapter.capabilities().exports:
            # A publication overwrites the files that it replaces, also under whoever reads them.
            with copy_lock(estate, name):
                rows = adapter.export(token)
            held = {dataset: of_person.drop_columns([TOKEN]) for dataset, of_person in rows.items()}
            found |= {name: held} if held else {}
    return found


def _touched(
    estate: Estate, declaration: CopyDeclaration, streams: Collection[str] | None
) -> list[str] | None:
    """Return the datasets of a copy that are computed from some streams, or None for all of them."""
    if streams is None:
        return None
    models = load_models(estate.settings.models)
    wanted = set(streams)
    return [
        name for name in declaration.datasets if name in models and wanted & _streams(models[name], models)
    ]


def _streams(model: Model, models: Mapping[str, Model]) -> set[str]:
    """Return every stream that a model is computed from."""
    found = {name for name in model.reads if name in STREAMS}
    for name in model.reads:
        if name in models:
            found |= _streams(models[name], models)
    return found


def _erase_one(
    estate: Estate,
    declaration: CopyDeclaration,
    subject_ids: Sequence[bytes],
    datasets: Collection[str] | None,
    now: datetime,
) -> Erased:
    """Erase people from one copy and record it: in the commit that replaces objects, or after a removal in place."""
    name, recorded = declaration.name, []

    def record(tx: Transaction, change: Change) -> None:
        removed = change.rows_gone - sum(item.rows for item in change.items)
        people = len(subject_ids)
        recording.erasure(estate, tx, name, change.items, people=people, removed=removed, now=now)
        recorded.append(removed)

    adapter = open_adapter(estate, declaration, in_commit=record)
    if not adapter.capabilities().erases:
        return Erased("unsupported")
    with estate.database.read() as conn:
        tokens = copy_tokens(estate, conn, name, subject_ids)
    with copy_lock(estate, name):
        erased = adapter.erase(tokens, now, datasets=datasets)
        reached("copies.erase.removed")
        if erased.removed and not recorded:
            with estate.database.commit() as tx:
                people = len(subject_ids)
                recording.erasure(estate, tx, name, (), people=people, removed=erased.removed, now=now)
    if erased.outcome == "deferred_until" and erased.until is None:
        return replace(erased, until=now + RETRY_AFTER)
    return erased
