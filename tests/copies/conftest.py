"""A warehouse to publish from, made once and copied for each test; a site behind a real Varnish, started once a file."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from shelflife.estate import Estate
from tests.conftest import NOW
from tests.copies.estates import declare, settings_in
from tests.copies.http_site import fill
from tests.copies.servers.varnish_server import origin_server, varnish_server
from tests.copies.warehouse import build


@pytest.fixture(scope="session")
def warehouse_made_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("warehouse")
    build(folder)
    return folder


@pytest.fixture
def warehouse(warehouse_made_once, tmp_path):
    """Open a warehouse with some copies declared: `warehouse(declared(...), ...)`."""
    made = []

    def open_with(*declarations: dict[str, Any]) -> Estate:
        shutil.copytree(warehouse_made_once, tmp_path, dirs_exist_ok=True)
        declare(tmp_path, *declarations)
        made.append(Estate.open(settings_in(tmp_path), NOW))
        return made[-1]

    yield open_with
    for estate in made:
        estate.close()


@pytest.fixture(scope="module")
def behind():
    with origin_server() as (origin, port):
        yield origin, port


@pytest.fixture(scope="module")
def started(behind):
    with varnish_server(behind[1]) as varnish:
        yield varnish


@pytest.fixture
def origin(behind):
    origin = behind[0]
    fresh = type(origin)()
    origin.__dict__.update(fresh.__dict__)
    fill(origin)
    return origin


@pytest.fixture
def varnish(started, origin):
    started.empty()
    return started
