"""The inbox: files that wait for somebody who was erased, and files that name them."""

from __future__ import annotations

import io
import zipfile

import pytest

from shelflife.rights.verify import Target
from tests.rights.verify.conftest import found, plants, rules, write


@plants("inbox_file_of_erased")
@pytest.mark.parametrize("name", ["export.xml", ".hidden", "deeper/export.csv"])
def test_a_file_in_the_folder_of_an_erased_account(erased, account, name):
    write(erased.settings.inbox / account / name, b"<HealthData/>")
    outcome = found(erased)
    assert rules(outcome) == {"inbox_file_of_erased"}
    assert account not in str(outcome.as_json())


def zipped(content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("apple_health_export/export.xml", content)
    return archive.getvalue()


@plants("target_in_inbox")
@pytest.mark.parametrize("pack", [bytes, zipped, lambda content: zipped(zipped(content))])
def test_a_file_that_names_an_erased_person(erased, target, account, pack):
    content = b"x" * 100_000 + f'{{"subject": "{account}"}}'.encode() + b"y" * 100_000
    write(erased.settings.inbox / "everyone" / "rows.ndjson", pack(content))
    assert rules(found(erased)) == set()
    assert rules(found(erased, target)) == {"target_in_inbox"}


def test_a_file_of_somebody_else(erased, target):
    write(erased.settings.inbox / "acct-somebody-else" / "rows.ndjson", b'{"subject": "acct-somebody-else"}')
    outcome = found(erased, target)
    assert outcome.findings == ()
    assert outcome.counts["inbox: files"] == 1


def test_the_inbox_may_lie_inside_the_estate(erased, target, account):
    inside = erased.settings.model_copy(update={"inbox": erased.settings.home / "inbox"})
    erased.settings = inside
    write(inside.inbox / "acct-somebody-else" / "rows.ndjson", b"{}").parent.chmod(0o755)
    assert found(erased, target).findings == ()
    write(inside.inbox / account / "rows.ndjson", b"{}")
    assert rules(found(erased, Target())) == {"inbox_file_of_erased"}
