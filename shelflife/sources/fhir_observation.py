"""A valid FHIR R4 Observation as observations: its value, its components, its sampled points, and its device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shelflife.sources.device_labels import known_maker, known_model, plain_version
from shelflife.sources.fhir_codes import WITHDRAWN, meaning
from shelflife.sources.fhir_values import VALUES, sampled, time_of, value_of
from shelflife.sources.json_documents import open_id
from shelflife.sources.json_values import digest, readable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shelflife.sources.fhir_resources import Link
    from shelflife.sources.observations import Observation
    from shelflife.sources.source import ProfileFacts

_MOST_DEVICES = 100_000
_MODALITIES = {"sensed": "sensed", "self reported": "self_reported", "self-reported": "self_reported"}
_MODEL_NAMES = frozenset({"model-name", "manufacturer-name"})


class Devices:
    """The devices of a file, by every reference that may mean them; serial numbers and owners' names are left out."""

    def __init__(self) -> None:
        self._known: dict[str, Observation] = {}

    def learn(self, link: Link) -> None:
        """Take maker, model and software version of a Device."""
        resource = link.resource
        if len(self._known) >= _MOST_DEVICES:
            return
        found = _device(resource)
        identifier = resource.get("id")
        if link.url:
            self._known[link.url] = found
        if isinstance(identifier, str):
            self._known[link.absolute(f"Device/{identifier}")] = found

    def of(self, link: Link) -> Observation:
        """Return what is known about the device that an Observation refers to."""
        reference = (link.resource.get("device") or {}).get("reference")
        if not isinstance(reference, str):
            return {}
        if reference.startswith("#"):
            inside = [part for part in link.resource.get("contained") or () if isinstance(part, dict)]
            own = [part for part in inside if part.get("id") == reference[1:]]
            return _device(own[0]) if own and own[0].get("resourceType") == "Device" else {}
        return self._known.get(link.absolute(reference), self._known.get(reference, {}))


def observations(link: Link, devices: Devices, profile: ProfileFacts) -> Iterator[Observation | str]:
    """Yield what a valid Observation says: observations, and the type of each record that holds no sample.

    Args:
        link: the Observation.
        devices: the devices of its file.
        profile: takes what people call their devices.
    """
    resource = link.resource
    if resource["status"] in WITHDRAWN:
        yield f"Observation/{resource['status']}"
        return
    display = (resource.get("device") or {}).get("display")
    if isinstance(display, str) and display:
        profile.note_source(readable(display))
    about = _about(resource) | devices.of(link)
    signal, statistic, problem = meaning(resource["code"])
    components = resource.get("component") or ()
    has_value = any(kind in resource for kind in VALUES)
    if (signal or problem) and (has_value or not components):
        yield from _values(signal, statistic, problem, resource, about)
    identifier = about.get("source_record_id")
    for index, component in enumerate(components):
        own: Observation = {
            "parent_id": identifier,
            "source_record_id": digest(f"{identifier}/{index}") if identifier else None,
            "path": "Observation/component",
        }
        signal, statistic, problem = meaning(component.get("code"))
        if signal or problem:
            yield from _values(signal, statistic, problem, component, {**about, **own})
        else:
            yield "Observation/component of another code"


def _values(
    signal: str | None, statistic: str | None, problem: str | None, holder: dict[str, Any], about: Observation
) -> Iterator[Observation | str]:
    known: Observation = {
        **about,
        "signal": signal,
        "statistic": statistic or _plain_statistic(signal, about),
    }
    data = holder.get("valueSampledData")
    if isinstance(data, dict) and problem is None:
        for point in sampled(signal, data, known):
            yield "SampledData/E" if point is None else point
        return
    value = value_of(signal, holder)
    found = problem or about.get("problem") or value.get("problem")
    yield {**known, **value, **({"problem": found} if found else {})}


def _plain_statistic(signal: str | None, about: Observation) -> str | None:
    """Return `instant` for a moment; what a number says about a period, FHIR leaves open."""
    return "instant" if signal not in {None, "workout"} and "end" not in about else None


def _about(resource: dict[str, Any]) -> Observation:
    """Return what all values of an Observation share."""
    identifier, method = resource.get("id"), (resource.get("method") or {}).get("text")
    changed = (resource.get("meta") or {}).get("lastUpdated") or resource.get("issued")
    return {
        **time_of(resource),
        "source_record_id": open_id(identifier) if isinstance(identifier, str) else None,
        "modality": _MODALITIES.get(method) if isinstance(method, str) else None,
        "modified": changed if isinstance(changed, str) else None,
        "path": "Observation",
    }


def _device(resource: dict[str, Any]) -> Observation:
    names = [name for name in resource.get("deviceName") or () if isinstance(name, dict)]
    model = next((name.get("name") for name in names if name.get("type") in _MODEL_NAMES), None)
    versions = [version for version in resource.get("version") or () if isinstance(version, dict)]
    return {
        "device_make": known_maker(resource.get("manufacturer")),
        "device_model": known_model(model) or known_model(resource.get("modelNumber")),
        "device_sw": plain_version(versions[0].get("value")) if versions else None,
    }
