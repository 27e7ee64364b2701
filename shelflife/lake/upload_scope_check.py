"""Is every row of an upload within its scope? One that is not refuses the whole upload."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import polars as pl

from shelflife.lake.upload_refusals import Refusal, refused
from shelflife.signals.vocabulary import SIGNALS

if TYPE_CHECKING:
    import pyarrow as pa

    from shelflife.seal.upload_scope import UploadScope
    from shelflife.subjects.directory import Alias

_STREAM_OF = {name: signal.stream for name, signal in SIGNALS.items()}
# Offsets from UTC that exist: a wall-clock time of no known zone may lie this much earlier or later than it reads.
_EARLIEST, _LATEST = dt.timedelta(hours=12), dt.timedelta(hours=14)
_NONE = dt.timedelta(0)


def check_rows(part: pa.RecordBatch, scope: UploadScope) -> None:
    """Refuse rows of another stream or from outside of the time range.

    A row that cannot be read as a sample goes to quarantine; what is readable of it is checked all the same.

    Args:
        part: rows of `PARSED_SCHEMA`.
        scope: what the upload may hold.

    Raises:
        SourceError: a row is outside.
    """
    frame = pl.DataFrame(
        pl.from_arrow(part.select(["signal", "start_utc", "end_utc", "tz_basis", "problem"]))
    )
    stream = pl.col("signal").replace_strict(_STREAM_OF, default=None, return_dtype=pl.String)
    elsewhere = stream.is_not_null() & ~stream.is_in(scope.streams)
    found = frame.select(stream=elsewhere.any(), time=_outside(scope).any()).row(0, named=True)
    if found["stream"]:
        raise refused(Refusal.OTHER_STREAM)
    if found["time"]:
        raise refused(Refusal.OUT_OF_RANGE)


def names_in(part: pa.RecordBatch) -> list[tuple[str, str]]:
    """Return the kinds and values of the aliases that rows name people by."""
    frame = pl.DataFrame(pl.from_arrow(part.select(["alias_kind", "alias"])))
    named = frame.filter(pl.col("alias").is_not_null()).unique().sort("alias_kind", "alias")
    return [(kind or "", value) for kind, value in named.iter_rows()]


def owned_by(part: pa.RecordBatch, owner: Alias) -> pa.RecordBatch:
    """Return rows that name their owner; one that should name somebody and does not still names nobody."""
    schema = part.schema
    frame = pl.DataFrame(pl.from_arrow(part))
    nobody = pl.col("alias").is_null() & pl.col("alias_kind").is_not_null()
    frame = frame.with_columns(
        alias=pl.when(nobody).then(None).otherwise(pl.lit(owner.value)),
        alias_kind=pl.when(nobody).then("alias_kind").otherwise(pl.lit(owner.kind)),
    )
    return frame.to_arrow().cast(schema).combine_chunks().to_batches()[0]


def _outside(scope: UploadScope) -> pl.Expr:
    """Tell which rows are certainly not within the range; a sound row without a time is not."""
    unknown = pl.col("tz_basis") == "unknown"
    earlier = pl.when(unknown).then(pl.lit(_EARLIEST)).otherwise(pl.lit(_NONE))
    later = pl.when(unknown).then(pl.lit(_LATEST)).otherwise(pl.lit(_NONE))
    start, end = pl.col("start_utc"), pl.coalesce("end_utc", "start_utc")
    begins, ends = pl.lit(scope.samples_from), pl.lit(scope.samples_until)
    inside = (start + earlier >= begins) & (start - later < ends) & (end - later <= ends)
    return pl.when(start.is_null()).then(pl.col("problem").is_null()).otherwise(~inside)
