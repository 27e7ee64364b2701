"""The `shelflife` command and its one error boundary.

Exit codes: 0 done; 1 a defect of shelflife itself; 2 wrong usage; 3 a setting, policy or model is wrong; 4 a file
was refused or failed its checks; 5 something sealed, a key or the ledger does not check out; 6 another process was faster, try again;
7 access denied; 8 disk, permission or path; 9 residue was found; 10 a plan is refused; 11 a request is refused; 12 a restore is not complete.
"""

from __future__ import annotations

import sys

import typer
from typer.exceptions import TyperException

from shelflife.cli import (
    consent,
    copies,
    data,
    erasure,
    estate,
    export,
    governance,
    holds,
    policy,
    recovery,
    requests,
    retention,
    sources,
    uploads,
    verify,
)
from shelflife.cli.console import messages
from shelflife.errors import ShelflifeError

USAGE = 2

app = typer.Typer(
    name="shelflife",
    help="Lifecycle and governance for biometric data warehouses.\n\n" + (__doc__ or "").split("\n\n", 1)[1],
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
estate.register(app)
data.register(app)
sources.register(app)
governance.register(app)
policy.register(app)
retention.register(app)
holds.register(app)
verify.register(app)
requests.register(app)
consent.register(app)
erasure.register(app)
copies.register(app)
export.register(app)
recovery.register(app)
uploads.register(app)


def main() -> None:
    """Run the command line; every error leaves as its diagnostics and its exit code."""
    try:
        code = app(standalone_mode=False)
    except ShelflifeError as error:
        messages.print(f"[bold red]error[/]: {error.what}", markup=True)
        messages.print(f"What to do: {error.remedy}", markup=False)
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        messages.print("Stopped. Whatever was not committed left nothing; run it again to go on.")
        sys.exit(130)
    except TyperException as error:
        messages.print(f"error: {error}", markup=False)
        messages.print("What to do: see --help.")
        sys.exit(USAGE)
    except Exception as error:  # noqa: BLE001  the text of a foreign error can hold a person's data
        messages.print(
            f"error: an unexpected {type(error).__name__} inside shelflife; nothing was half-committed."
        )
        messages.print("What to do: run `shelflife status`, then report this with the command that you ran.")
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
