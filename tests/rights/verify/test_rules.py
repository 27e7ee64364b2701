"""The rules: each has a test that plants a canary for it, and the page lists exactly those that there are."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from shelflife.rights.verify import RULES
from tests.rights.verify.conftest import COVERED, ROOT

PAGE = ROOT / "docs" / "verification.md"
CODE = ROOT / "shelflife" / "rights" / "verify"


def test_every_rule_has_a_planted_canary():
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"{__package__}.{file.stem}")
    assert set(RULES) == COVERED


def test_the_page_lists_the_rules():
    rows = re.findall(
        r"^\| (\w+) \| `(\w+)` \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    expected = [
        (
            rule.store,
            rule.name,
            rule.broken_when,
            "the people asked about" if rule.about_targets else "the estate",
        )
        for rule in RULES.values()
    ]
    assert rows == expected


def test_every_rule_is_used_by_name():
    text = "".join(file.read_text(encoding="utf-8") for file in CODE.glob("*.py") if file.name != "rules.py")
    # Three are put together from the tree's own words for what is wrong with a page.
    unused = {name for name in RULES if f'"{name}"' not in text}
    assert unused == {"key_page_closed", "key_page_missing", "key_page_stray"}
