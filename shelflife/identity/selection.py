"""Which rows of a person an identity change is about. Pure.

A stored row names no account and no serial number, by design. It can be told by what it measures, when it was observed, and
the kind of device or app that it came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from shelflife.errors import ConfigurationError
from shelflife.lake.turns import certainly_in
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.periods import ALWAYS, Period, as_text, from_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_LABELS = ("source_platform", "source_app", "device_make", "device_model")


@dataclass(frozen=True)
class Selection:
    """Rows that meet every given condition; all rows when there is none.

    Attributes:
        period: when the row was observed; one that does not say, or whose zone is unknown and could lie on either side of
            an end, is not selected.
        streams: what it belongs to; quarantined rows go with their stream.
        source_platform, source_app, device_make, device_model: labels as stored.

    Raises:
        ConfigurationError: a stream does not exist.
    """

    period: Period = Period()  # noqa: RUF009  frozen
    streams: tuple[str, ...] = ()
    source_platform: str | None = None
    source_app: str | None = None
    device_make: str | None = None
    device_model: str | None = None

    def __post_init__(self) -> None:
        """Refuse streams that nothing can be in."""
        if not set(self.streams) <= set(STREAMS):
            raise ConfigurationError(
                "A selection names a stream that does not exist.", remedy=f"Streams: {', '.join(STREAMS)}."
            )

    @property
    def of_source(self) -> bool:
        """Whether it names a stream or a kind of source, so that it can tell the rows of one source from others."""
        return bool(self.streams) or any(getattr(self, name) is not None for name in _LABELS)

    def covers(self, stream: str | None) -> bool:
        """Tell whether rows of a table of a stream can be selected."""
        return not self.streams or stream in self.streams

    def condition(self) -> pl.Expr:
        """Return the condition that selected rows of a covered table meet; true or false, never null."""
        found = pl.lit(value=True) if (self.period,) == ALWAYS else certainly_in((self.period,))
        for name in _LABELS:
            wanted = getattr(self, name)
            if wanted is not None:
                found &= pl.col(name).eq_missing(pl.lit(wanted))
        return found

    def as_json(self) -> dict[str, object]:
        """Return the selection as JSON values."""
        [period] = as_text([self.period])
        labels = {name: getattr(self, name) for name in _LABELS}
        return {"period": period, "streams": list(self.streams), **labels}


def selection_from(stored: Mapping[str, Any]) -> Selection:
    """Read what `as_json` wrote."""
    [period] = from_text([stored["period"]])
    return Selection(period, tuple(stored["streams"]), **{name: stored[name] for name in _LABELS})
