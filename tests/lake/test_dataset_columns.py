"""Column types of datasets: models are read once one of theirs is asked for, and no sooner."""

from __future__ import annotations

import pytest

from shelflife.lake.model_columns import DatasetColumns
from shelflife.lake.models import load_models
from shelflife.signals.vocabulary import STREAMS
from tests.lake.conftest import ROOT


def test_raw_streams_need_no_model():
    def refuse():
        raise AssertionError

    columns = DatasetColumns(refuse)
    assert columns["raw/heart"]["start_utc"] == "TIMESTAMPTZ"
    assert {f"raw/{stream}" for stream in STREAMS if columns[f"raw/{stream}"]} == {
        f"raw/{s}" for s in STREAMS
    }
    assert columns.get("inbox") is None


def test_models_are_read_once():
    asked = []

    def models():
        asked.append(1)
        return load_models(ROOT / "sql")

    columns = DatasetColumns(models)
    assert columns["derived/glucose_daily"]["local_date"] == "DATE"
    assert set(columns) == {f"raw/{stream}" for stream in STREAMS} | {
        f"{model.zone}/{name}" for name, model in load_models(ROOT / "sql").items()
    }
    assert len(columns) == len(set(columns))
    assert asked == [1]
    with pytest.raises(KeyError):
        columns["derived/absent"]
