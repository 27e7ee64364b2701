"""A real Varnish and a small origin behind it for the tests that need them: on free ports, gone at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.copies.servers.redis_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

VCL = (Path(__file__).parents[3] / "docs" / "examples" / "varnish.vcl").read_text()
DAY = "public, max-age=86400"


class Origin:
    """The application that makes the pages.

    Attributes:
        pages: body by (dataset, word), the word being a token in hexadecimal or `all`.
        control: the header Cache-Control.
        vary: the header Vary, if any; each variant's body then differs.
        tagged: whether pages carry Surrogate-Key.
        slow: seconds that a page takes.
        asked: how often each path was asked for.
    """

    def __init__(self) -> None:
        self.pages: dict[tuple[str, str], bytes] = {}
        self.control = DAY
        self.vary: str | None = None
        self.tagged = True
        self.slow = 0.0
        self.asked: Counter[str] = Counter()

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        _, word, file = [*path.partition("?")[0].split("/"), "", ""][:3]
        dataset = file.removesuffix(".json")
        body = self.pages.get((dataset, word))
        if body is None:
            return 404, {"Cache-Control": "no-store"}, b"{}"
        found = {"Cache-Control": self.control, "Content-Type": "application/json"}
        if self.tagged:
            found["Surrogate-Key"] = dataset if word == "all" else f"{word} {dataset} {word}.{dataset}"
        if self.vary:
            found["Vary"] = self.vary
            body += headers.get(self.vary, "").encode()
        return 200, found, body


@contextmanager
def origin_server() -> Iterator[tuple[Origin, int]]:
    """Run an origin; yields it and its port."""
    origin = Origin()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            origin.asked[self.path] += 1
            status, headers, body = origin.answer(self.path, dict(self.headers))
            time.sleep(origin.slow)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield origin, int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Varnish:
    """One Varnish.

    Attributes:
        port: where it listens.
    """

    def __init__(self, folder: Path, vcl: str) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "cache.vcl").write_text(vcl)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [_program() or "varnishd", "-F", "-j", "none", "-n", str(self.folder / "run")]
        command += ["-a", f"127.0.0.1:{self.port}", "-f", str(self.folder / "cache.vcl"), "-s", "malloc,32m"]
        command += ["-p", "ban_lurker_age=1"]
        with (self.folder / "out").open("wb") as out:
            self._process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        until = time.monotonic() + 30
        while not self._listens():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError((self.folder / "out").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def empty(self) -> None:
        """Forget everything, as between two tests."""
        command = ["varnishadm", "-n", str(self.folder / "run"), "ban", "obj.status != 0"]
        subprocess.run(command, check=True, capture_output=True, timeout=20)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _program() -> str | None:
    """The server program, which Debian puts where only root looks."""
    return shutil.which("varnishd") or shutil.which("varnishd", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def varnish_server(origin_port: int, vcl: str = VCL) -> Iterator[Varnish]:
    """Run a Varnish in front of an origin, with the example configuration or another one."""
    if _program() is None:
        pytest.skip("Varnish is not installed (apt-get install varnish)")
    folder = Path(tempfile.mkdtemp(prefix="shelflife-varnish-", dir="/tmp"))
    varnish = Varnish(folder, vcl.replace('"8080"', f'"{origin_port}"'))
    try:
        varnish.start()
        yield varnish
    finally:
        varnish.stop()
        shutil.rmtree(folder, ignore_errors=True)
