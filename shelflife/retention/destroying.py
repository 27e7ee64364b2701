"""What a commit that destroys partitions takes away, as the journal of destructions writes it ahead."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from shelflife.journal.destruction import DestroyedPartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shelflife.lake.catalog import DataFile, Partition


def keys_of(homes: Sequence[Partition], files: Sequence[DataFile]) -> dict[str, list[int]]:
    """Return the numbers of the keys of partitions and files, by zone."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    owned = [(home.zone, home.key_number) for home in homes] + [
        (file.zone, file.key_number) for file in files
    ]
    for zone, number in owned:
        if number is not None:
            numbers[zone].append(number)
    return {zone: sorted(of_zone) for zone, of_zone in sorted(numbers.items())}


def closed(homes: Sequence[Partition]) -> list[DestroyedPartition]:
    """Return partitions as the journal names them."""
    return [
        DestroyedPartition(
            partition_id=home.partition_id,
            zone=home.zone,
            table_name=home.table_name,
            stream=home.stream,
            retention_class=home.retention_class,
            period=home.period,
        )
        for home in homes
    ]
