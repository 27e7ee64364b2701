"""What every part of a verification looks at: one snapshot of the control database, the opened key trees, the targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shelflife.config import ZONES
from shelflife.rights.verify import key_pages, survey
from shelflife.rights.verify.inspection import Inspection

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    import sqlalchemy as sa

    from shelflife.config import Settings
    from shelflife.control.database import ControlDatabase
    from shelflife.rights.verify.key_pages import Root, ZoneKeys
    from shelflife.rights.verify.survey import FileRow, Survey
    from shelflife.rights.verify.targets import Target
    from shelflife.subjects.directory import Alias


@dataclass
class DaysSeen:
    """The local days of a partition's decoded rows, earliest and latest."""

    earliest: dt.date
    latest: dt.date


@dataclass
class Scene:
    """One verification's view.

    Attributes:
        settings: where the estate lives.
        database: for what must be read again, later than the snapshot.
        conn: the snapshot.
        now: the time.
        targets: people of whom nothing may be left.
        survey: the catalog, as of the snapshot.
        roots: by zone, the root keys in the slot.
        keys: by zone, what opens of the key tree; a zone whose root key is gone is absent.
        inspection: what is found.
        days: by raw partition, the days of its decoded rows.
        stones: tombstones of aliases that were looked up.
    """

    settings: Settings
    database: ControlDatabase
    conn: sa.Connection
    now: dt.datetime
    targets: Sequence[Target]
    survey: Survey
    roots: dict[str, list[Root]] = field(repr=False)
    keys: dict[str, ZoneKeys] = field(repr=False)
    inspection: Inspection = field(default_factory=Inspection)
    days: dict[str, DaysSeen] = field(default_factory=dict)
    stones: dict[Alias, sa.Row[Any] | None] = field(default_factory=dict, repr=False)

    def key(self, zone: str, number: int | None) -> bytes | None:
        """Return a key of a zone; None where there is none."""
        tree = self.keys.get(zone)
        return None if tree is None or number is None else tree.key(number)

    def again(self, file: FileRow) -> FileRow | None:
        """Return a file as the catalog has it by now: it may have been replaced while this ran."""
        with self.database.read() as conn:
            return next(iter(survey.read_files(conn, file.file_id)), None)

    def whole_targets(self) -> Iterator[Target]:
        """Yield the targets of whom nothing at all may be left."""
        return (target for target in self.targets if target.whole)


def look(
    settings: Settings,
    database: ControlDatabase,
    conn: sa.Connection,
    now: dt.datetime,
    targets: Sequence[Target],
) -> Scene:
    """Take in the catalog and open every key tree."""
    roots = {zone: key_pages.read_roots(settings.root_slot_folder / f"{zone}.root") for zone in ZONES}
    trees = {zone: key_pages.living_tree(conn, zone, roots[zone]) for zone in ZONES}
    return Scene(
        settings=settings,
        database=database,
        conn=conn,
        now=now,
        targets=targets,
        survey=survey.take(conn, now),
        roots=roots,
        keys={zone: tree for zone, tree in trees.items() if tree is not None},
    )
