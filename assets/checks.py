"""Checks between raw and derived: row rules and the profile of each landed batch.

Both block: tables downstream in the same run are not derived from a batch that fails, and the verdict that is
recorded with the batch keeps every later run from it too. Whatever is selected, all streams are judged: a verdict
belongs to a batch, which holds several.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import dagster as dg

from assets.counts import failed_batches
from assets.metadata import Made, facts
from assets.neutral import neutral
from assets.profile import judge_profiles
from assets.raw import LANDING_POOL
from assets.resource import EstateResource
from shelflife.estate import Estate
from shelflife.lake.checks import check_stream, judge, unjudged
from shelflife.signals.vocabulary import STREAMS

ROW_RULES = "row_rules"
PROFILE = "profile"
_TEXT = {
    ROW_RULES: "Every sample obeys the row rules; one aggregate query over the new batches.",
    PROFILE: "Counts, means and null shares of the new batches are as expected (Great Expectations, booleans only).",
}


@dataclass
class StreamVerdict:
    """What was found in one stream over all the batches that were looked at.

    Attributes:
        violations: rows that break a rule, by rule.
        expectations: expectations that were judged.
        failed: how many batches fail an expectation, by expectation.
    """

    rows: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    expectations: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    batches: int = 0


def check_specs() -> list[dg.AssetCheckSpec]:
    """Return both checks of every raw stream."""
    return [
        dg.AssetCheckSpec(name, asset=["raw", stream], description=text, blocking=True)
        for stream in STREAMS
        for name, text in _TEXT.items()
    ]


@dg.multi_asset_check(name="check_batches", specs=check_specs(), can_subset=True, pool=LANDING_POOL)
def raw_checks(
    context: dg.AssetCheckExecutionContext, estate: EstateResource
) -> Iterator[dg.AssetCheckResult]:
    """Judge the batches that wait for a verdict, or, where none does, those that failed before."""
    verdicts = neutral(lambda: _judge(estate))
    for key in sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name)):
        yield _result(key, verdicts[key.asset_key.path[-1]])


def _judge(resource: EstateResource) -> dict[str, StreamVerdict]:
    verdicts = {stream: StreamVerdict() for stream in STREAMS}
    with resource.opened() as estate:
        for batch_id in unjudged(estate) or failed_batches(estate):
            judge(estate, [batch_id], passed=_judge_batch(estate, batch_id, verdicts))
    return verdicts


def _judge_batch(estate: Estate, batch_id: str, verdicts: dict[str, StreamVerdict]) -> bool:
    """Add what one batch shows to the verdicts; return whether the batch passed."""
    checks = {stream: check_stream(estate, stream, [batch_id]) for stream in STREAMS}
    met = judge_profiles({stream: check.profile for stream, check in checks.items()})
    for stream, check in checks.items():
        verdict = verdicts[stream]
        verdict.batches += 1
        verdict.rows += max((rule.rows for rule in check.rules), default=0)
        verdict.violations.update({rule.rule: rule.violations for rule in check.rules})
        verdict.expectations += len(met[stream])
        verdict.failed.update({name: 1 for name, held in met[stream].items() if not held})
    return all(check.passed for check in checks.values()) and all(all(held.values()) for held in met.values())


def _result(key: dg.AssetCheckKey, verdict: StreamVerdict) -> dg.AssetCheckResult:
    broken = verdict.failed if key.name == PROFILE else +verdict.violations
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=_facts(key.name, verdict),
    )


def _facts(check: str, verdict: StreamVerdict) -> Made:
    if check == PROFILE:
        return facts(
            batches=verdict.batches,
            expectations=verdict.expectations,
            expectations_failed=dict(verdict.failed),
        )
    return facts(batches=verdict.batches, checked_rows=verdict.rows, violations=dict(verdict.violations))
