"""Files of devices through landing: what can be read lands or is quarantined, damaged ones stay in the inbox as a whole."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from tests.conftest import NOW
from tests.lake.state import raw_rows
from tests.sources.synthetic import samsung_health

if TYPE_CHECKING:
    from pathlib import Path

    from shelflife.estate import Estate

DAMAGED = {"activity-settings-corruptheader.fit", "activity-unexpected-eof.fit"}
UNTIMED = {"antfs-dump.63.fit": 687}
NOBODYS = {"WeightScaleMultiUser.fit": 2}
"""Two people stood on the scale, and the account is one of them or neither."""


def test_fit_files(estate: Estate, put, samples: Path) -> None:
    for path in sorted((samples / "fit").glob("*.fit")):
        put(path, "account-1")
        [file] = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW).files
        assert file.samples_in == file.landed + file.duplicates + file.quarantined + file.refused, path.name
        assert file.quarantined == UNTIMED.get(path.name, 0), path.name
        assert file.refused == NOBODYS.get(path.name, 0), path.name
        assert file.state == ("refused" if path.name in DAMAGED else "landed"), path.name
        for left in list_inbox(estate.settings.inbox):
            assert path.name in DAMAGED
            left.path.unlink()
    landed = Counter[str]()
    for (table, _), rows in raw_rows(estate).items():
        if table == "heart":
            landed.update(rows["signal"].to_list())
    assert landed == {"rr_interval": 126 + 113, "heart_rate": 2808 + 15 + 21}


def test_a_samsung_download(estate: Estate, put) -> None:
    put(samsung_health.seeds()["samsung_zip"], "account-1", "download.zip")
    [file] = land(estate, list_inbox(estate.settings.inbox), clock=lambda: NOW).files
    assert (file.state, file.samples_in, file.landed) == ("landed", 7, 7)
    assert not list_inbox(estate.settings.inbox)
