"""LibreView: languages, units, limits, and above all the order of day and month, which only proof decides."""

from __future__ import annotations

import datetime as dt
import io

import pytest

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from shelflife.sources.libreview import LibreView
from shelflife.sources.source import ByteSource
from tests.sources.damage import CANARY
from tests.sources.reading import NOW, problems, read, rows_of
from tests.sources.synthetic import libreview as made
from tests.sources.synthetic.libreview import export, row, series

DAY, MONTH = "%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M"


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def starts(rows) -> list[str]:
    return [found["start_utc"].strftime("%Y-%m-%dT%H:%M") for found in rows]


def test_a_reading() -> None:
    (found,) = rows_of(export(row("31-03-2024 08:00")), "libreview")
    assert (found["signal"], found["value_num"], found["unit_ucum"]) == ("glucose_interstitial", 105, "mg/dL")
    assert (found["start_utc"], found["end_utc"]) == (at("2024-03-31T08:00Z"), at("2024-03-31T08:00Z"))
    assert (found["tz_basis"], found["utc_offset_min"]) == ("unknown", None)
    assert (found["source_platform"], found["device_model"], found["modality"]) == (
        "libreview",
        "FreeStyle LibreLink",
        "sensed",
    )
    assert (found["record_path"], found["problem"]) == ("record_0", None)


def test_the_account_places_times_and_marks_clock_changes() -> None:
    content = export(row("31-03-2024 01:45"), row("31-03-2024 02:15"), row("31-03-2024 03:00"))
    rows = rows_of(content, zone="Europe/Berlin")
    assert starts(rows) == ["2024-03-31T00:45", "2024-03-31T01:15", "2024-03-31T01:00"]
    assert [found["utc_offset_min"] for found in rows] == [60, 60, 120]
    doubtful = [bool(found["quality_flags"] & QualityFlag.LOCAL_TIME_DOUBTFUL) for found in rows]
    assert doubtful == [False, True, False]


@pytest.mark.parametrize("language", sorted(made.HEADERS))
@pytest.mark.parametrize(
    ("unit", "value", "number"), [("mg/dL", "104", 104), ("mmol/L", "5,8", 5.8 * 18.0182)]
)
def test_languages_and_units(language, unit, value, number) -> None:
    content = export(
        row("31-03-2024 08:00", value),
        row("31-03-2024 08:05", value, "1"),
        row("31-03-2024 08:10", value, "2"),
        language=language,
        unit=unit,
    )
    rows = rows_of(content, "libreview")
    assert [found["signal"] for found in rows] == ["glucose_interstitial"] * 2 + ["glucose_capillary"]
    assert [found["value_num"] for found in rows] == [pytest.approx(number)] * 3
    assert {(found["value_raw"], found["unit_raw"]) for found in rows} == {(value, unit)}


def test_a_header_with_typographic_apostrophes_and_units_in_small_letters() -> None:
    french = export(row("31-03-2024 08:00"), language="fr").replace(b"l'appareil", "l\u2019appareil".encode())
    assert len(rows_of(french, "libreview")) == 1
    dutch = export(row("31-03-2024 08:00", "5,8"), language="nl", unit="mmol/l")
    assert rows_of(dutch)[0]["unit_raw"] == "mmol/L"


def test_ketones_are_no_glucose_even_in_a_file_without_strips() -> None:
    header = made.ENGLISH.format(u="mmol/L").replace("Strip Glucose mmol/L,", "")
    content = f"{header}\nLibre,S,31-03-2024 08:00,2{',' * 11}9.9,,,\n".encode()
    assert problems(read(content, "libreview")[0]) == {"missing_value": 1}


@pytest.mark.parametrize(
    ("text", "kind", "unit", "sign", "number"),
    [
        ("LO", "0", "mg/dL", "<", 40),
        ("HI", "0", "mg/dL", ">", 400),
        ("Hi", "1", "mmol/L", ">", 400),
        ("lo", "1", "mmol/L", "<", 40),
        ("LO", "2", "mg/dL", "<", 20),
        ("HI", "2", "mmol/L", ">", 500),
    ],
)
def test_readings_beyond_the_device(text, kind, unit, sign, number) -> None:
    (found,) = rows_of(export(row("31-03-2024 08:00", text, kind), unit=unit))
    assert (found["comparator"], found["value_num"], found["value_raw"]) == (sign, number, text)
    assert found["problem"] is None


def test_other_records_are_counted() -> None:
    rows = [row("31-03-2024 08:00", "x", kind) for kind in ("3", "4", "4", "5", "6")]
    table, parsing = read(export(row("31-03-2024 08:00"), *rows))
    assert table.num_rows == 1
    assert parsing.ignored == {"ketone": 1, "insulin": 2, "food": 1, "note": 1}
    assert problems(read(export(row("31-03-2024 08:00", kind="9")))[0]) == {"unknown_signal": 1}


def test_names_and_serial_numbers_go_to_the_profile_only() -> None:
    content = export(
        row("31-03-2024 08:00", serial="SN-1", device=f"{CANARY}'s reader"), metadata=(made.METADATA, "Zyz,")
    )
    table, parsing = read(content)
    assert not any(word in str(table.to_pylist()) for word in (CANARY, "SN-1"))
    assert parsing.profile.source_names == {"SN-1", f"{CANARY}'s reader"}
    assert CANARY in parsing.profile.other["export_heading_1"]
    assert parsing.profile.other["export_heading_2"] == "Zyz"


# The order of day and month


def test_one_date_that_only_one_order_knows_places_the_whole_file() -> None:
    assert starts(rows_of(export(row("03-04-2024 08:00"), row("13-04-2024 08:00")))) == [
        "2024-04-03T08:00",
        "2024-04-13T08:00",
    ]
    assert starts(rows_of(export(row("03-04-2024 08:00"), row("03-13-2024 08:00")))) == [
        "2024-03-04T08:00",
        "2024-03-13T08:00",
    ]


def test_a_date_that_no_calendar_has_proves_nothing() -> None:
    table, _ = read(export(row("01-02-2024 08:00"), row("04-31-2024 08:00"), row("30-02-2024 08:00")))
    assert problems(table) == {"ambiguous_time": 1, "bad_time": 2}


def test_the_proof_may_stand_at_the_end_of_a_long_file() -> None:
    rows = [row("03-04-2024 08:00")] * 30_000
    content = export(*rows, row("13-04-2024 08:00"))
    assert len(content) > 1_000_000
    table, parsing = read(content)
    assert problems(table) == {}
    assert set(starts(table.to_pylist()[:5])) == {"2024-04-03T08:00"}
    assert parsing.records == 30_001


def test_without_proof_every_row_is_quarantined_and_keeps_its_time() -> None:
    table, _ = read(
        export(row("03-04-2024 08:00"), row("03-04-2024 08:15", "110"), row("05-05-2024 08:15", "110"))
    )
    assert problems(table) == {"ambiguous_time": 3}
    assert table.column("value_raw").to_pylist()[:2] == ["03-04-2024 08:00 105", "03-04-2024 08:15 110"]
    assert table.column("start_utc").null_count == 3


def test_proofs_of_both_orders_prove_nothing() -> None:
    table, _ = read(export(row("13-04-2024 08:00"), row("04-13-2024 08:00"), row("03-04-2024 08:00")))
    assert problems(table) == {"ambiguous_time": 3}


@pytest.mark.parametrize(("pattern", "first"), [(DAY, "2024-05-03T20:00"), (MONTH, "2024-05-03T20:00")])
def test_three_midnights_that_only_one_order_makes_continuous_are_a_proof(pattern, first) -> None:
    rows = series(first, 4 * 4 + 96 * 2 + 4, pattern)
    table, _ = read(export(*rows))
    assert problems(table) == {}
    found = starts(table.to_pylist())
    assert (found[0], found[-1]) == ("2024-05-03T20:00", "2024-05-06T00:45")
    newest_first, _ = read(export(*reversed(rows)))
    assert starts(newest_first.to_pylist()) == found[::-1]


def test_two_midnights_are_none() -> None:
    table, _ = read(export(*series("2024-05-03T20:00", 4 * 4 + 96 + 4, DAY)))
    assert set(problems(table)) == {"ambiguous_time"}


def test_midnights_of_different_sensors_are_none() -> None:
    evenings = [row(f"{day:02d}-05-2024 23:55", serial=f"a{day}") for day in range(3, 9)]
    mornings = [row(f"{day + 1:02d}-05-2024 00:05", serial=f"b{day}") for day in range(3, 9)]
    table, _ = read(export(*(line for pair in zip(evenings, mornings, strict=True) for line in pair)))
    assert set(problems(table)) == {"ambiguous_time"}


def test_scans_prove_no_steps() -> None:
    rows = [line.replace(",0,", ",1,", 1) for line in series("2024-05-03T20:00", 300, DAY)]
    assert set(problems(read(export(*rows))[0])) == {"ambiguous_time"}


def test_midnights_across_pieces_of_a_file_count() -> None:
    # Each day is longer than the pieces that the file is read in.
    rows: list[str] = []
    for number, line in enumerate(series("2024-05-03T23:30", 96 * 3 + 3, DAY)):
        rows.append(line)
        if number in {1, 97, 193}:
            rows += [row("04-04-2024 12:00", "x" * 500, "6")] * 2100
    table, _ = read(export(*rows))
    assert problems(table) == {}


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("2024/03/04 08:00", "2024-03-04T08:00"),
        ("2024-03-04 20:05", "2024-03-04T20:05"),
        ("2024/03/04 8:05 PM", "2024-03-04T20:05"),
    ],
)
def test_a_year_in_front_needs_no_proof(written, read_as) -> None:
    assert starts(rows_of(export(row(written)))) == [read_as]


@pytest.mark.parametrize(
    ("written", "clock"),
    [
        ("03-31-2024 12:00 AM", "00:00"),
        ("03-31-2024 12:30 PM", "12:30"),
        ("03-31-2024 01:05 pm", "13:05"),
        ("03/31/2024 1:05 AM", "01:05"),
        ("03-31-2024 11:59 p.m.", "23:59"),
        ("31.03.2024 23:59", "23:59"),
    ],
)
def test_clocks(written, clock) -> None:
    assert starts(rows_of(export(row(written)))) == [f"2024-03-31T{clock}"]


@pytest.mark.parametrize(
    "written", ["31-03-2024 13:05 PM", "31-03-2024 24:00", "31-03-24 08:00", "then", "31-31-2024 08:00"]
)
def test_bad_times_keep_what_was_written(written) -> None:
    table, _ = read(export(row("31-03-2024 08:00"), row(written, "110")))
    assert problems(table) == {"bad_time": 1}
    assert f"{written} 110" in table.column("value_raw").to_pylist()


def test_a_row_without_a_time() -> None:
    table, _ = read(export(row("31-03-2024 08:00"), row("")))
    assert problems(table) == {"no_time": 1}


def test_a_row_with_too_few_fields_is_quarantined() -> None:
    table, _ = read(export(row("31-03-2024 08:00"), "FreeStyle,S,31-03-2024 08:15,0,105"))
    assert problems(table) == {"bad_record": 1}


@pytest.mark.parametrize(
    "header", ["Device,Serial Number,Device Timestamp,Record Type,Historic Glucose stone", "a,b,c,d,e"]
)
def test_other_headers_are_not_recognised(header) -> None:
    with pytest.raises(SourceError, match="No source adapter"):
        read(f"{made.METADATA}\n{header}\n".encode())


def test_the_file_is_read_twice_and_never_held() -> None:
    opened: list[int] = []
    content = export(*[row("13-04-2024 08:00")] * 100)

    def opener() -> io.BytesIO:
        opened.append(1)
        return io.BytesIO(content)

    parsing = LibreView().parse(ByteSource(opener, len(content)), now=NOW)
    assert sum(batch.num_rows for batch in parsing) == 100
    assert len(opened) == 2
