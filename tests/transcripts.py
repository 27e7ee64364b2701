"""The README's transcripts: run its commands on an estate of synthetic people and compare what they print.

`python -m tests.transcripts` writes the real output into README.md and docs/cli.md.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from orchestration.demo_lifecycle import write_beats
from shelflife.cli.main import app
from shelflife.config import load_settings
from shelflife.copies.publish import publish
from shelflife.estate import Estate
from shelflife.lake.checks import check_batches
from shelflife.lake.derive import derive
from shelflife.lake.inbox import list_inbox
from shelflife.lake.landing import land
from shelflife.synthetic.inbox import write_inbox

ROOT = Path(__file__).resolve().parents[1]
README, CLI_PAGE = ROOT / "README.md", ROOT / "docs" / "cli.md"
BLOCK = re.compile(r"(```console\n)(.*?)(```)", re.DOTALL)
UNTIL = dt.date(2026, 11, 22)
NOW = dt.datetime(2026, 11, 23, 6, 0, tzinfo=dt.UTC)
# When the commands run: what they say of ages and deadlines must not follow the calendar.
SHOWN_AT = NOW + dt.timedelta(hours=3)
# Each command runs a second after the one before, so that what is listed by time keeps its order.
_COMMANDS_RUN = itertools.count()
OLD_DAY = dt.date(2022, 11, 21)
# What `make` prints is checked by the tests of the demonstration and by running it.
NOT_RUN = ("make ", "export ")
COMMANDS = (
    "init", "land", "inbox", "sources", "derive", "status", "query", "subjects list", "subjects find", "subjects register",
    "subjects alias add", "subjects alias end", "subjects transfer", "subjects merge", "subjects split", "subjects zone",
    "subjects changes", "subjects run", "subjects withdraw",
    "lineage feeds", "lineage where", "audit list", "audit show", "ledger verify",
    "policy check", "policy schema", "policy diff", "policy adopt", "policy schedule",
    "plan", "apply", "hold place", "hold list", "hold show", "hold amend", "hold release", "hold produce",
    "copy list", "copy publish", "copy expire", "copy reconcile",
    "consent grant", "consent withdraw", "consent show", "consent apply",
    "request submit", "request verify", "request list", "request show", "request event", "request due", "request run",
    "request deny", "request withdraw", "export new", "export open", "export keygen",
    "erase", "finalize", "verify", "certificate show", "certificate verify",
    "landing-key rotate", "landing-key show", "landing-key list", "landing-key retire",
    "device register", "device token", "device list", "device revoke", "seal-upload",
    "backup", "backups list", "backups expire", "restore", "restore-check",
)  # fmt: skip


def prepare(folder: Path) -> Path:
    """Make an estate like the demonstration's, without Dagster; return its settings file."""
    file = folder / "shelflife.yaml"
    file.write_text(f"home: estate\ninbox: inbox\nmodels: {ROOT}/sql\npolicies: {ROOT}/retention_policies\n")
    settings = load_settings(file, consent="required")
    people = write_inbox(settings.inbox, people=48, days=21, seed=7, until=UNTIL).people
    write_beats(settings.inbox, people[0].alias, OLD_DAY)
    estate = Estate.create(settings, NOW)
    report = land(estate, list_inbox(settings.inbox), clock=lambda: NOW)
    check_batches(estate, report.batches)
    derive(estate, clock=lambda: NOW)
    publish(estate, clock=lambda: NOW)
    estate.close()
    return file


def run(command: str, settings: Path) -> str:
    """Return what a command prints on both streams."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # What Dagster left elsewhere on this machine is no part of the page.
    clean = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment = clean | {
        "SHELFLIFE_SETTINGS": str(settings),
        "SHELFLIFE_CONSENT": "required",
        "SHELFLIFE_TRANSCRIPT_TIME": (SHOWN_AT + dt.timedelta(seconds=next(_COMMANDS_RUN))).isoformat(),
        "PYTHONPATH": f"{ROOT / 'tests' / 'transcript_clock'}{os.pathsep}{ROOT}",
        "PATH": path,
        "TERM": "dumb",
    }
    done = subprocess.run(
        ["bash", "-c", f'({command}) 2>&1; code=$?; [ $code = 0 ] || echo "[exit code $code]"'],
        cwd=settings.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    shown = done.stdout.replace(f"{settings.parent}{os.sep}", "")
    return "".join(f"{line.rstrip()}\n" for line in shown.splitlines() if line.strip())


def replay(text: str, settings: Path) -> str:
    """Return a page with the output of every command in its console blocks made anew."""
    return BLOCK.sub(lambda found: found[1] + _replayed(found[2], settings) + found[3], text)


def help_page() -> str:
    """Return the command line's reference, from its own --help."""
    parts = ["# Command line\n\nMade from `--help` by `python -m tests.transcripts`.\n"]
    runner = CliRunner(env={"TERM": "dumb", "COLUMNS": "100"})
    for name in ("", *COMMANDS):
        shown = runner.invoke(app, [*name.split(), "--help"], prog_name="shelflife").stdout
        body = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"## shelflife {name}".rstrip() + f"\n\n```text\n{body}\n```\n")
    return "\n".join(parts)


def steady(text: str) -> str:
    """Return a transcript without what differs from run to run: ids, times, sizes of ciphertext."""
    text = re.sub(r"\b[0-9a-f]{8,64}\b", "<id>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00", "<time>", text)
    text = re.sub(r"in \d+\.\d s", "in <seconds>", text)
    stores = "raw|derived|analytics|control|copies|keys|ledger|lineage|storage"
    text = re.sub(rf"(?m)^({stores})( .*?)[\d,]+$", r"\1\2<count>", text)
    text = re.sub(r"[\d,]+( +(?:kept|removed): )", r"<bytes>\1", text)
    text = re.sub(r"[\d,]+ bytes", "<bytes> bytes", text)
    text = re.sub(r"(?m)^((?:copied )?bytes +)[\d,]+$", r"\1<bytes>", text)
    text = re.sub(r"(?m)^(app_cache .*? )[\d,]+( +<time>| +20\d\d)", r"\1<bytes>\2", text)
    text = re.sub(r"ledger\+\S+", "ledger+<key>", text)
    return re.sub(r"[ \t]+", " ", text)


def _replayed(block: str, settings: Path) -> str:
    if block.startswith(tuple(f"$ {start}" for start in NOT_RUN)):
        return block
    commands = re.findall(r"^\$ (.*(?:\\\n.*)*)", block, re.MULTILINE)
    return "\n".join(f"$ {command}\n{run(command, settings)}" for command in commands)


def main() -> None:
    """Write the pages anew."""
    with tempfile.TemporaryDirectory() as folder:
        README.write_text(replay(README.read_text(), prepare(Path(folder))))
    CLI_PAGE.write_text(help_page())


if __name__ == "__main__":
    main()
