"""Erasure: a state machine that can be killed anywhere and run again to the same end.

Each step takes every request that waits for it, does its work once for all of them, and records its outcome together
with the next state. `explain` walks the same steps as `run_erasures`.

    verified -> planned -> fenced -> preserved -> keys_destroyed -> effective -> copies_erased -> rewritten -> collected
    -> checked -> certified -> final (finality.py)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shelflife.control.crashpoints import reached
from shelflife.errors import ConfigurationError, RequestRefused
from shelflife.keys.shredding import alone
from shelflife.rights import erasure_keys, erasure_places, erasure_proof
from shelflife.rights.certificates import keep_file
from shelflife.rights.request_states import ERASING, Kind, State
from shelflife.rights.requests import Request, get, get_all, requests, subjects_of
from shelflife.subjects.directory import subject_from
from shelflife.subjects.joined import keepers_of_begun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from shelflife.estate import Estate


@dataclass(frozen=True)
class Options:
    """How erasures are run.

    Attributes:
        clock: gives the time.
        batched: leave the rewrite of files to `physical_erasure`, within the policy's physical deadline.
        dagster_home: Dagster's own storage, which is verified too.
        wait: sleeps for some seconds, while readers finish.
        progress: called with the name of each step and how many requests it takes.
    """

    clock: Callable[[], datetime]
    batched: bool = False
    dagster_home: Path | None = None
    wait: Callable[[float], None] = time.sleep
    progress: Callable[[str, int], None] | None = None


@dataclass(frozen=True)
class Step:
    """One step: from a state to the next.

    Attributes:
        says: what it does, for whoever reads the plan.
        act: does it for the requests of these ids, records it and moves them on.
    """

    before: State
    after: State
    says: str
    act: Callable[[Estate, Sequence[str], Options], None]


STEPS: tuple[Step, ...] = (
    Step(
        State.VERIFIED,
        State.PLANNED,
        "write down, sealed, everything that the later steps need",
        erasure_keys.plan,
    ),
    Step(State.PLANNED, State.FENCED, "refuse data that arrives from now on", erasure_keys.fence),
    Step(State.FENCED, State.PRESERVED, "set aside what a hold keeps", erasure_keys.preserve),
    Step(State.PRESERVED, State.KEYS_DESTROYED, "destroy the keys", erasure_keys.destroy),
    Step(State.KEYS_DESTROYED, State.EFFECTIVE, "wait for readers that hold keys", erasure_keys.settle),
    Step(State.EFFECTIVE, State.COPIES_ERASED, "erase every copy", erasure_places.erase_copies),
    Step(State.COPIES_ERASED, State.REWRITTEN, "rewrite derived files and cohorts", erasure_places.rewrite),
    Step(
        State.REWRITTEN, State.COLLECTED, "overwrite raw blocks, unlink replaced files", erasure_places.gather
    ),
    Step(State.COLLECTED, State.CHECKED, "look for what is left, with other code", erasure_proof.check),
    Step(State.CHECKED, State.CERTIFIED, "sign the certificate, shred who asked", erasure_proof.certify),
)


@dataclass(frozen=True)
class ErasureReport:
    """What became of some requests: their ids, states and counts; nothing personal.

    Attributes:
        blocked: requests that wait for a decision of counsel, by id, with the holds behind it.
    """

    requests: list[Request]
    blocked: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0


def run_erasures(estate: Estate, request_ids: Sequence[str], options: Options) -> ErasureReport:
    """Take erasure requests from wherever they are to their certificates.

    Args:
        estate: the estate.
        request_ids: requests whose identity check passed; in whatever state an earlier run left them.
        options: how.

    Raises:
        RequestRefused: one is no erasure, is not verified, or is closed; a hold needs a decision of counsel; or a
            person's identity change was begun and not finished. The other requests are done by then.
        ReadersRemain: readers hold keys for longer than a lease lasts; run it again.
        ResidueFound: the verifier found something; run it again once its cause is mended.
    """
    started = time.monotonic()
    for asked in get_all(estate, request_ids):
        _check_runnable(asked)
    with alone(estate.settings.home, "erasure"):
        held_up = _held_up(estate, request_ids)
        for step in STEPS:
            there = get_all(estate, [one for one in request_ids if one not in held_up])
            waiting = [one.request_id for one in there if one.state is step.before]
            if waiting:
                if options.progress:
                    options.progress(step.says, len(waiting))
                step.act(estate, waiting, options)
                reached(f"erase.{step.after}")
    done = get_all(estate, request_ids)
    for one in done:
        if one.state is State.CERTIFIED:
            keep_file(estate, one.request_id, "effective")
    blocked = {one.request_id: _blocked_by(one) for one in done if _is_blocked(one)}
    if blocked and len(blocked) == len(done):
        raise RequestRefused(
            "A hold covers this person, and a law that the request invokes knows no exception for holds.",
            remedy="Counsel decides: `shelflife hold amend` with a basis for that law, or `shelflife hold release`.",
        )
    if held_up:
        raise RequestRefused(
            f"An identity change of the person behind {len(held_up)} of the requests was begun and not finished.",
            remedy="Run it to its end first: `shelflife subjects changes`, then `shelflife subjects run`.",
        )
    return ErasureReport(done, blocked, time.monotonic() - started)


def due(estate: Estate) -> list[str]:
    """Return the ids of all erasures that can go on: verified, or left halfway by a run that died."""
    states = [state for state in ERASING if state is not State.CERTIFIED]
    with estate.database.read() as conn:
        return [one.request_id for one in requests(conn, kinds=[Kind.ERASURE], states=states)]


def explain(estate: Estate, request_id: str) -> list[str]:
    """Say what running a request would still do, step by step; the same steps that `run_erasures` takes."""
    asked = get(estate, request_id)
    _check_runnable(asked)
    todo = STEPS[[step.before for step in STEPS].index(asked.state) :] if asked.state in ERASING[:-1] else ()
    scope = "the whole person" if asked.whole_person else f"the streams {', '.join(asked.streams)}"
    return [f"scope: {scope}", *(step.says for step in todo)]


def _check_runnable(asked: Request) -> None:
    if asked.kind is not Kind.ERASURE:
        raise RequestRefused("The request is not an erasure.", remedy="See `shelflife request show`.")
    if asked.state is State.RECEIVED:
        raise RequestRefused(
            "Nobody has checked the identity behind this request.",
            remedy="Record it: `shelflife request verify`.",
        )
    if asked.state not in {*ERASING, State.FINAL}:
        raise RequestRefused("The request is closed.", remedy="Register a new one.")


def _held_up(estate: Estate, request_ids: Sequence[str]) -> set[str]:
    """Return the requests for people whose keys an identity change still needs to come to its end.

    Were they destroyed first, nobody could say any more whose old blocks and derived rows the change has left.
    """
    early = {State.VERIFIED, State.PLANNED, State.FENCED, State.PRESERVED}
    asked = [
        one.request_id for one in get_all(estate, request_ids) if one.whole_person and one.state in early
    ]
    with estate.database.read() as conn:
        keepers = keepers_of_begun(conn)
        people = subjects_of(estate, conn, asked) if keepers else {}
        return {
            request_id
            for request_id, subject_id in people.items()
            if subject_from(estate, conn, subject_id).identity_pid in keepers
        }


def _is_blocked(asked: Request) -> bool:
    return asked.state is State.VERIFIED and bool(_blocked_by(asked))


def check_options(options: Options) -> None:
    """Refuse a Dagster home that is not there: what cannot be looked at must not count as clean.

    Raises:
        ConfigurationError: it does not exist.
    """
    if options.dagster_home is not None and not options.dagster_home.is_dir():
        raise ConfigurationError(
            "Dagster's home is not where it is said to be.", remedy="Set DAGSTER_HOME, or leave it out."
        )


def _blocked_by(asked: Request) -> list[str]:
    found = asked.facts.get("blocked_by")
    return [str(hold_id) for hold_id in found] if isinstance(found, list) else []
