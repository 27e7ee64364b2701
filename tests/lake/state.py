"""What an estate holds, in a form that two estates with different random keys can be compared by."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from shelflife.control.subject_tables import alias, subject
from shelflife.control.tables import data_file, derivation, partition
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.awaiting import awaiting, without
from shelflife.lake.catalog import files_of_partition, live_files, partitions
from shelflife.lake.inputs import derived_files
from shelflife.lake.models import load_models, output_schema
from shelflife.lake.unseal import HELD, read_partition
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import open_encrypted
from shelflife.seal.values import open_value
from shelflife.subjects.directory import PROFILE_STREAM, everyone

if TYPE_CHECKING:
    from shelflife.estate import Estate


def names(estate: Estate, conn: sa.Connection, zone: str) -> dict[bytes, str]:
    """Each subject's pseudonym in a zone, with its smallest alias: the same name in every estate."""
    pepper = estate.pepper(conn, zone)
    people = everyone(estate, conn)
    keys = estate.keyrings["identity"].keys(conn, [one.identity_pid for one in people], PROFILE_STREAM)
    found = {}
    for one in people:
        rows = conn.execute(sa.select(alias).where(alias.c.pid == one.identity_pid))
        opened = [
            open_value(keys[one.identity_pid], bytes(row.sealed), ("alias", bytes(row.alias_mac))).decode()
            for row in rows
        ]
        found[pseudonym(pepper, one.subject_id)] = min(opened)
    return found


def raw_rows(estate: Estate) -> dict[tuple[str, str], pl.DataFrame]:
    """Every landed row that no hold keeps apart, by table and period, with the subject's name in place of the pseudonym, sorted."""
    with estate.database.read() as conn:
        known = names(estate, conn, "raw")
        found = {}
        for home in partitions(conn, zone="raw"):
            files = files_of_partition(conn, home.partition_id)
            if files and not home.table_name.startswith(HELD):
                rows = pl.DataFrame(pl.from_arrow(read_partition(estate, conn, home, files)))
                found[home.table_name, home.period] = _named(rows, known)
    return found


def derived_rows(estate: Estate) -> dict[str, pl.DataFrame]:
    """Every derived row by model, as readers see them: without those that await a rewrite."""
    models = load_models(estate.settings.models)
    with estate.database.read() as conn:
        known = names(estate, conn, "derived")
        found = {}
        for model in models.values():
            files = derived_files(estate, conn, model, live_files(conn, model.zone, model.name))
            if files:
                dataset = open_encrypted(files, allowed=CLASSES, schema=output_schema(model, models))
                rows = without(dataset.to_table(), awaiting(conn, model.name))
                found[model.name] = _named(pl.DataFrame(pl.from_arrow(rows)), known)
    return found


def digest(estate: Estate) -> str:
    """One digest over everything that readers can see and the number of physical files."""
    state = hashlib.sha256()
    for key, rows in sorted(raw_rows(estate).items()):
        state.update(f"{key}{rows.height}".encode() + rows.write_csv().encode())
    for name, rows in sorted(derived_rows(estate).items()):
        state.update(name.encode() + rows.write_csv().encode())
    with estate.database.read() as conn:
        for table in (subject, alias):
            state.update(str(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar()).encode())
        live = sa.select(sa.func.count()).select_from(data_file).where(data_file.c.state == "live")
        state.update(str(conn.execute(live).scalar()).encode())
        kept = sa.select(sa.func.sum(derivation.c.rows))
        state.update(str(conn.execute(kept).scalar()).encode())
        assert not conn.execute(sa.select(partition).where(partition.c.state != "open")).all()
    files = [path for path in (estate.settings.home / "zones").rglob("*") if path.is_file()]
    state.update(str(len(files)).encode())
    return state.hexdigest()


def _named(rows: pl.DataFrame, known: dict[bytes, str]) -> pl.DataFrame:
    if "pid" in rows.columns:
        rows = rows.with_columns(
            pid=pl.Series([known[pid] for pid in rows["pid"].to_list()], dtype=pl.String)
        )
    return rows.sort(rows.columns, nulls_last=True)
