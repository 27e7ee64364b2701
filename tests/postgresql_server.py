"""A real PostgreSQL server for the tests that need one: started on a free port, gone at the end.

Import the fixture `postgresql_url` in a `conftest.py`; it skips where Debian's server binaries are not installed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

_USER = "shelflife"


def _binaries() -> Path | None:
    """The newest installed server's folder of programs."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


def _run(folder: Path, *command: str | Path) -> None:
    """Run a server program, as an unprivileged user when this process is root: PostgreSQL refuses root."""
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    if account:
        shutil.chown(folder, account.pw_uid, account.pw_gid)
    subprocess.run(
        [str(part) for part in command],
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server() -> Iterator[str]:
    """Run a server; yields the address to put a database's name behind."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server binaries are not installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="shelflife-postgresql-", dir="/tmp"))
    data, port = folder / "data", _free_port()
    try:
        _run(folder, binaries / "initdb", "-D", data, "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        _run(folder, binaries / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log", "start")
        try:
            yield f"postgresql+pg8000://{_USER}@127.0.0.1:{port}"
        finally:
            _run(folder, binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    with server() as address:
        yield address


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty database of its own."""
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(f"{postgresql_server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql(f"CREATE DATABASE {name}")
    yield f"{postgresql_server}/{name}"
    with engine.connect() as conn:
        conn.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()
