"""Staleness: which derived files no longer follow from what is landed. Pure given the catalog's rows.

A derived file is identified by a digest over everything that it was computed from: the model's text, the ids of
the input files and, for cohorts, the version of the attributes. Files never change, so equal ids mean equal
inputs; late data, a changed model or an erasure each move the digest and nothing else does.

Where a part of the inputs expired, the digest could never be made again: what was derived while they were whole is
frozen and stays until its own retention ends. Where the derived partition itself expired, it is not made again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.tables import batch, data_file, derivation, partition
from shelflife.lake.model_header import ATTRIBUTES
from shelflife.lake.periods import periods_covering
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.profile import attributes_version

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from shelflife.lake.models import Model

_NOBODY: Mapping[str, frozenset[bytes]] = MappingProxyType({})


@dataclass(frozen=True, order=True)
class Unit:
    """One derived file that must be made again, or removed where nothing is left to derive it from.

    Attributes:
        bucket: which share of the people the file holds.
        buckets: how many shares there are.
        inputs: ids of the files that it is computed from; empty when nothing is left.
        inputs_hash: digest over the inputs and whatever else the content follows from.
    """

    model: str
    period: str
    bucket: int
    buckets: int
    inputs: tuple[str, ...]
    inputs_hash: bytes


def stale_units(
    conn: sa.Connection,
    models: Mapping[str, Model],
    *,
    buckets: int,
    minimum_cell: int,
    precedence: int,
    left_out: Mapping[str, frozenset[bytes]] = _NOBODY,
    names: Collection[str] | None = None,
    periods: Collection[str] | None = None,
) -> list[Unit]:
    """Return the stale derived files, models in reading order, periods oldest first.

    Args:
        conn: a read snapshot.
        models: every model.
        buckets: shares of people that a derived file is split into.
        minimum_cell: the disclosure limit that cohorts are made with.
        precedence: digest of the order of sources that rows are judged by.
        left_out: by table, pseudonyms of the derived zone that it leaves out for want of consent.
        names: models to look at; all when absent.
        periods: periods to look at; all when absent.
    """
    found: list[Unit] = []
    for model in in_reading_order(models):
        if names is not None and model.name not in names:
            continue
        count = buckets if model.zone == "derived" else 1
        inputs = _inputs(conn, model, models)
        known = _known(conn, model.name)
        extra = (
            (count, minimum_cell, attributes_version(conn))
            if model.zone == "analytics"
            else (count, precedence)
        )
        # Nobody to leave out adds nothing, so that a person who is left out makes their own bucket stale and no other.
        without = [_digest_of(left_out.get(model.name, ()), bucket, count) for bucket in range(count)]
        wanted = {
            (period, bucket): _unit(model, period, bucket, count, files, (*extra, *without[bucket]))
            for period, files in inputs.items()
            for bucket in range(count)
        }
        gone = {key: _unit(model, *key, count, (), extra) for key in known if key not in wanted}
        units = [*wanted.values(), *gone.values()]
        frozen = frozen_periods(conn, model, models)
        found += sorted(
            unit
            for unit in units
            if known.get((unit.period, unit.bucket)) != (unit.inputs_hash, model.digest)
            and unit.period not in frozen
            and (periods is None or unit.period in periods)
        )
    return found


def _digest_of(pids: Collection[bytes], bucket: int, buckets: int) -> tuple[int, ...]:
    """Return a digest over the people of a bucket who are left out; nothing when there is nobody."""
    mine = sorted(pid for pid in pids if pid[0] % buckets == bucket)
    return (int.from_bytes(hashlib.sha256(b"".join(mine)).digest()),) if mine else ()


def in_reading_order(models: Mapping[str, Model]) -> list[Model]:
    """Return the models so that each comes after those it reads."""
    return sorted(models.values(), key=lambda model: (model.zone != "derived", model.name))


def _unit(
    model: Model, period: str, bucket: int, buckets: int, files: Sequence[str], extra: tuple[int, ...]
) -> Unit:
    inputs = tuple(sorted(files))
    body = "\n".join([model.name, period, str(bucket), *map(str, extra), *inputs])
    return Unit(model.name, period, bucket, buckets, inputs, hashlib.sha256(body.encode()).digest())


def _inputs(conn: sa.Connection, model: Model, models: Mapping[str, Model]) -> dict[str, list[str]]:
    """Return the input files of each period of a model."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in model.reads:
        if name == ATTRIBUTES:
            continue
        zone = "raw" if name in STREAMS else models[name].zone
        for file_id, period in _live(conn, zone, name):
            for covered in periods_covering(period, model.period):
                found[covered].append(file_id)
    return found


def frozen_periods(conn: sa.Connection, model: Model, models: Mapping[str, Model]) -> set[str]:
    """Return the periods of a model that are derived no more: their own partition expired, or one that they read."""
    frozen = set(_expired(conn, model.zone, model.name))
    for name in model.reads:
        if name == ATTRIBUTES:
            continue
        for period in _expired(conn, "raw" if name in STREAMS else models[name].zone, name):
            frozen.update(periods_covering(period, model.period))
    return frozen


def _expired(conn: sa.Connection, zone: str, table_name: str) -> list[str]:
    query = sa.select(partition.c.period).where(
        partition.c.zone == zone,
        partition.c.table_name == table_name,
        partition.c.state == "destroyed",
    )
    return list(conn.execute(query).scalars())


def _live(conn: sa.Connection, zone: str, table_name: str) -> list[tuple[str, str]]:
    """Return (file id, period) of live files; those of a batch that failed its checks are left out."""
    query = (
        sa.select(data_file.c.file_id, partition.c.period)
        .join(partition, partition.c.partition_id == data_file.c.partition_id)
        .outerjoin(batch, batch.c.batch_id == data_file.c.batch_id)
        .where(
            data_file.c.zone == zone,
            data_file.c.table_name == table_name,
            data_file.c.state == "live",
            partition.c.state == "open",
            sa.func.coalesce(batch.c.verdict, "") != "failed",
        )
    )
    return [(row.file_id, row.period) for row in conn.execute(query)]


def _known(conn: sa.Connection, model: str) -> dict[tuple[str, int], tuple[bytes, bytes]]:
    query = sa.select(derivation).where(derivation.c.model == model)
    return {
        (row.period, row.bucket): (bytes(row.inputs_hash), bytes(row.model_hash))
        for row in conn.execute(query)
    }
