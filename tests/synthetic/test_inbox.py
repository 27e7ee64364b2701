"""The synthetic inbox: every file is what a vendor would write, and what must become of it is known."""

from __future__ import annotations

import datetime as dt
import hashlib
import statistics
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from shelflife.signals.sample import QualityFlag
from shelflife.signals.vocabulary import SIGNALS, STREAMS
from shelflife.synthetic.inbox import SyntheticEstate, write_inbox
from shelflife.synthetic.people import invent
from tests.sources.reading import problems, read

if TYPE_CHECKING:
    from pathlib import Path

UNTIL = dt.date(2026, 11, 22)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SyntheticEstate]:
    folder = tmp_path_factory.mktemp("inbox")
    return folder, write_inbox(folder, people=9, days=4, seed=7, until=UNTIL)


def tables(written: tuple[Path, SyntheticEstate]) -> list[pa.Table]:
    folder, estate = written
    return [read(folder / file.path)[0] for file in estate.files]


def test_every_file_becomes_what_was_expected(written: tuple[Path, SyntheticEstate]) -> None:
    folder, estate = written
    for file in estate.files:
        table, parsing = read(folder / file.path, file.adapter)
        assert (parsing.records, table.num_rows) == (file.records, file.rows), file.path.name
        assert (dict(parsing.ignored), problems(table)) == (file.ignored, file.problems), file.path.name


def test_nothing_else_is_written(written: tuple[Path, SyntheticEstate]) -> None:
    folder, estate = written
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert found == {file.path for file in estate.files}


def test_every_kind_of_file_is_there(written: tuple[Path, SyntheticEstate]) -> None:
    adapters = {file.adapter for file in written[1].files}
    assert adapters == {"apple_health", "dexcom_clarity", "glucose_ml", "fitbit_fitabase", "canonical_ndjson"}


def test_duplicates_are_counted_right(written: tuple[Path, SyntheticEstate]) -> None:
    folder, estate = written
    for file in estate.files:
        table, _ = read(folder / file.path)
        sound = table.filter(pc.is_null(table.column("problem"))).drop_columns(["record_path", "value_raw"])
        rows = {str(row) for row in sound.to_pylist()}
        assert sound.num_rows - len(rows) == file.duplicates, file.path.name
        assert len(rows) == file.landed


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    def fingerprint(name: str, seed: int) -> str:
        estate = write_inbox(tmp_path / name, people=4, days=2, seed=seed, until=UNTIL)
        content = hashlib.sha256()
        for file in estate.files:
            content.update(str(file.path).encode() + (tmp_path / name / file.path).read_bytes())
        return content.hexdigest()

    first = fingerprint("a", 3)
    assert first == fingerprint("b", 3)
    assert first != fingerprint("c", 4)


def test_every_stream_has_samples(written: tuple[Path, SyntheticEstate]) -> None:
    signals = {
        name for table in tables(written) for name in table.column("signal").drop_null().unique().to_pylist()
    }
    assert {SIGNALS[name].stream for name in signals} == set(STREAMS)


def test_days_end_at_the_given_one(written: tuple[Path, SyntheticEstate]) -> None:
    for table in tables(written):
        if not table.num_rows:
            continue
        sound = table.filter(
            pc.equal(pc.bit_wise_and(table.column("quality_flags"), int(QualityFlag.FUTURE)), 0)
        )
        days = [day for day in sound.column("local_date").drop_null().unique().to_pylist() if day]
        assert max(days) <= UNTIL
        assert min(days) >= UNTIL - dt.timedelta(days=3)


def test_people_are_asleep_at_night_and_their_hearts_are_slower(
    written: tuple[Path, SyntheticEstate],
) -> None:
    folder, estate = written
    for file in estate.files:
        if file.adapter != "apple_health":
            continue
        rows = read(folder / file.path)[0].to_pylist()
        hearts = [row for row in rows if row["signal"] == "heart_rate" and not row["problem"]]
        hours = [
            ((row["start_utc"].hour * 60 + row["utc_offset_min"]) // 60 % 24, row["value_num"])
            for row in hearts
        ]
        night = statistics.mean(rate for hour, rate in hours if 2 <= hour < 5)
        day = statistics.mean(rate for hour, rate in hours if 10 <= hour < 20)
        assert day - night > 8


def test_canaries_are_in_the_files_and_never_in_samples(written: tuple[Path, SyntheticEstate]) -> None:
    folder, estate = written
    raw = b"".join((folder / file.path).read_bytes() for file in estate.files)
    everything = raw.decode() + " ".join(str(file.path) for file in estate.files)
    parsed = "".join(str(table.drop_columns(["alias", "value_raw"]).to_pydict()) for table in tables(written))
    for canary in estate.canaries:
        assert len(canary) >= 8
        assert canary not in parsed
        # A canary that was never planted could never be found.
        assert canary in everything


def test_two_people_never_share_a_name_or_an_alias() -> None:
    people = invent(200, 1, UNTIL)
    assert len({person.alias for person in people}) == 200
    assert len({(person.given_name, person.family_name) for person in people}) == 200


def test_some_cohorts_are_large_enough_to_publish_and_some_are_not() -> None:
    people = invent(48, 1, UNTIL)
    cells = Counter((int((UNTIL - one.birth_date).days // 365.2425) // 10, one.sex) for one in people)
    assert cells == {(3, "female"): 12, (3, "male"): 12} | {
        (ten, sex): 6 for ten in (2, 4) for sex in ("female", "male")
    }


@pytest.mark.slow
def test_the_default_size(tmp_path: Path) -> None:
    estate = write_inbox(tmp_path, seed=1, until=UNTIL)
    assert len(estate.people) == 48
    assert 500_000 <= estate.samples <= 900_000
