"""Everything that Dagster shows of this estate: `dagster dev -w workspace.yaml`."""

from __future__ import annotations

import dagster as dg

from orchestration.hardening import harden

harden()


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the estate that the settings name.

    Raises:
        ConfigurationError: the settings or a model are wrong; the code location does not load.
    """
    from assets.checks import raw_checks  # noqa: PLC0415  imported where used, so that importing this module is cheap
    from assets.copies import copy_assets  # noqa: PLC0415
    from assets.derived import attributes_spec, model_assets  # noqa: PLC0415
    from assets.raw import raw_streams  # noqa: PLC0415
    from assets.resource import EstateResource  # noqa: PLC0415
    from orchestration import lifecycle  # noqa: PLC0415
    from orchestration.jobs import derive_jobs, land_job, publish_job  # noqa: PLC0415
    from orchestration.refusing_io import refusing_io_manager  # noqa: PLC0415
    from orchestration.schedules import schedules  # noqa: PLC0415
    from orchestration.sensors import inbox_sensor, request_sensor, stale_sensor  # noqa: PLC0415
    from shelflife.config import load_settings  # noqa: PLC0415
    from shelflife.copies.registry import load_declarations  # noqa: PLC0415
    from shelflife.lake.models import load_models  # noqa: PLC0415
    from shelflife.rights.request_states import Kind  # noqa: PLC0415

    settings = load_settings()
    models = load_models(settings.models)
    copies = copy_assets(load_declarations(settings), models)
    deriving = derive_jobs(models.values())
    by_kind = {Kind.ERASURE: lifecycle.dsar_erase, Kind.EXPORT: lifecycle.dsar_export}
    return dg.Definitions(
        assets=[raw_streams, attributes_spec(), *model_assets(models), *copies],
        asset_checks=[raw_checks],
        jobs=[land_job(), *deriving, *([publish_job()] if copies else []), *lifecycle.JOBS],
        schedules=schedules(),
        sensors=[inbox_sensor, stale_sensor(deriving), request_sensor(by_kind)],
        resources={"estate": EstateResource(), "io_manager": refusing_io_manager},
        executor=dg.in_process_executor,
    )
