"""The README shows what the commands really print, and every command is in the reference."""

from __future__ import annotations

import re

import pytest

from tests import transcripts


@pytest.mark.slow
def test_the_readme_shows_what_the_commands_print(tmp_path):
    page = transcripts.README.read_text()
    assert page.count("$ shelflife") >= 6
    replayed = transcripts.replay(page, transcripts.prepare(tmp_path))
    assert transcripts.steady(replayed) == transcripts.steady(page)


@pytest.mark.slow
def test_the_command_reference_is_what_help_prints():
    assert transcripts.CLI_PAGE.read_text() == transcripts.help_page()


def test_every_command_is_in_the_reference():
    import typer

    from shelflife.cli.main import app

    def names(command, path: tuple[str, ...] = ()) -> set[str]:
        below = getattr(command, "commands", None) or {}
        found = {name for child, one in below.items() for name in names(one, (*path, child))}
        return found or {" ".join(path)}

    assert names(typer.main.get_command(app)) == set(transcripts.COMMANDS)


def test_the_readme_names_only_make_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (transcripts.ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"make ([a-z-]+)", transcripts.README.read_text()))
    assert named <= targets
