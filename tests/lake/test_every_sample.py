"""Every file of others is landed for real: accounting closes, and what is refused or set aside is so for the right reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shelflife.lake.inbox import InboxFile
from shelflife.lake.landing import land
from tests.conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from shelflife.lake.accounting import FileOutcome

pytestmark = pytest.mark.slow

# What no adapter claims, and what each file of a claimed format that does not simply land becomes instead.
UNKNOWN = "No source adapter recognises a file."
REFUSED = {
    "apple_health/exportSmall.xml": "truncated or not well formed",
    "apple_health/healthkit_to_sqlite/zip_contents/apple_health_export/workout-routes/route_2019-06-11_3.00pm.gpx": UNKNOWN,
    "fhir/HKSampleMapping.json": UNKNOWN,
    "fit/activity-settings-corruptheader.fit": "corrupt or truncated header",
    "fit/activity-unexpected-eof.fit": "ends in the middle",
    "fit/garmin-edge-820-bike-records.csv": UNKNOWN,
    "fit/garmin-fenix-5-run-records.csv": UNKNOWN,
    "fitbit_fitabase/minuteIntensitiesNarrow_merged.csv": "no signal to land",
}
SET_ASIDE = {
    "fit/WeightScaleMultiUser.fit": {"no_subject": 2},
    "fit/antfs-dump.63.fit": {"no_time": 687},
    "vendor_api/fitbit/fitbit-body-log-weight.json": {"unknown_unit": 4},
}
LANDED = {
    "apple_health/healthkit_to_sqlite/export.xml": 2,
    "dexcom_clarity/test_file.csv": 2_148,
    "fhir/cgmSensorReadingMassPerVolumeExample.json": 1,
    "fhir/observation-example-heart-rate.json": 1,
    "fit/MonitoringFile.fit": 81,
    "fit/activity-small-fenix2-run.fit": 2_811,
    "fitbit_fitabase/example_heart_5.csv.gz": 791_446,
    "vendor_api/fitbit/fitbit-sleep-date-range.json": 12,
    "vendor_api/googlefit/googlefit-merge-location-samples.json": 0,
}
# The other files of these folders have the same form and would only take longer.
LEFT_OUT = (
    "PhysioCGM/PhysioCGM-extracted-glucose-files/c2",
    "Hall_2018/Hall_2018-extracted-glucose-files/2133",
)


def files_of(samples: Path) -> dict[str, Path]:
    found = {str(path.relative_to(samples)): path for path in sorted(samples.rglob("*")) if path.is_file()}
    return {
        name: path
        for name, path in found.items()
        if "LICENSE" not in name
        and path.suffix != ".md"
        and not name.startswith("open_mhealth/schema")
        and not any(part in name for part in LEFT_OUT)
    }


def check_file(name: str, outcome: FileOutcome) -> None:
    outcome.check()
    if name in REFUSED:
        assert outcome.state == "refused", name
        assert REFUSED[name] in (outcome.error or ""), name
        return
    assert outcome.state in {"landed", "already_landed"}, (name, outcome.error)
    assert dict(outcome.reasons) == SET_ASIDE.get(name, {}), name
    if name in LANDED:
        assert outcome.landed == LANDED[name], name


def test_every_file_lands_or_is_refused_for_the_right_reason(estate, samples):
    files = files_of(samples)
    report = land(
        estate, [InboxFile(path, "someone") for path in files.values()], clock=lambda: NOW, keep=True
    )
    outcomes = dict(zip(files, report.files, strict=True))
    documents = Counter[tuple[str, bool]]()
    for name, outcome in outcomes.items():
        if name.startswith("open_mhealth/test-data"):
            outcome.check()
            documents[name.split("/")[-2], outcome.state == "refused"] += 1
            # The pointer to the whole document is the empty one; the empty document is nobody's.
            said = outcome.error or ""
            assert (
                outcome.state != "refused" or " /" in said or ": the document " in said or said == UNKNOWN
            ), name
        else:
            check_file(name, outcome)
    # A document without a name and version can be one of an older version, which asks for less: 10 of them are.
    assert documents == {("shouldPass", False): 101, ("shouldFail", True): 102, ("shouldFail", False): 10}
    assert report.total("landed") > 900_000
