"""Open mHealth and IEEE 1752.1 JSON: data points (header and body), data series, and bodies without a header.

A document is judged by its schema first. A file of one document that the schema refuses is refused, with a pointer to the
field; among several documents such a one is set aside. Source: openmhealth/schemas; IEEE 1752.1-2021 (header, time frame).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

from shelflife.errors import SourceError
from shelflife.sources.apple_types import Device, app_label, is_sensor, names_somebody
from shelflife.sources.containers import open_content
from shelflife.sources.json_documents import Document, Opened, as_text, documents, open_id
from shelflife.sources.json_shapes import Fault, Fields
from shelflife.sources.json_stream import paths
from shelflife.sources.json_values import readable
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.open_mhealth_measures import SIGNAL_OF, measures
from shelflife.sources.open_mhealth_parts import HEADER, IEEE_HEADER
from shelflife.sources.open_mhealth_schemas import PROPERTIES, SCHEMAS, TELLING, judge, judge_bare
from shelflife.sources.source import Parsing, ProfileFacts, SourceType

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

USER = "open_mhealth"
"""Alias kind of the `user_id` of a header."""
_COMMON: Observation = {"source_platform": "open_mhealth"}
_NAMES = frozenset(name for name, _ in SCHEMAS)
_WITHOUT_SIGNAL = frozenset(
    """
    acceleration ambient-temperature blood-pressure body-fat-percentage body-height body-mass-index
    breath-carbon-monoxide calories-burned expiratory-time geoposition inspiratory-time magnetic-force
    medication-adherence-percent minute-volume minutes-moderate-activity orientation pace speed time-in-bed
    ventilation-cycle-time
    """.split()  # noqa: SIM905 (one schema a line otherwise)
)
_ITEMS, _SHIMMER = "item", "body.item"
_GLUCOSE_NOTE = "Interstitial fluid and capillary blood only; with another specimen or none it is set aside."
_NOTES = {
    "blood-glucose": _GLUCOSE_NOTE,
    "sleep-episode": "The time asleep (`total_sleep_time`); an episode that does not say it is set aside.",
}


class OpenMHealth:
    """Reads Open mHealth documents; `user_id` names the person where a header has it."""

    name = "open_mhealth"
    title = "Open mHealth / IEEE 1752.1 JSON"
    subject_scope: Literal["file", "row"] = "row"
    types = (
        *(
            SourceType(name, signal or "glucose_interstitial", "any unit of the schema", statistic, _NOTES.get(name, ""))
            for name, (_, signal, statistic) in SIGNAL_OF.items()
        ),
        SourceType("blood-glucose", "glucose_capillary", "mg/dL, mmol/L", "instant", _GLUCOSE_NOTE),
        SourceType("physical-activity", "workout"),
        SourceType("physical-activity/distance", "distance", "any unit of the schema", "sum"),
        SourceType("physical-activity/base_movement_quantity", "step_count", "steps", "sum"),
        SourceType("physical-activity/kcal_burned", None, note="Total or active energy: the schema does not say."),
        *(SourceType(name, None) for name in sorted(_WITHOUT_SIGNAL)),
    )  # fmt: skip

    def recognises(self, head: bytes) -> bool:
        """Return whether this begins with a data point, or with a body, header or time frame by itself."""
        found = paths(head)
        if f"{_SHIMMER}.header.schema_id" in found:
            return True
        inside = f"{_ITEMS}." if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") else ""
        names = {path.removeprefix(inside) for path in found if path.startswith(inside)}
        own = {name for name in names if "." not in name} - {"", _ITEMS}
        if "header.schema_id" in names or (own and own <= {"header", "body"}):
            return own <= {"header", "body", "id"}
        return bool(own) and own <= PROPERTIES and bool(own & TELLING or own == {"effective_time_frame"})

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; a header names its person, else a row belongs to the file's account."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            reader = _Reader(parsing, found)
            with open_content(source) as stream:
                opened = Opened(stream)
                for document, alone in _with_company(documents(opened, {_place(opened.head)})):
                    reader.read(document, alone=alone)
                    yield from found.full()
            yield from found.rest()

        return Parsing(rows)


class _Reader:
    """Turns documents into observations and counts."""

    def __init__(self, parsing: Parsing, found: Observations) -> None:
        self._parsing, self._found = parsing, found
        self._people: dict[str, ProfileFacts] = {}

    def read(self, document: Document, *, alone: bool) -> None:
        """Read one document.

        Args:
            document: the document.
            alone: whether it is the only one of its file.

        Raises:
            SourceError: it is alone and its schema refuses it.
        """
        value = document.value
        if isinstance(value, dict) and value.keys() & {"header", "body"}:
            self._data_point(value, alone=alone)
        elif isinstance(value, dict):
            name, fault = judge_bare(value)
            self._measured(name, value, fault, {}, alone=alone)
        else:
            text = as_text(value) if document.text is None else document.text
            self._refuse("document", text, Fault("", "is no JSON object"), {}, alone=alone)

    def _data_point(self, point: dict[str, Any], *, alone: bool) -> None:
        header = point.get("header")
        ieee = isinstance(header, dict) and "uuid" in header and "id" not in header
        shape = Fields({"header": IEEE_HEADER if ieee else HEADER}, ("header", "body"))
        fault = shape.fault(point)
        who = _person(header)
        body = point.get("body")
        # A list of bodies is a data series of IEEE 1752.1.
        bodies: list[Any] = body if isinstance(body, list) else [body]
        if fault is None and not all(isinstance(one, dict) for one in bodies):
            fault = Fault("/body", "is no object")
        if fault is not None:
            self._refuse("data-point", as_text(point), fault, who, alone=alone)
            return
        about = self._origin(point["header"]) | who
        for one in bodies:
            self._body(point["header"]["schema_id"], one, about, alone=alone and len(bodies) == 1)
        if not bodies:
            self._parsing.ignore("data-point/empty")

    def _body(self, schema: dict[str, str], body: dict[str, Any], about: Observation, *, alone: bool) -> None:
        name = schema["name"]
        if name not in _NAMES:
            self._parsing.ignore(name if name in _WITHOUT_SIGNAL else "other schema")
        elif not body:
            # The data point is valid, and measures nothing.
            self._parsing.ignore(f"{name}/empty")
        else:
            fault = judge(name, schema["version"], body, ieee=schema["namespace"] == "ieee")
            within = None if fault is None else fault.within("body")
            self._measured(name, body, within, about, alone=alone)

    def _measured(
        self, name: str, body: dict[str, Any], fault: Fault | None, about: Observation, *, alone: bool
    ) -> None:
        if fault is not None:
            self._refuse(name, as_text(body), fault, about, alone=alone)
        elif name in {"header", "time-frame"}:
            self._parsing.ignore(name)
        else:
            sensor = is_sensor(about.get("source_app") or "")
            for index, observation in enumerate(measures(name, body, sensor=sensor)):
                parent: Observation = {"parent_id": about.get("source_record_id")} if index else {}
                self._found.add({**about, **observation, **parent})
            if "kcal_burned" in body:
                self._parsing.ignore("physical-activity/kcal_burned")

    def _refuse(self, name: str, text: str, fault: Fault, about: Observation, *, alone: bool) -> None:
        where = fault.pointer or "the document"
        if alone:
            raise SourceError(
                f"The file is no valid Open mHealth {name}: {where} {fault.what}.",
                remedy="Ask its sender for a document that the schema accepts; nothing of it was landed.",
            )
        self._found.add(
            {
                **about,
                "signal": None,
                "value_raw": text,
                "path": f"{name}{fault.pointer}",
                "problem": "bad_record",
            }
        )

    def _origin(self, header: dict[str, Any]) -> Observation:
        """Return what a valid header says about where a measure comes from; a source's name goes to the profile."""
        origin = header.get("acquisition_provenance", {})
        name, modality = origin.get("source_name"), origin.get("modality", header.get("modality"))
        if name and names_somebody(name):
            self._profile(header.get("user_id")).note_source(readable(name))
        identifier: str = header["id"] if "id" in header else header["uuid"]
        return {
            "source_app": app_label(name, Device(None, None, None, None)) if name else None,
            "modality": modality.replace("-", "_") if modality else None,
            "source_record_id": open_id(identifier),
            "modified": origin.get("source_last_modification_date_time", "").upper() or None,
        }

    def _profile(self, user: str | None) -> ProfileFacts:
        if not user:
            return self._parsing.profile
        if user not in self._people:
            self._people[user] = ProfileFacts(alias_kind=USER, alias=user.encode("utf-8", "replace").decode())
            self._parsing.profiles.append(self._people[user])
        return self._people[user]


def _person(header: Any) -> Observation:
    """Return whom a header names, even one that is not valid, so that what is set aside is erased with them."""
    user = header.get("user_id") if isinstance(header, dict) else None
    return {"alias_kind": USER, "alias": user} if isinstance(user, str) and user else {}


def _place(head: bytes) -> str:
    """Return where the documents stand in a file that is one JSON value."""
    found = paths(head)
    if f"{_SHIMMER}.header" in found and "header" not in found:
        return _SHIMMER
    return (
        _ITEMS if _ITEMS in found and "" in found and head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[" else ""
    )


def _with_company(found: Iterator[Document]) -> Iterator[tuple[Document, bool]]:
    """Yield each document, and whether it is the only one."""
    first = next(found, None)
    if first is None:
        return
    second = next(found, None)
    yield first, second is None
    if second is not None:
        for document in itertools.chain([second], found):
            yield document, False
