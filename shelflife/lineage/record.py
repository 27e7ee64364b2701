"""Recording what each step read and wrote, in the transaction that makes it true.

How steps record. A run's inputs and outputs are (dataset, item) pairs; the next step's input is the previous step's
output, word for word, and that is all that joins the graph together:

=========  ==========================  ============================  =================================
kind       input dataset, item         output dataset, item          facts
=========  ==========================  ============================  =================================
land       inbox, batch_id             raw/<stream>, partition_id    samples in, landed, refused, ...
derive     raw/<stream>, partition_id  derived/<model>,              rows
           (or <zone>/<model>,         <period>/<bucket>
           <period>/<bucket>)
publish    derived/<model>,            copies/<name>,                rows
           <period>/<bucket>           <period>/<bucket>
purge,     what was read to decide     what was written anew         counts, request id
erase
=========  ==========================  ============================  =================================

An item is one of our own random ids (32 hex digits) or `<period>/<bucket>`; a fact is a count, a yes or no, or such an id.
Nothing else is accepted, so nothing here can name a person, a file or a value.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, TypeAlias

import sqlalchemy as sa

from shelflife.control.tables import lineage_input, lineage_output, lineage_run
from shelflife.errors import ConfigurationError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from shelflife.control.database import Transaction

Fact: TypeAlias = "int | bool | str"

INBOX = "inbox"
RUNNING, COMPLETE, FAILED = "running", "complete", "failed"
# Facts under this name are sizes by dataset, as `add_outputs` records them.
BYTES = "bytes"

_DATASET = re.compile(r"inbox|(identity|raw|derived|analytics|copies)/[a-z0-9_]{1,100}")
_ITEM = re.compile(
    r"[0-9a-f]{32}|[0-9]{4}-[0-9]{2}(-[0-9]{2})?(/[0-9]{1,9})?|[0-9]{4}-W[0-9]{2}(/[0-9]{1,9})?"
)
_WORD = re.compile(r"[a-z][a-z0-9_.]{0,63}")
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_PLAIN = "Record counts and opaque ids only; lineage outlives the people whose data it describes."


def start_run(
    tx: Transaction,
    job: str,
    kind: str,
    now: dt.datetime,
    *,
    facts: Mapping[str, Fact] | None = None,
    run_id: str | None = None,
) -> str:
    """Begin the record of one run of a step.

    Args:
        tx: the transaction that the step commits in.
        job: the step's name, such as `land` or `derive.heart_daily`.
        kind: `land`, `derive`, `publish`, `purge`, `erase`, `export` or another word.
        now: aware time of the start.
        facts: counts and ids known by now.
        run_id: 32 hex digits of a uuid4, when the caller has one already.

    Returns:
        The run's id.

    Raises:
        ConfigurationError: a name, fact or id is not plain.
    """
    run = uuid.uuid4().hex if run_id is None else run_id
    if not _ITEM.fullmatch(run) or not _WORD.fullmatch(job) or not _WORD.fullmatch(kind):
        raise ConfigurationError("A lineage run has a name or id that is not plain.", remedy=_PLAIN)
    tx.conn.execute(
        lineage_run.insert().values(
            run_id=run,
            job=job,
            kind=kind,
            started_at=now,
            state=RUNNING,
            facts=_checked(facts or {}),
            emitted=False,
        )
    )
    return run


def add_inputs(tx: Transaction, run_id: str, dataset: str, items: Iterable[str]) -> None:
    """Record what a run read of a dataset; an item that is named twice counts once.

    Raises:
        ConfigurationError: the dataset or an item is not named as this module's table says.
    """
    rows = [{"run_id": run_id, "dataset": dataset, "item": item} for item in sorted(set(items))]
    _check_names(dataset, (row["item"] for row in rows))
    if rows:
        tx.conn.execute(sa.insert(lineage_input), rows)


def add_outputs(
    tx: Transaction, run_id: str, dataset: str, rows: Mapping[str, int], *, size: int | None = None
) -> None:
    """Record what a run wrote into a dataset.

    Args:
        tx: the transaction that the step commits in.
        run_id: the run.
        dataset: such as `raw/heart`.
        rows: number of rows by item.
        size: bytes written in all, when known.

    Raises:
        ConfigurationError: the dataset or an item is not named as this module's table says.
    """
    _check_names(dataset, rows)
    if rows:
        values = [
            {"run_id": run_id, "dataset": dataset, "item": item, "rows": count}
            for item, count in rows.items()
        ]
        tx.conn.execute(sa.insert(lineage_output), values)
    if size is not None:
        sizes = _facts(tx.conn, run_id).get(BYTES)
        _merge_facts(tx, run_id, {BYTES: {**(sizes if isinstance(sizes, dict) else {}), dataset: size}})


def finish_run(
    tx: Transaction,
    run_id: str,
    now: dt.datetime,
    *,
    facts: Mapping[str, Fact] | None = None,
    failed: bool = False,
) -> None:
    """End the record of a run; it is ready to be emitted from then on.

    Args:
        tx: the transaction that the step commits in.
        run_id: the run.
        now: aware time of the end.
        facts: counts and ids to add, such as `ledger_position`.
        failed: whether the step gave up.

    Raises:
        ConfigurationError: there is no such run under way, or a fact is not plain.
    """
    _merge_facts(tx, run_id, _checked(facts or {}))
    ended = tx.conn.execute(
        lineage_run.update()
        .where(lineage_run.c.run_id == run_id, lineage_run.c.state == RUNNING)
        .values(ended_at=now, state=FAILED if failed else COMPLETE)
    )
    if ended.rowcount != 1:
        raise ConfigurationError(
            "A lineage run cannot be ended: it is not under way.",
            remedy="Start each run once and end it once.",
        )


def _check_names(dataset: str, items: Iterable[str]) -> None:
    if not _DATASET.fullmatch(dataset):
        raise ConfigurationError("A lineage dataset is not named <zone>/<table>.", remedy=_PLAIN)
    if not all(_ITEM.fullmatch(item) for item in items):
        raise ConfigurationError(
            "A lineage item is neither an opaque id nor a period and bucket.", remedy=_PLAIN
        )


def _checked(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Return facts that are counts, flags or opaque ids under plain names."""
    for name, fact in facts.items():
        plain = isinstance(fact, int) or (isinstance(fact, str) and _ID.fullmatch(fact))
        if not plain or not _WORD.fullmatch(name) or name == BYTES:
            raise ConfigurationError("A lineage fact is neither a count nor an opaque id.", remedy=_PLAIN)
    return dict(facts)


def _facts(conn: sa.Connection, run_id: str) -> Mapping[str, object]:
    found = conn.execute(sa.select(lineage_run.c.facts).where(lineage_run.c.run_id == run_id)).scalar()
    return found if isinstance(found, dict) else {}


def _merge_facts(tx: Transaction, run_id: str, more: Mapping[str, object]) -> None:
    if more:
        merged = {**_facts(tx.conn, run_id), **more}
        tx.conn.execute(lineage_run.update().where(lineage_run.c.run_id == run_id).values(facts=merged))
