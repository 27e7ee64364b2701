"""Connections to Redis and Valkey servers, and what their errors mean here.

The client's error texts can quote keys and addresses; none of them is ever shown.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from shelflife.errors import AccessDenied, ConfigurationError, CopyUnreachable, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import redis

_ANSWER_SECONDS = 30.0


@contextmanager
def connected(copy: str, addresses: Sequence[str]) -> Iterator[list[redis.Redis]]:
    """Open one connection a server, and close them at the end.

    Args:
        copy: the copy's name, for errors.
        addresses: `redis://`, `rediss://` or `unix://` URLs; they hold secrets and are never shown.

    Raises:
        ConfigurationError: the client library is missing, or an address is no such URL.
        CopyUnreachable: a server does not answer, refuses the credentials or is a replica that cannot be written.
        AccessDenied: the server's access rules forbid a command.
        StorageError: the server refuses a command for a reason of its own (memory, disk).
    """
    with translated(copy), ExitStack() as opened:
        yield [opened.enter_context(_client(address)) for address in addresses]


def _client(address: str) -> redis.Redis:
    try:
        import redis  # noqa: PLC0415  an optional library
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "The Redis client is not installed.", remedy="pip install 'shelflife[redis]'"
        ) from None
    try:
        # Nothing is retried here: whoever called decides, and a command that may have run is not run twice unseen.
        return redis.Redis.from_url(
            address, retry=Retry(NoBackoff(), 0), socket_timeout=_ANSWER_SECONDS, protocol=2
        )
    except ValueError:
        raise ConfigurationError(
            "The address of a Redis copy is not a URL that the client understands.",
            remedy="Use redis://, rediss:// (TLS) or unix:// in the variable that the declaration names.",
        ) from None


@contextmanager
def translated(copy: str) -> Iterator[None]:
    """Turn the client's errors into the project's."""
    try:
        import redis.exceptions as theirs  # noqa: PLC0415  an optional library
    except ImportError:
        yield
        return
    try:
        yield
    except theirs.AuthenticationError:
        raise _unreachable(copy, "refuses the credentials") from None
    except theirs.ReadOnlyError:
        raise _unreachable(copy, "is a replica, which cannot be written") from None
    except (theirs.ConnectionError, theirs.TimeoutError, OSError):
        raise _unreachable(copy, "does not answer") from None
    except theirs.NoPermissionError:
        raise AccessDenied(
            f"The access rules of the server of the copy {copy} forbid a command.",
            remedy="Give its user the commands that docs/copies-redis.md lists.",
        ) from None
    except theirs.RedisError:
        raise StorageError(
            f"The server of the copy {copy} refuses a command.",
            remedy="Read the server's log: memory, disk, cluster mode or a renamed command.",
        ) from None


def _unreachable(copy: str, what: str) -> CopyUnreachable:
    return CopyUnreachable(
        f"The server of the copy {copy} {what}.",
        remedy="Start it or correct its address and user, then run it again: nothing is taken as done.",
    )
