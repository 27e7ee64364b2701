"""FHIR R4 resources: are they valid, whom are they about, and what a Patient says about a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shelflife.sources.fhir_codes import COMPARATORS, STATUSES
from shelflife.sources.json_documents import as_text
from shelflife.sources.json_shapes import Fault
from shelflife.sources.json_values import readable
from shelflife.sources.source import ProfileFacts

if TYPE_CHECKING:
    from shelflife.sources.observations import Observation
    from shelflife.sources.source import Parsing

PATIENT = "fhir"
"""Alias kind of a reference to a Patient."""
KINDS: frozenset[str] = frozenset(
    """
    Account AllergyIntolerance Appointment Basic Binary BodyStructure Bundle CarePlan CareTeam Claim Communication
    Composition Condition Consent Coverage Device DeviceMetric DeviceRequest DeviceUseStatement DiagnosticReport
    DocumentReference Encounter EpisodeOfCare ExplanationOfBenefit FamilyMemberHistory Flag Goal Group ImagingStudy
    Immunization List Location Media Medication MedicationAdministration MedicationDispense MedicationRequest
    MedicationStatement NutritionOrder Observation OperationOutcome Organization Parameters Patient Person
    Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse RelatedPerson
    ResearchStudy ResearchSubject RiskAssessment Schedule ServiceRequest Slot Specimen Subscription Task
    """.split()  # noqa: SIM905 (one type a line otherwise)
)
"""Resource types that a patient's export has."""
_TYPED = re.compile(
    r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$", re.ASCII
)
_HISTORY = re.compile(r"/_history/[^/]*$")
_GENDERS = frozenset({"female", "male", "other"})
_TIMES = ("effectiveDateTime", "effectiveInstant")


@dataclass(frozen=True, repr=False)
class Link:
    """A resource and where it stands.

    Attributes:
        resource: the resource; None for an entry that has none, a text for a line that is no JSON.
        url: its full URL in a Bundle.
    """

    resource: Any
    url: str | None = None

    @classmethod
    def of_entry(cls, entry: Any) -> Link:
        """Return the resource of an entry of a Bundle."""
        if not isinstance(entry, dict):
            return cls(as_text(entry))
        url = entry.get("fullUrl")
        return cls(entry.get("resource"), url if isinstance(url, str) else None)

    def absolute(self, reference: str) -> str:
        """Return a reference as the full URL that it means: relative ones are relative to this resource's server.

        `Patient/1` of one server is somebody else than `Patient/1` of another one.
        """
        plain = _HISTORY.sub("", reference)
        own = _TYPED.search(self.url or "")
        if own is None or self.url is None or ":" in plain or plain.startswith("#"):
            return plain
        return self.url[: own.start(1)] + plain


def fault_of(kind: str, resource: dict[str, Any]) -> Fault | None:
    """Return the first thing that R4 finds wrong with an Observation or a Patient.

    The pointer is made of element names of FHIR and of positions in lists.
    """
    # Importing the definitions takes a while, which nobody pays who reads no FHIR.
    from fhir.resources.R4B.observation import Observation as R4Observation  # noqa: PLC0415
    from fhir.resources.R4B.patient import Patient as R4Patient  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415

    model = R4Observation if kind == "Observation" else R4Patient
    try:
        model.model_validate(resource)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return _fault(first["type"], first["loc"])
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError):
        return Fault("", "is not what R4 describes")
    return _bindings(resource) if kind == "Observation" else None


def person(link: Link) -> Observation | None:
    """Return whom a resource is about; None when it is about a group, a device or a place.

    A Patient is about the person whom its own URL or id names.
    """
    if link.resource.get("resourceType") == "Patient":
        own = _own_alias(link)
        return {"alias_kind": PATIENT, "alias": own} if own else {}
    subject = link.resource.get("subject")
    if not isinstance(subject, dict):
        return {}
    reference, identifier = subject.get("reference"), subject.get("identifier")
    if isinstance(reference, str) and reference.strip():
        typed = _TYPED.search(reference)
        kind = typed[1] if typed else subject.get("type", "Patient")
        if kind != "Patient":
            return None
        # A contained Patient has no name outside of its resource.
        return {
            "alias_kind": PATIENT,
            "alias": None if reference.startswith("#") else link.absolute(reference),
        }
    value = identifier.get("value") if isinstance(identifier, dict) else None
    if isinstance(identifier, dict) and isinstance(value, str) and value:
        return {"alias_kind": PATIENT, "alias": f"{identifier.get('system', '')}|{value}"}
    return {"alias_kind": PATIENT, "alias": None}


def learn_patient(link: Link, parsing: Parsing) -> None:
    """Take name, birth date and sex of a Patient; telephone, address and photograph are dropped."""
    resource = link.resource
    alias = _own_alias(link)
    names = [name for name in resource.get("name") or () if isinstance(name, dict)]
    name = next((one for one in names if one.get("use") in {"official", "usual", None}), {})
    given = " ".join(part for part in name.get("given") or () if isinstance(part, str))
    gender, born = resource.get("gender"), resource.get("birthDate")
    known = ProfileFacts(
        alias_kind=PATIENT if alias else None,
        alias=alias.encode("utf-8", "replace").decode() if alias else None,
        given_name=readable(given) if given else None,
        family_name=readable(name["family"]) if name.get("family") else None,
        birth_date=readable(born) if isinstance(born, str) else None,
        sex=gender if gender in _GENDERS else None,
    )
    if alias and not known.empty:
        parsing.profiles.append(known)


def _own_alias(link: Link) -> str | None:
    identifier = link.resource.get("id")
    alias = link.url or (f"Patient/{identifier}" if isinstance(identifier, str) and identifier else None)
    return _HISTORY.sub("", alias) if alias else None


def _fault(kind: str, location: tuple[int | str, ...]) -> Fault:
    parts = [str(part) for part in location if part != "root"]
    if kind == "extra_forbidden":
        # The name of an element that R4 does not have is the file's own word.
        return Fault(_pointer(parts[:-1]), "has an element that R4 does not have")
    return Fault(_pointer(parts), "is missing" if "missing" in kind else "is not what R4 describes")


def _pointer(parts: list[str]) -> str:
    return "".join(f"/{part}" for part in parts)


def _bindings(resource: dict[str, Any]) -> Fault | None:
    """Return what is wrong with the words of required value sets, and with times that are no text."""
    if resource.get("status") not in STATUSES:
        return Fault("/status", "is none of the permitted words")
    period = resource.get("effectivePeriod") or {}
    times = [(f"/{name}", resource.get(name)) for name in _TIMES]
    times += [(f"/effectivePeriod/{name}", period.get(name)) for name in ("start", "end")]
    for where, time in times:
        if time is not None and not isinstance(time, str):
            return Fault(where, "is no text")
    components = enumerate(resource.get("component") or ())
    holders = [("", resource), *((f"/component/{index}", part) for index, part in components)]
    for where, holder in holders:
        given = (holder.get("valueQuantity") or {}).get("comparator")
        if given is not None and given not in COMPARATORS:
            return Fault(f"{where}/valueQuantity/comparator", "is none of the permitted words")
    return None
