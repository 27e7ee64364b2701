"""Clarity, Glucose-ML and Fitabase: the rows that samples do not have."""

from __future__ import annotations

import datetime as dt
import gzip

import pyarrow.compute as pc
import pytest

from shelflife.errors import SourceError
from shelflife.signals.sample import QualityFlag
from tests.sources.reading import problems, read, rows_of
from tests.sources.synthetic.tables import clarity


def test_clarity_reading() -> None:
    (row,) = rows_of(clarity("1,2026-10-24T23:24:17,EGV,,,,Android G7,103,,,,"), "dexcom_clarity")
    assert row["start_utc"] == row["end_utc"] == dt.datetime(2026, 10, 24, 23, 24, 17, tzinfo=dt.UTC)
    assert (row["tz_basis"], row["utc_offset_min"], row["quality_flags"]) == (
        "unknown",
        None,
        QualityFlag.TZ_UNKNOWN,
    )
    assert row["local_date"] == dt.date(2026, 10, 24)
    assert (row["device_make"], row["device_model"], row["value_raw"]) == ("Dexcom", "G7", "103")


def test_clarity_low_and_high_are_limits() -> None:
    rows = rows_of(
        clarity(
            "1,2026-10-24T11:24:17,EGV,,,,x,Low,,,,", "2,2026-10-24T11:29:17,EGV,,,,x,HIGH,,,,", unit="mmol/L"
        )
    )
    assert [(row["comparator"], row["value_num"], row["value_raw"]) for row in rows] == [
        ("<", 40, "Low"),
        (">", 400, "HIGH"),
    ]


def test_clarity_in_mmol() -> None:
    (row,) = rows_of(clarity("1,2026-10-24T11:24:17,EGV,,,,x,5.5,,,,", unit="mmol/L"))
    assert (row["value_num"], row["unit_ucum"], row["unit_raw"]) == (
        pytest.approx(99.1001),
        "mg/dL",
        "mmol/L",
    )


def test_clarity_serials_stay_out_of_samples() -> None:
    table, parsing = read(clarity("1,2026-10-24T11:24:17,EGV,,,,SM12345678,103,,,,"))
    assert "SM12345678" not in str(table.to_pylist())
    assert parsing.profile.source_names == {"SM12345678"}


def test_clarity_events() -> None:
    table, parsing = read(
        clarity(
            "1,,FirstName,,Ada,,,,,,,",
            "2,,DateOfBirth,,3/4/1990,,,,,,,",
            "3,2026-10-24T11:24:17,Insulin,Fast,,,x,,4,,,",
            "4,2026-10-24T11:24:17,Calibration,,,,x,101,,,,",
            "5,2026-10-24T11:24:17,Surprise,,,,x,101,,,,",
            "6,2026-10-24T11:24:17,EGV,,,,x,,,,,",
            "7,,EGV,,,,x,101,,,,",
            "8,2026-10-24T11:24:17,EGV",
            "9,2026-10-24T11:24:17,EGV,,,,x,5,,,,",
        )
    )
    assert parsing.ignored == {"FirstName": 1, "DateOfBirth": 1, "Insulin": 1}
    # 3 April or 4 March: the text stays as it is rather than being guessed.
    assert (parsing.profile.given_name, parsing.profile.birth_date) == ("Ada", "3/4/1990")
    assert problems(table) == {
        "unknown_signal": 1,
        "missing_value": 1,
        "no_time": 1,
        "bad_record": 1,
        "out_of_range": 1,
    }
    rows = table.to_pylist()
    assert (rows[0]["signal"], rows[0]["modality"]) == ("glucose_capillary", "self_reported")
    assert {row["record_path"] for row in rows if row["problem"]} == {
        "other#5",
        "EGV#6",
        "EGV#7",
        "#8",
        "EGV#9",
    }


def test_fitbit_rows_name_their_people() -> None:
    rows = rows_of(
        b"Id,Time,Value\n1,4/12/2016 12:00:05 AM,61\n2,4/12/2016 12:00:05 PM,62\n", "fitbit_fitabase"
    )
    assert [(row["alias_kind"], row["alias"]) for row in rows] == [("fitbit_id", "1"), ("fitbit_id", "2")]
    assert [row["start_utc"].hour for row in rows] == [0, 12]


def test_fitbit_steps_cover_a_minute() -> None:
    (row,) = rows_of(b"Id,ActivityMinute,Steps\n1,4/12/2016 11:59:00 PM,20\n")
    assert row["end_utc"] - row["start_utc"] == dt.timedelta(minutes=1)
    assert (row["statistic"], row["window_s"], row["local_date"]) == ("sum", 60, dt.date(2016, 4, 12))


def test_fitbit_bad_rows() -> None:
    content = b"Id,Time,Value\n,4/12/2016 7:21:00 AM,60\n1,13/40/2016 7:21:00 AM,60\n1,2/30/2016 7:21:00 AM,60\n1,4/12/+99999 7:21:00 AM,60\n1,,60\n7,x\n"
    rows = rows_of(content)
    wrong_times = ["bad_time"] * 3
    assert [row["problem"] for row in rows] == ["no_subject", *wrong_times, "no_time", "bad_record"]
    # Even what cannot be read belongs to somebody, so that it is erased with them.
    assert [row["alias"] for row in rows] == [None, "1", "1", "1", "1", "7"]
    assert {row["alias_kind"] for row in rows} == {"fitbit_id"}


def test_fitbit_epochs_are_assumed_to_be_eastern() -> None:
    rows = rows_of(
        b"id,epoch_s,local_naive_if_us_eastern,hr\n7,1460460060,2016-04-12 07:21:00,97\n7,,2016-04-12 07:21:00,97\n"
        b"7,99999999999999,2016-04-12 07:21:00,97\n"
    )
    assert rows[0]["start_utc"] == dt.datetime(2016, 4, 12, 11, 21, tzinfo=dt.UTC)
    assert (rows[0]["utc_offset_min"], rows[0]["tz_basis"]) == (-240, "assumed")
    assert [row["problem"] for row in rows] == [None, "no_time", "bad_time"]


def test_epochs_whose_local_time_is_of_another_day_rest_on_no_zone() -> None:
    (row,) = rows_of(b"id,epoch_s,local_naive_if_us_eastern,hr\n7,1460460060,2016-05-12 07:21:00,97\n")
    assert (row["utc_offset_min"], row["iana_tz"], row["tz_basis"]) == (None, None, "unknown")
    assert row["quality_flags"] & QualityFlag.TZ_UNKNOWN


def test_a_stray_quote_spoils_one_line_only() -> None:
    rows = rows_of(
        b'Id,Time,Value\n1,"4/12/2016 7:21:00 AM,61\n"1","4/12/2016 7:21:05 AM","62"\n1,4/12/2016 7:21:10 AM,63\n'
    )
    assert sorted((row["value_num"] or 0, row["problem"]) for row in rows) == [
        (0, "bad_record"),
        (62, None),
        (63, None),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    lines = ["timestamp,glucose_value_mg_dl", "2016-11-21 15:28:00,110", "", "2016-11-21 15:33:00,111"]
    rows = rows_of(end.join(lines).encode())
    assert [row["value_num"] for row in rows] == [110, 111]


def test_a_file_with_a_header_only_has_no_rows() -> None:
    table, parsing = read(b"timestamp,glucose_value_mg_dl\n")
    assert (table.num_rows, parsing.records) == (0, 0)


def test_a_byte_order_mark_and_gzip_are_accepted() -> None:
    content = b"\xef\xbb\xbftimestamp,glucose_value_mg_dl\n2016-11-21 15:28:00,110\n"
    assert len(rows_of(gzip.compress(content))) == 1
    assert len(rows_of(gzip.compress(content[:20]) + gzip.compress(content[20:]))) == 1


def test_many_pieces_keep_every_line_and_its_position() -> None:
    lines = [f"2016-11-21 15:28:00,{100 + i % 50}" for i in range(200_000)]
    lines[150_000] = "2016-11-21 15:28:00,oops"
    lines[160_000] = "broken"
    table, _ = read(("timestamp,glucose_value_mg_dl\n" + "\n".join(lines)).encode())
    assert table.num_rows == 200_000
    paths = table.filter(pc.is_valid(table.column("problem"))).column("record_path").to_pylist()
    assert paths == ["reading#150001", "#160001"]


@pytest.mark.parametrize("header", [b"Id,Time\n1,2\n", b"Id,Id,Time,Value\n", b"Time,Id,Value\n1,2,3\n"])
def test_another_header_is_not_recognised(header: bytes) -> None:
    with pytest.raises(SourceError, match="No source adapter"):
        read(header)
