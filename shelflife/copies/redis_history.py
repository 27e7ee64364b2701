"""Making a Redis or Valkey server forget: what was removed must also leave its append-only file, snapshot and logs.

Removing a key leaves every earlier command in the append-only file, and the former value in the snapshot, until both
are written anew (https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/). Each is started after
the removal and waited for; one that was running already holds the old state and does not count.
"""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from shelflife.control.crashpoints import reached
from shelflife.errors import CopyUnreachable, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import redis

History = Literal["forgotten", "unsupported", "failed"]

_LOGS = ("slow", "large-request", "large-reply")
_ENTRIES = 1_000_000
_POLL_SECONDS = 0.02
_FOLLOW_SECONDS = 20.0
_BUSY = re.compile("in progress|child process")


def forget(servers: Sequence[redis.Redis], copy: str, *, patience: float) -> History:
    """Write the history of the primary (first) and of its replicas anew, without what was removed.

    Args:
        servers: connections to the primary and to every replica whose disk is to forget.
        copy: the copy's name, for errors.
        patience: seconds that one server may take.

    Returns:
        `forgotten`; `unsupported` where the server or its access rules do not let a client do that, or where there
        are more replicas than connections; `failed` where a rewrite ended with an error or not in time.

    Raises:
        CopyUnreachable: a server does not answer, or a replica has not yet removed what the primary removed.
    """
    if not _replicas_follow(servers, copy):
        return "unsupported"
    for server in servers:
        outcome = _attempt(partial(_rewrite, server, patience))
        if outcome != "forgotten":
            return outcome
    return "forgotten"


def forget_logs(servers: Sequence[redis.Redis], tokens: Collection[bytes]) -> History:
    """Empty the servers' logs of slow and large commands where they name one of these people."""
    names = [token.hex().encode() for token in tokens]
    for server in servers:
        outcome = _attempt(partial(_forget_logs, server, names))
        if outcome != "forgotten":
            return outcome
    return "forgotten"


def _replicas_follow(servers: Sequence[redis.Redis], copy: str) -> bool:
    """Wait until the replicas removed what the primary removed; False where one is not among the connections.

    Positions in the replication stream are compared, not awaited with WAIT: that knows only what its own connection
    wrote, and a call that goes on after a killed one writes nothing.
    """
    primary = servers[0].info("replication")
    if int(primary.get("connected_slaves", 0)) > len(servers) - 1:
        return False
    goal = int(primary["master_repl_offset"])

    def caught_up() -> bool:
        told = [server.info("replication") for server in servers[1:]]
        for one in told:
            linked = one.get("master_link_status") == "up"
            if not linked or one["master_replid"] != primary["master_replid"]:
                raise _does_not_follow(copy)
        return all(int(one["slave_repl_offset"]) >= goal for one in told)

    try:
        _wait(caught_up, _FOLLOW_SECONDS)
    except StorageError:
        raise _does_not_follow(copy) from None
    return True


def _does_not_follow(copy: str) -> CopyUnreachable:
    return CopyUnreachable(
        f"A replica of the copy {copy} does not follow its primary.",
        remedy="Connect it again or take it out of the copy's addresses, then run it again.",
    )


def _attempt(step: Callable[[], None]) -> History:
    from redis.exceptions import NoPermissionError, ResponseError  # noqa: PLC0415  an optional library

    try:
        step()
    except (NoPermissionError, _NotOfferedError):
        return "unsupported"
    except (ResponseError, StorageError):
        return "failed"
    return "forgotten"


def ask(server: redis.Redis, *words: str | int) -> Any:
    """Run a command and return its plain answer."""
    return server.execute_command(*words)  # type: ignore[no-untyped-call]


class _NotOfferedError(Exception):
    """The server has the command switched off, as hosted servers do, or is set up to keep history."""


def _rewrite(server: redis.Redis, patience: float) -> None:
    _rewrite_append_only_file(server, patience)
    reached("redis.erase.rewritten")
    _save_snapshot(server, patience)
    reached("redis.erase.saved")


def _rewrite_append_only_file(server: redis.Redis, patience: float) -> None:
    """Replace the append-only file (one file, or base, increments and manifest from Redis 7 on)."""
    state = _until_idle(server, patience)
    if not int(state["aof_enabled"]):
        return
    if _setting(server, "aof-disable-auto-gc") == "yes":
        raise _NotOfferedError
    state = _in_background(server, "BGREWRITEAOF", patience)
    if state["aof_last_bgrewrite_status"] != "ok" or not int(state["aof_enabled"]):
        raise StorageError("The append-only file was not rewritten.", remedy="Read the server's log.")


def _save_snapshot(server: redis.Redis, patience: float) -> None:
    """Replace the snapshot; on a server that never had one, none is made."""
    state = _until_idle(server, patience)
    if _keeps_no_snapshot(state, _setting(server, "save")):
        return
    before = int(state["rdb_last_save_time"])
    # The time of the last snapshot is in whole seconds: a later one must be able to show.
    _wait(lambda: int(ask(server, "TIME")[0]) > before, patience)
    state = _in_background(server, "BGSAVE", patience)
    if state["rdb_last_bgsave_status"] != "ok" or int(state["rdb_last_save_time"]) <= before:
        raise StorageError("The snapshot was not written.", remedy="Read the server's log.")


def _keeps_no_snapshot(state: dict[str, Any], save: str | None) -> bool:
    """Tell whether there can be no snapshot on the disk.

    That is so where none is scheduled, none was saved since the start, and the start, which without an append-only
    file reads the snapshot, found none with anything in it. Where a server does not tell, there may be one.
    """
    return (
        save == ""
        and not int(state["aof_enabled"])
        and int(state["rdb_last_bgsave_time_sec"]) == -1
        and all(
            int(state.get(fact, 1)) == 0
            for fact in ("rdb_saves", "rdb_last_load_keys_loaded", "rdb_last_load_keys_expired")
        )
    )


def _until_idle(server: redis.Redis, patience: float) -> dict[str, Any]:
    """Wait until the server writes no history and has none scheduled; return what it tells of its persistence."""
    running = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
    states: list[dict[str, Any]] = []

    def idle() -> bool:
        states[:] = [server.info("persistence")]
        return not any(int(states[0].get(fact, 0)) for fact in running)

    _wait(idle, patience)
    return states[0]


def _wait(done: Callable[[], bool], patience: float) -> None:
    until = time.monotonic() + patience
    while not done():
        if time.monotonic() > until:
            raise StorageError(
                "A server did not finish in time.", remedy="Run it again when it is less busy."
            )
        time.sleep(_POLL_SECONDS)


def _in_background(server: redis.Redis, name: str, patience: float) -> dict[str, Any]:
    """Start a task once the server is idle, and wait for its end; return what the server tells then."""
    until = time.monotonic() + patience
    while not _started(server, name):
        # Another client was faster. What it started began after the removal too, but may be another task.
        _until_idle(server, until - time.monotonic())
    return _until_idle(server, patience)


def _started(server: redis.Redis, name: str) -> bool:
    from redis.exceptions import NoPermissionError, ResponseError  # noqa: PLC0415  an optional library

    try:
        ask(server, name)
    except NoPermissionError:
        raise
    except ResponseError as refusal:
        if "unknown command" in str(refusal):
            raise _NotOfferedError from None
        if _BUSY.search(str(refusal)):
            return False
        raise
    return True


def _setting(server: redis.Redis, name: str) -> str | None:
    """Return a setting; None where the server does not know it or does not tell."""
    from redis.exceptions import ResponseError  # noqa: PLC0415  an optional library

    try:
        found = ask(server, "CONFIG", "GET", name)
    except ResponseError:
        return None
    values = list(found.values()) if isinstance(found, dict) else found[1::2]
    return (values[0].decode() if isinstance(values[0], bytes) else str(values[0])) if values else None


def _forget_logs(server: redis.Redis, names: Sequence[bytes]) -> None:
    for log in _LOGS:
        said = [part for entry in _log(server, "GET", log, _ENTRIES) for part in entry[3]]
        if any(name in part for part in said for name in names):
            _log(server, "RESET", log)


def _log(server: redis.Redis, action: str, log: str, *count: int) -> list[Any]:
    """Read or empty one log of commands: three of them since Valkey 8.1, that of slow ones everywhere else."""
    from redis.exceptions import NoPermissionError, ResponseError  # noqa: PLC0415  an optional library

    try:
        entries = ask(server, "COMMANDLOG", action, *count, log)
    except NoPermissionError:
        raise
    except ResponseError:
        entries = ask(server, "SLOWLOG", action, *count) if log == "slow" else []
    return entries if isinstance(entries, list) else []
