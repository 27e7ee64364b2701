"""Settings: `shelflife.yaml`, overridden by `SHELFLIFE_*` environment variables. Secrets are never in it."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from shelflife.errors import ConfigurationError

Zone = str
ZONES: tuple[Zone, ...] = ("identity", "raw", "derived", "analytics")

_Folder = Annotated[Path, BeforeValidator(lambda value: Path(value).expanduser())]


class Role(BaseModel):
    """What the holders of a role may read through a governed query. What is not named is not allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    classes: frozenset[Literal["ordinary", "sensitive", "special"]] = Field(
        min_length=1, description="Sensitivity classes of columns."
    )
    zones: frozenset[Literal["derived", "analytics"]] = Field(
        min_length=1, description="Zones whose tables may be read; the identity and raw zones never."
    )
    purposes: frozenset[str] = Field(min_length=1, description="Purposes that a query may state.")
    row_filters: dict[str, str] = Field(
        default={},
        description="Per table, the condition (SQL: columns compared with literals) that every row read meets.",
    )


DEFAULT_ROLES: dict[str, Role] = {
    "analyst": Role(
        classes=frozenset({"ordinary", "sensitive"}),
        zones=frozenset({"analytics"}),
        purposes=frozenset({"product_analytics", "research"}),
    ),
    "data_engineer": Role(
        classes=frozenset({"ordinary"}),
        zones=frozenset({"derived", "analytics"}),
        purposes=frozenset({"operations", "data_quality"}),
    ),
    "clinician": Role(
        classes=frozenset({"ordinary", "sensitive", "special"}),
        zones=frozenset({"derived", "analytics"}),
        purposes=frozenset({"care"}),
    ),
}


class Settings(BaseSettings):
    """Where an estate lives and the few limits that it is run with.

    Relative paths are relative to the folder of the settings file.
    """

    model_config = SettingsConfigDict(env_prefix="SHELFLIFE_", extra="forbid", frozen=True)

    home: _Folder = Field(default=Path("var/estate"), description="Folder that holds the whole estate.")
    inbox: _Folder = Field(default=Path("var/inbox"), description="Folder that files to land arrive in.")
    control_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the control database; SQLite inside `home` when absent.",
    )
    journal: _Folder | None = Field(
        default=None,
        description="Folder of the journal of destructions, never in a backup; inside `home` when absent.",
    )
    models: _Folder = Field(default=Path("sql"), description="Folder of SQL models.")
    policies: _Folder = Field(default=Path("retention_policies"), description="Folder of retention policies.")
    finality_window_days: int = Field(default=7, ge=0, description="Days that an old root key is kept.")
    lease_seconds: int = Field(default=900, ge=1, description="Longest time a reader may hold keys.")
    batch_rows: int = Field(
        default=250_000, ge=1, description="Samples held in memory before they are sealed and written."
    )
    first_partition: date = Field(
        default=date(2010, 1, 1),
        description="First day that Dagster shows a partition for; older data belongs to it.",
    )
    minimum_cell: int = Field(default=11, ge=2, description="Fewest people in a published cohort cell.")
    jurisdiction: str = Field(
        default="unknown",
        description="Regime whose retention rules new data lives under; `unknown` takes the shortest of any.",
    )
    purpose: str = Field(default="service", description="Purpose whose retention rules new data lives under.")
    source_precedence: tuple[str, ...] = Field(
        default=(),
        description="Sources whose word counts first where several report the same, each as `platform` or "
        "`platform/application`; the declared order of `shelflife sources` when empty.",
    )
    consent: Literal["required", "not_relied_on"] = Field(
        default="required",
        description="`required`: streams are landed and derived by consent, as consent.yaml beside the policies says; "
        "`not_relied_on`: the estate has another lawful basis, and landing does not ask.",
    )
    purge_brake_percent: int = Field(
        default=20, ge=0, le=100, description="Share of all rows, in percent, above which a purge is refused."
    )
    roles: dict[str, Role] = Field(default=DEFAULT_ROLES, description="What each role may query.")
    samples_folder: _Folder = Field(
        default=Path("../shared/samples"), description="Third-party sample files that the tests read."
    )

    @property
    def database_url(self) -> str:
        """URL of the control database."""
        return self.control_url or f"sqlite:///{self.home / 'control' / 'control.db'}"

    def zone_folder(self, zone: Zone) -> Path:
        """Return the storage folder of a zone; zones never share one."""
        return self.home / "zones" / zone

    @property
    def root_slot_folder(self) -> Path:
        """Folder of the root slots, apart from the database that they protect."""
        return self.home / "roots"

    @property
    def witness_folder(self) -> Path:
        """Folder of the ledger's file witness, apart from the database that it watches."""
        return self.home / "witness"

    @property
    def journal_folder(self) -> Path:
        """Folder of the journal of destructions, apart from the database that it outlives."""
        return self.journal or self.home / "journal"

    @property
    def mirror_file(self) -> Path:
        """File that mirrors the ledger's entries, for a database that is restored."""
        return self.journal_folder / "ledger.mirror"

    @property
    def lineage_folder(self) -> Path:
        """Folder that OpenLineage events are appended in."""
        return self.home / "lineage"


def load_settings(path: Path | None = None, **overrides: object) -> Settings:
    """Load settings from a YAML file and the environment.

    Args:
        path: the settings file; what SHELFLIFE_SETTINGS names, or `shelflife.yaml` in the working folder, when
            absent. A missing default file means the defaults; a missing named file is an error.
        overrides: values that win over the file and the environment.

    Raises:
        ConfigurationError: the file is missing, not YAML, or holds an unknown or wrong setting.
    """
    named = path or (Path(os.environ["SHELFLIFE_SETTINGS"]) if os.environ.get("SHELFLIFE_SETTINGS") else None)
    file = named or Path("shelflife.yaml")
    if named is not None and not named.is_file():
        raise ConfigurationError("The settings file does not exist.", remedy="Name an existing file.")

    class _FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=file)

    try:
        loaded = _FromFile(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            f"The settings are not valid: {problems}.", remedy="Correct the setting; see shelflife.yaml."
        ) from None
    return _anchored(Settings.model_validate(loaded.model_dump()), file.resolve().parent)


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Make every path absolute, relative ones against the settings file's folder."""
    update = {
        name: (folder / value).resolve()
        for name, value in settings.model_dump().items()
        if isinstance(value, Path)
    }
    return settings.model_copy(update=update)
