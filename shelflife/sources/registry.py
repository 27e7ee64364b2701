"""The source adapters, and which of them reads a file."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from shelflife.errors import SourceError
from shelflife.sources.apple_health import AppleHealth
from shelflife.sources.archive import Archive
from shelflife.sources.canonical import CanonicalNdjson, CanonicalParquet
from shelflife.sources.containers import is_archive, open_content, read_head
from shelflife.sources.dexcom_api import DexcomApi
from shelflife.sources.dexcom_clarity import DexcomClarity
from shelflife.sources.fhir_r4 import FhirR4
from shelflife.sources.fitbit_api import FitbitApi
from shelflife.sources.fitbit_fitabase import FitbitFitabase
from shelflife.sources.fitbit_takeout import FitbitTakeout
from shelflife.sources.fitbit_takeout_tables import FitbitTakeoutTables
from shelflife.sources.garmin_fit import GarminFit
from shelflife.sources.glucose_ml import GlucoseMl, GlucoseMlMetadata
from shelflife.sources.google_fit import GoogleFit
from shelflife.sources.google_fit_metrics import GoogleFitMetrics
from shelflife.sources.google_fit_takeout import GoogleFitTakeout
from shelflife.sources.health_connect import HealthConnect
from shelflife.sources.libreview import LibreView
from shelflife.sources.nightscout import Nightscout
from shelflife.sources.open_mhealth import OpenMHealth
from shelflife.sources.oura import Oura
from shelflife.sources.polar import Polar
from shelflife.sources.samsung_binning import SamsungBinning
from shelflife.sources.samsung_health import SamsungHealth
from shelflife.sources.whoop import Whoop
from shelflife.sources.withings import Withings

if TYPE_CHECKING:
    from shelflife.sources.source import ByteSource, SourceAdapter

ADAPTERS: tuple[SourceAdapter, ...] = (
    AppleHealth(),
    HealthConnect(),
    DexcomClarity(),
    GlucoseMl(),
    GlucoseMlMetadata(),
    FitbitFitabase(),
    FitbitApi(),
    FitbitTakeout(),
    FitbitTakeoutTables(),
    GoogleFit(),
    GoogleFitTakeout(),
    GoogleFitMetrics(),
    GarminFit(),
    Polar(),
    SamsungHealth(),
    SamsungBinning(),
    OpenMHealth(),
    FhirR4(),
    DexcomApi(),
    LibreView(),
    Nightscout(),
    Oura(),
    Whoop(),
    Withings(),
    CanonicalNdjson(),
    CanonicalParquet(),
)
"""Every adapter; at most one of them recognises a file."""


def detect(source: ByteSource) -> SourceAdapter:
    """Return the adapter that reads a file, judged by its first 64 KiB of unpacked content.

    A zip file of many files is read by `Archive`, part by part.

    Raises:
        SourceError: no adapter knows the content, or its container is damaged.
    """
    if is_archive(source):
        return Archive(_adapter_of_part)
    found = _recognised(source)
    if found is None:
        names = ", ".join(adapter.title for adapter in ADAPTERS)
        raise SourceError("No source adapter recognises a file.", remedy=f"Supported: {names}.")
    return found


def _recognised(source: ByteSource) -> SourceAdapter | None:
    head = _head(source)
    return next((adapter for adapter in ADAPTERS if adapter.recognises(head)), None)


def _adapter_of_part(part: ByteSource) -> SourceAdapter | None:
    return None if is_archive(part) else _recognised(part)


def _head(source: ByteSource) -> bytes:
    try:
        with open_content(source) as stream:
            return read_head(stream)
    except (OSError, EOFError, zlib.error):
        raise SourceError("A file cannot be read to its end.", remedy="Ask for the file again.") from None
