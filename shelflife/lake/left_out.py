"""People who are left out of derived tables, queries and copies for want of consent, until they consent again.

Who that is follows from the database alone, without a clock: a grant that ran out counts once that is noted, which
the job of withdrawals does every day. A table leaves a person out as a whole when any stream that it reads is out of
use, so that no figure mixes what may be used with what may not.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import sqlalchemy as sa

from shelflife.control.subject_tables import consent, subject
from shelflife.keys.pseudonyms import pseudonym
from shelflife.lake.model_header import ATTRIBUTES
from shelflife.policy.loading import load_consent_policy
from shelflife.signals.vocabulary import STREAMS
from shelflife.subjects.consent import Standing, noted
from shelflife.subjects.consent_ledger import Decisions, decisions_of
from shelflife.subjects.directory import by_identity_pid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shelflife.estate import Estate
    from shelflife.lake.models import Model

DERIVED = "derived"
LeftOut = dict[str, frozenset[bytes]]
"""By table of the derived zone, the pseudonyms of that zone whose rows are not used; tables without any are absent."""


def left_out(estate: Estate, conn: sa.Connection, models: Mapping[str, Model]) -> LeftOut:
    """Return whose rows are not used because they may not be collected (any more).

    Raises:
        ConfigurationError: consent is required and the consent policy is missing or wrong.
    """
    if estate.settings.consent != "required":
        return {}
    streams = load_consent_policy(estate.settings.policies).left_out()
    everybody = [bytes(pid) for pid in conn.execute(sa.select(subject.c.pid)).scalars()]
    known = decisions_of(estate, conn) if streams else {}
    gone: dict[bytes, set[str]] = {}
    for pid in everybody if streams else ():
        decided = known.get(pid, Decisions())
        unused = {stream for stream in streams if not _live(decided, stream, "collection")}
        if unused:
            gone[pid] = unused
    return _by_table(estate, conn, models, gone)


def unshared(estate: Estate, conn: sa.Connection, models: Mapping[str, Model]) -> LeftOut:
    """Return whose rows no copy may hold: sharing was refused, or agreed to for a time that is over.

    Sharing needs no grant of its own, since recipients can be there for another reason; a refusal counts whatever
    the estate's lawful basis is.
    """
    if conn.execute(sa.select(sa.literal(1)).select_from(consent).limit(1)).first() is None:
        return {}
    gone: dict[bytes, set[str]] = {}
    for pid, decided in decisions_of(estate, conn).items():
        refused = {
            stream
            for stream in STREAMS
            if noted(decided.placed, decided.settled, (stream, "sharing"))
            in {Standing.WITHDRAWN, Standing.EXPIRED}
        }
        if refused:
            gone[pid] = refused
    return _by_table(estate, conn, models, gone)


def streams_behind(models: Mapping[str, Model], name: str) -> set[str]:
    """Return the streams that a table is computed from, directly or through other tables."""
    if name in STREAMS:
        return {name}
    reads: Iterable[str] = (read for read in models[name].reads if read != ATTRIBUTES)
    return set[str]().union(*(streams_behind(models, read) for read in reads))


def _live(decided: Decisions, stream: str, purpose: str) -> bool:
    return noted(decided.placed, decided.settled, (stream, purpose)) is Standing.LIVE


def _by_table(
    estate: Estate, conn: sa.Connection, models: Mapping[str, Model], gone: Mapping[bytes, set[str]]
) -> LeftOut:
    """Return by table of the derived zone whom it leaves out, from streams by pseudonym of the identity zone."""
    if not gone:
        return {}
    pepper = estate.pepper(conn, DERIVED)
    people = by_identity_pid(estate, conn, sorted(gone))
    by_stream: defaultdict[str, set[bytes]] = defaultdict(set)
    for pid, person in people.items():
        derived = pseudonym(pepper, person.subject_id)
        for stream in gone[pid]:
            by_stream[stream].add(derived)
    found = {
        name: frozenset[bytes]().union(*(by_stream.get(one, ()) for one in streams_behind(models, name)))
        for name, model in models.items()
        if model.zone == DERIVED
    }
    return {name: pids for name, pids in found.items() if pids}
