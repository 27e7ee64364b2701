"""The estate as a Dagster resource: opened for the length of one step, never pickled, never configured with a secret."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from shelflife.config import load_settings
from shelflife.estate import Estate

if TYPE_CHECKING:
    from collections.abc import Iterator


class EstateResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Opens the estate that the settings file (environment variable SHELFLIFE_SETTINGS) names."""

    @contextmanager
    def opened(self) -> Iterator[Estate]:
        """Open the estate for the length of the block.

        Raises:
            ConfigurationError: the settings are wrong, or there is no estate.
        """
        estate = Estate.open(load_settings(), self.clock())
        try:
            yield estate
        finally:
            estate.close()

    @staticmethod
    def clock() -> datetime:
        """Return the time (UTC); the only place on the Dagster side that reads a clock."""
        return datetime.now(UTC)
