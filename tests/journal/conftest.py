from tests.lake.conftest import estate, settings

__all__ = ["estate", "settings"]
