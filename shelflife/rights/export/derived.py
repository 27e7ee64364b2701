"""One person's rows in the derived zone, found by the bucket that they must lie in."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from shelflife.control.tables import derivation
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.catalog import live_files, partitions_by_id
from shelflife.lake.derive import stale
from shelflife.lake.inputs import derived_files
from shelflife.rights.export.standing import changed
from shelflife.seal.file_keys import CLASSES
from shelflife.seal.parquet import open_encrypted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shelflife.estate import Estate
    from shelflife.lake.catalog import DataFile
    from shelflife.lake.models import Model
    from shelflife.rights.export.standing import Watch
    from shelflife.subjects.directory import Subject

ZONE = "derived"
PID = "pid"


class PersonFigures:
    """Reads one person's derived rows.

    Args:
        estate: the estate.
        person: the person.
        watch: the export's lease, asked before each file.
        models: every model.
    """

    def __init__(self, estate: Estate, person: Subject, watch: Watch, models: Mapping[str, Model]) -> None:
        self._estate, self._watch, self._models = estate, watch, models
        with estate.database.read() as conn:
            self._pid = pseudonym(estate.pepper(conn, ZONE), person.subject_id)

    def find(self) -> dict[str, list[tuple[str, DataFile]]]:
        """Return the files that can hold rows of the person, by model, with their periods in order.

        A table whose rows of the person were erased and wait for their rewrite is left out.
        """
        self._watch.check()
        with self._estate.database.read() as conn:
            buckets = self._buckets(conn)
            found = {}
            for model in self._models.values():
                if model.zone == ZONE and model.name not in self._watch.standing.waiting:
                    found[model.name] = self._files(conn, model, buckets)
        return {name: files for name, files in found.items() if files}

    def rows(self, model: Model, file: DataFile) -> Iterator[pa.Table]:
        """Yield the person's rows of a file, if it has any: without the pseudonym, ordered by the model's keys.

        Raises:
            SealBroken: the file was altered.
            CommitConflict: it was replaced, or something of the person erased, since the export began.
        """
        self._watch.check()
        with self._estate.database.read() as conn:
            opened = derived_files(self._estate, conn, model, [file])
        if not opened:
            raise changed()
        dataset = open_encrypted(opened, allowed=CLASSES, schema=model.schema)
        rows = dataset.to_table(filter=pc.field(PID) == pa.scalar(self._pid, model.schema.field(PID).type))
        if rows.num_rows:
            keys = [(key, "ascending") for key in model.keys if key != PID]
            yield rows.drop_columns([PID]).sort_by(keys)

    def _buckets(self, conn: sa.Connection) -> dict[tuple[str, str], int]:
        """Return how many buckets the people of each model and period are split into, where that is certain.

        A file of a unit that is stale may have been made when there were fewer buckets, so nothing is certain of it.
        """
        outdated = {(unit.model, unit.period) for unit in stale(self._estate, self._models, conn)}
        query = sa.select(derivation.c.model, derivation.c.period)
        counts = Counter((row.model, row.period) for row in conn.execute(query))
        return {unit: count for unit, count in counts.items() if unit not in outdated}

    def _files(
        self, conn: sa.Connection, model: Model, buckets: Mapping[tuple[str, str], int]
    ) -> list[tuple[str, DataFile]]:
        files = live_files(conn, ZONE, model.name)
        homes = partitions_by_id(conn, [file.partition_id for file in files])
        found = []
        for file in files:
            period = homes[file.partition_id].period
            count = buckets.get((model.name, period))
            if count is None or file.bucket == self._pid[0] % count:
                found.append((period, file))
        return found
