"""FHIR R4 JSON: Observations, Bundles and bulk exports (NDJSON), each resource checked against the R4 definitions.

Source: hl7.org/fhir/R4 (Observation, Bundle, Patient, Device); HL7 CGM 1.0.0; FHIR Bulk Data 2.0.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

from shelflife.errors import SourceError
from shelflife.sources.containers import open_content
from shelflife.sources.fhir_codes import TYPES
from shelflife.sources.fhir_faults import Faults
from shelflife.sources.fhir_observation import Devices, observations
from shelflife.sources.fhir_resources import KINDS, Link, fault_of, learn_patient, person
from shelflife.sources.json_documents import Document, Opened, as_text, documents, text_at
from shelflife.sources.json_shapes import Fault
from shelflife.sources.json_stream import paths
from shelflife.sources.observations import Observation, Observations
from shelflife.sources.source import Parsing

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    import pyarrow as pa

    from shelflife.sources.source import ByteSource

_COMMON: Observation = {"source_platform": "fhir"}
_ENTRY, _ITEM = "entry.item", "item"


class FhirR4:
    """Reads FHIR R4 resources; `subject` names the person where an Observation has one."""

    name = "fhir_r4"
    title = "HL7 FHIR R4 JSON (Observation, Bundle, bulk NDJSON)"
    subject_scope: Literal["file", "row"] = "row"
    types = TYPES

    def recognises(self, head: bytes) -> bool:
        """Return whether this begins with a FHIR resource."""
        kind = text_at(head, {"resourceType", f"{_ITEM}.resourceType"})
        return kind in KINDS or f"{_ENTRY}.resource.resourceType" in paths(head, depth=5)

    def parse(self, source: ByteSource, *, now: dt.datetime, zone: str | None = None) -> Parsing:
        """Return the parse; a Bundle is read twice, since its Devices may stand behind what they measured."""

        def rows(parsing: Parsing) -> Iterator[pa.RecordBatch]:
            found = Observations(parsing, _COMMON, now=now, zone=zone)
            reader = _Reader(parsing, found, _devices(source))
            for link, alone in _links(source):
                for _ in reader.read(link, alone=alone):
                    yield from found.full()
            yield from found.rest()

        return Parsing(rows)


class _Reader:
    """Turns resources into observations, facts about patients and counts."""

    def __init__(self, parsing: Parsing, found: Observations, devices: Devices) -> None:
        self._parsing, self._found, self._devices = parsing, found, devices
        self._faults = Faults(fault_of)

    def read(self, link: Link, *, alone: bool) -> Iterator[None]:
        """Read one resource, pausing after each observation so that full batches can leave.

        Raises:
            SourceError: it is the only one of its file and R4 refuses it.
        """
        resource = link.resource
        if resource is None:
            self._parsing.ignore("entry without resource")
            return
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        if not isinstance(resource, dict) or not isinstance(kind, str):
            self._refuse("resource", resource, Fault("/resourceType", "is missing"), {}, alone=alone)
            return
        if kind not in {"Observation", "Patient"}:
            self._parsing.ignore(kind if kind in KINDS else "other resource")
            return
        fault = self._faults.of(kind, resource)
        who = person(link)
        if fault is not None:
            self._refuse(kind, resource, fault, who or {}, alone=alone)
        elif kind == "Patient":
            learn_patient(link, self._parsing)
            self._parsing.ignore(kind)
        elif who is None:
            self._parsing.ignore("Observation/subject is no patient")
        else:
            yield from self._observation(link, who)

    def _observation(self, link: Link, who: Observation) -> Iterator[None]:
        found = 0
        for item in observations(link, self._devices, self._parsing.profile):
            found += 1
            if isinstance(item, str):
                self._parsing.ignore(item)
            else:
                self._found.add({**item, **who})
            yield
        if not found:
            self._parsing.ignore("Observation/other code")

    def _refuse(self, kind: str, resource: Any, fault: Fault, who: Observation, *, alone: bool) -> None:
        if alone:
            raise SourceError(
                f"The file is no valid FHIR R4 {kind}: {fault.pointer or 'the resource'} {fault.what}.",
                remedy="Ask its sender for a resource that FHIR R4 accepts; nothing of it was landed.",
            )
        text = resource if isinstance(resource, str) else as_text(resource)
        problem: Observation = {"value_raw": text, "path": f"{kind}{fault.pointer}", "problem": "bad_record"}
        self._found.add({**who, **problem})


def _links(source: ByteSource) -> Iterator[tuple[Link, bool]]:
    """Yield each resource with where it stands, and whether it is the only document of its file."""
    with open_content(source) as stream:
        opened = Opened(stream)
        found = documents(opened, {_place(opened.head)})
        first, second = next(found, None), next(found, None)
        alone = second is None and first is not None and first.place != _ENTRY
        for document in itertools.chain((one for one in (first, second) if one is not None), found):
            yield from ((link, alone) for link in _unwrapped(document))


def _unwrapped(document: Document) -> Iterator[Link]:
    """Yield the resource of a document, or those of a Bundle that is one document of several."""
    value = document.value
    if document.place == _ENTRY:
        yield Link.of_entry(value)
    elif isinstance(value, dict) and value.get("resourceType") == "Bundle":
        entries = value.get("entry")
        yield from (Link.of_entry(entry) for entry in (entries if isinstance(entries, list) else []))
    else:
        yield Link(value if document.text is None else document.text)


def _place(head: bytes) -> str:
    """Return where the resources stand in a file that is one JSON value."""
    found = paths(head)
    if text_at(head, {"resourceType"}) == "Bundle" or _ENTRY in found:
        return _ENTRY
    return _ITEM if _ITEM in found else ""


def _devices(source: ByteSource) -> Devices:
    """Return the devices of a file; they may stand behind the Observations that refer to them."""
    devices = Devices()
    for link, _ in _links(source):
        resource = link.resource
        if isinstance(resource, dict) and resource.get("resourceType") == "Device":
            devices.learn(link)
    return devices
