"""An IO manager that stores nothing: data lives sealed in the estate, never pickled under DAGSTER_HOME."""

from __future__ import annotations

from typing import NoReturn

import dagster as dg

from shelflife.errors import ConfigurationError


class RefusingIOManager(dg.IOManager):
    """Refuses to store or load any value."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuse a value that an asset returned.

        Raises:
            ConfigurationError: always.
        """
        del context, obj
        _refuse()

    def load_input(self, context: dg.InputContext) -> NoReturn:
        """Refuse to load a value that an asset asks for.

        Raises:
            ConfigurationError: always.
        """
        del context
        _refuse()


@dg.io_manager
def refusing_io_manager() -> RefusingIOManager:
    """Return the IO manager that refuses everything."""
    return RefusingIOManager()


def _refuse() -> NoReturn:
    raise ConfigurationError(
        "An asset tried to hand data through Dagster.",
        remedy="Return a MaterializeResult without a value; read and write data through the estate.",
    )
