"""A connection between two servers that can be held up: what is sent waits, and arrives later."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class SlowLink:
    """Forwards every connection to a port; while `flowing` is not set, nothing comes back from there.

    Attributes:
        port: where it listens.
        flowing: whether what the other end sends is passed on.
    """

    def __init__(self, target: int) -> None:
        self.flowing = threading.Event()
        self.flowing.set()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def close(self) -> None:
        self.flowing.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [near, far]
                self._run(self._pass_on, near, far, None)
                self._run(self._pass_on, far, near, self.flowing)

    def _pass_on(self, source: socket.socket, sink: socket.socket, gate: threading.Event | None) -> None:
        with suppress(OSError):
            while content := source.recv(65536):
                if gate is not None:
                    gate.wait()
                sink.sendall(content)

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


@contextmanager
def slow_link(target: int) -> Iterator[SlowLink]:
    """Open a link to a port."""
    link = SlowLink(target)
    try:
        yield link
    finally:
        link.close()
