"""The consent policy: which streams are kept by consent alone, how long a grant lasts, what a withdrawal does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from shelflife.policy.consent_events import STREAM_NAMES, Purpose, Stream
from shelflife.policy.duration import Duration  # noqa: TC001  pydantic reads it when it runs
from shelflife.policy.strict import Function, Strict, Text, Version

if TYPE_CHECKING:
    from shelflife.policy.consent_events import Matter

Action: TypeAlias = Literal["stop", "restrict", "erase"]
"""`stop`: nothing new comes in or goes out. `restrict`: what is there is left out of all use, too; the person's export
still has it. `erase`: an erasure of the stream is registered, and what is there is left out of all use until it ran."""

_DEFAULTS: dict[str, Action] = {"collection": "restrict", "sharing": "stop", "sale": "stop"}


class WithdrawalRule(Strict):
    """What taking consent back does for some streams and one purpose."""

    streams: list[Stream] = Field(min_length=1, description="Streams that the rule is about.")
    purpose: Purpose = Field(description="The purpose for which consent was taken back.")
    do: Action = Field(description="What happens.")
    reason: Text = Field(description="Why, for whoever is shown the policy.")

    @model_validator(mode="after")
    def _fits_its_purpose(self) -> Self:
        if self.do == "restrict" and self.purpose != "collection":
            # Nothing of a stopped stream stays with a recipient, so there is nothing left to restrict.
            raise ValueError("for sharing and sale write stop or erase")
        return self


class ConsentPolicy(Strict):
    """The consent policy of an estate."""

    version: Version
    owner: Function = Field(description="The function that answers for the policy.")
    required_for: list[Stream] = Field(
        default=[*STREAM_NAMES],  # type: ignore[list-item]
        description="Streams that are landed and derived by consent alone; all of them when absent.",
    )
    validity: Duration | None = Field(
        default=None, description="How long a grant lasts that names no end; for ever when absent."
    )
    on_withdrawal: list[WithdrawalRule] = Field(
        default=[],
        description="What a withdrawal does; without a rule it is `restrict` for collection, else `stop`.",
    )

    @model_validator(mode="after")
    def _rules_do_not_overlap(self) -> Self:
        named = [(stream, rule.purpose) for rule in self.on_withdrawal for stream in rule.streams]
        if len(set(named)) < len(named):
            raise ValueError("two rules are about one stream and purpose")
        return self

    def action(self, matter: Matter) -> Action:
        """Return what a withdrawal does."""
        stream, purpose = matter
        for rule in self.on_withdrawal:
            if stream in rule.streams and purpose == rule.purpose:
                return rule.do
        return _DEFAULTS[purpose]

    def left_out(self) -> frozenset[str]:
        """Return the streams whose rows are not used without consent to collect them."""
        return frozenset(
            stream for stream in self.required_for if self.action((stream, "collection")) != "stop"
        )
