"""One asset a declared copy: running it publishes the copy, unless nothing moved and it has time left."""

from collections.abc import Mapping

import dagster as dg

from assets.metadata import definition_facts, facts
from assets.neutral import neutral
from assets.resource import EstateResource
from assets.schema import CLASS_TAG
from shelflife.copies.declarations import CopyDeclaration
from shelflife.copies.protocol import TOKEN
from shelflife.copies.publish import Published, publish_copy
from shelflife.copies.registry import declaration_of
from shelflife.lake.model_header import PID
from shelflife.lake.models import Model
from shelflife.lake.record import publish as emit_lineage

GROUP = "copies"
PUBLISHING_POOL = "shelflife_publishing"
RETENTION_CLASS = "copies/default"
_PRODUCT = {
    "sqlite_cache": "sqlite",
    "duckdb_mart": "duckdb",
    "parquet_extract": "parquet",
    "redis_cache": "redis",
    "http_cache": "http",
}


def copy_assets(
    declarations: Mapping[str, CopyDeclaration], models: Mapping[str, Model]
) -> list[dg.AssetsDefinition]:
    """Return an asset for each declared copy.

    Args:
        declarations: the declared copies by name (`registry.load_declarations`).
        models: every model by name.
    """
    return [copy_asset(declaration, models) for declaration in declarations.values()]


def copy_asset(declaration: CopyDeclaration, models: Mapping[str, Model]) -> dg.AssetsDefinition:
    """Return the asset of one copy; it depends on the models that the copy holds."""
    name = declaration.name
    erasure = "written anew without the person, under a new key" if _sealed(declaration) else "written anew"

    @dg.asset(
        key=[GROUP, name],
        deps=[_dep(models[dataset]) for dataset in declaration.datasets],
        description=f"A copy for {declaration.purpose.replace('_', ' ')}, kept for {declaration.ttl}. "
        f"Received by: {'; '.join(one.name for one in declaration.recipients)}.",
        group_name=GROUP,
        kinds={_PRODUCT[declaration.kind], "shelflife"},
        owners=[f"team:{declaration.owner}"],
        tags={"shelflife/zone": GROUP, "shelflife/kind": declaration.kind},
        metadata=definition_facts(
            _schema(declaration, models), retention_class=RETENTION_CLASS, erasure=erasure
        ),
        pool=PUBLISHING_POOL,
    )
    def publish_this(estate: EstateResource) -> dg.MaterializeResult[None]:
        done = neutral(lambda: _publish(estate, name))
        return dg.MaterializeResult(metadata=facts(files=done.items))

    return publish_this


def _publish(resource: EstateResource, name: str) -> Published:
    """Publish one copy as it is declared now, not as it was when the code location was loaded."""
    with resource.opened() as estate:
        done = publish_copy(estate, declaration_of(estate.settings, name), clock=resource.clock)
        emit_lineage(estate, resource.clock())
        return done


def _dep(model: Model) -> dg.AssetDep:
    return dg.AssetDep([model.zone, model.name], partition_mapping=dg.AllPartitionMapping())


def _sealed(declaration: CopyDeclaration) -> bool:
    return declaration.encryption == "native"


def _schema(declaration: CopyDeclaration, models: Mapping[str, Model]) -> dg.TableSchema:
    """Return the columns that the copy holds, as `<dataset>.<column>`."""
    columns = []
    for dataset in declaration.datasets:
        model = models[dataset]
        for field in model.schema:
            told = model.columns[field.name]
            if told.sensitivity in declaration.classes:
                person = field.name == PID
                columns.append(
                    dg.TableColumn(
                        f"{dataset}.{TOKEN if person else field.name}",
                        str(field.type),
                        description="token of this copy alone" if person else told.description,
                        tags={CLASS_TAG: told.sensitivity},
                    )
                )
    return dg.TableSchema(columns)
