"""`plan` and `apply`: what expires and why, and doing exactly that."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Annotated

import typer

from shelflife.cli.console import Json, clock, confirmed, messages, opened, print_json, print_table
from shelflife.retention.apply import apply_plan, plan_purge
from shelflife.retention.plan_file import write_plan
from shelflife.retention.stages import Line, Plan, explain

_LINE = ("table", "class", "first", "last", "partitions", "rows", "bytes", "why")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(plan)
    app.command()(apply)


def plan(
    above_brake: Annotated[
        int | None,
        typer.Option(help="Go above the brake: the exact count of rows that would go.", show_default=False),
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="Show every partition on a line of its own.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what expires and what stays, with a reason each, what it costs, and write the plan down. Removes nothing."""
    with opened() as estate:
        made = plan_purge(estate, clock=clock, above_brake=above_brake)
        plan_id = write_plan(estate.settings, made)
    if as_json:
        print_json(_as_json(plan_id, made))
        return
    _print_plan(made, every=every)
    if made.does_nothing:
        messages.print("Nothing is due.")
    else:
        messages.print(f"Next: `shelflife apply {plan_id}`", markup=False)
    typer.echo(plan_id)


def apply(
    plan_id: Annotated[
        str, typer.Argument(metavar="PLAN", help="A plan id, as `plan` printed it, or its file.")
    ],
    every: Annotated[
        bool, typer.Option("--every", help="Show every partition on a line of its own.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Execute exactly one plan, or nothing of it: it is refused when partitions, policies or holds have moved.

    Shows the plan and asks for the number of rows that go. Killed halfway, the same command goes on where it was.
    """

    def approve(made: Plan) -> bool:
        if not as_json:
            _print_plan(made, every=every)
        return yes or confirmed("rows that go", made.rows_removed)

    with opened() as estate:
        done = apply_plan(estate, plan_id, clock=clock, approve=approve)
    counts = {name: count for name, count in asdict(done).items() if name not in ("plan_id", "seconds")}
    if as_json:
        print_json({"plan": done.plan_id, **counts, "seconds": round(done.seconds, 3)})
        return
    shown = [[name.replace("_", " "), count] for name, count in counts.items() if name != "already"]
    title = "Applied before" if done.already else f"Applied in {done.seconds:.1f} s"
    print_table(title, ["what", "count"], shown)
    if done.files_waiting:
        messages.print(
            "Files that a reader may have open are unlinked by the next command; nothing opens them."
        )


def _print_plan(made: Plan, *, every: bool) -> None:
    print_table("Keep", _LINE, _rows(made.keep, every=every))
    print_table("Remove", _LINE, _rows(made.remove, every=every))
    if made.records or made.copy_items:
        old = [[line.kind, line.rows, line.reason] for line in made.records]
        items = [[f"copy {line.copy_name}", line.rows, line.reason] for line in made.copy_items]
        print_table("Remove beside the partitions", ["what", "rows", "why"], [*old, *items])
    cost = made.cost
    for line in explain(made):
        messages.print(line, markup=False)
    share = made.rows_removed * 100 / made.rows_now if made.rows_now else 0.0
    messages.print(
        f"{made.rows_removed:,} of {made.rows_now:,} rows go ({share:.1f} %, brake at {made.brake_percent} %): "
        f"{cost.keys:,} keys destroyed, {cost.files:,} files unlinked, {cost.rows_resealed:,} rows sealed again."
    )


def _rows(lines: tuple[Line, ...], *, every: bool) -> list[list[object]]:
    """Return lines as rows of a table: one a partition, or one a table, class and kind of reason."""
    groups: defaultdict[tuple[str, ...], list[Line]] = defaultdict(list)
    for line in lines:
        groups[_group(line, every=every)].append(line)
    return [
        [
            f"{mine[0].zone}/{mine[0].table_name}",
            mine[0].retention_class,
            mine[0].period,
            mine[-1].period,
            len(mine),
            sum(line.rows for line in mine),
            sum(line.size for line in mine),
            _why(mine),
        ]
        for _, mine in sorted(groups.items(), key=lambda group: group[0])
    ]


def _group(line: Line, *, every: bool) -> tuple[str, ...]:
    """Return what lines are put together by; the earliest window speaks for its group, holds for themselves."""
    place = (line.zone, line.table_name, line.retention_class)
    if every:
        return (*place, line.period, line.partition_id)
    if line.held:
        return (*place, *(share.hold_id for share in line.held))
    return (*place, line.reason) if ": hold " in line.reason else place


def _why(lines: list[Line]) -> str:
    """Return the reason of the first line, with what holds keep of all of them."""
    if len(lines) == 1 or not lines[0].held:
        return lines[0].reason
    rows = sum(share.rows for line in lines for share in line.held)
    ids = ", ".join(share.hold_id for share in lines[0].held)
    return f"{lines[0].reason.partition(';')[0]}; {rows:,} rows stay under hold {ids}"


def _as_json(plan_id: str, made: Plan) -> dict[str, object]:
    return {
        "plan": plan_id,
        "keep": [asdict(line) for line in made.keep],
        "remove": [asdict(line) for line in made.remove],
        "records": [asdict(line) for line in made.records],
        "copy_items": [asdict(line) for line in made.copy_items],
        "stages": [{"stage": stage.stage, "does": stage.describe()} for stage in made.stages],
        "rows_removed": made.rows_removed,
        "rows_now": made.rows_now,
        "cost": asdict(made.cost),
    }
