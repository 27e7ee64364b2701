"""The rules that a regime is made of: one model a section, each with its citation, its confidence and its check date.

Engineering input that counsel reviews; not legal advice.
"""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from shelflife.policy.duration import Duration  # noqa: TC001  pydantic reads it at run time
from shelflife.policy.strict import Day, Name, Strict, Text

Event: TypeAlias = Literal[
    "received",
    "authenticated",
    "authenticated_or_received",
    "deauthorized",
    "recipient_notified",
    "purpose_ended",
    "last_interaction",
    "determined_unnecessary",
    "signed",
    "discovered",
    "aware",
    "consumer_notified",
    "year_end",
]
"""What a clock can start at. `authenticated_or_received` is receipt, or the proof of identity where one was asked for."""

Kind: TypeAlias = Literal[
    "export", "erasure", "rectification", "restriction", "opt_out", "complaint", "appeal", "deauthorization"
]
"""What can be asked. An export answers access and portability; a deauthorization comes from a platform."""

Identifier: TypeAlias = Literal[
    "retina_iris", "fingerprint", "voiceprint", "hand_face_geometry", "gait_template", "biometric_identifier"
]
"""What a statutory cap can hold for; `biometric_identifier` is any of them."""

Confidence: TypeAlias = Literal["read", "recalled", "mixed"]
"""Whether the source was read, recalled without a reading, or read in part."""

PauseReason: TypeAlias = Literal["clarification", "id_check", "fee"]
BackupModel: TypeAlias = Literal["hard_cap", "until_restored_or_accessed", "beyond_use"]


class Rule(Strict):
    """What every section says about itself."""

    cite: Text = Field(description="Where the rule stands.")
    confidence: Confidence = Field(description="Whether the source was read (read, recalled, mixed).")
    checked: Day = Field(description="When somebody last compared the rule with its source.")


class Period(Strict):
    """A length of time and the event that it starts at. Exactly one of the three lengths."""

    within: Duration | None = Field(default=None, description="Calendar time, as P45D or P1M.")
    business_days: int | None = Field(default=None, ge=1, le=250, description="Working days.")
    promptly: Literal[True] | None = Field(
        default=None, description="The law names no date; the house's planning target counts."
    )
    from_: Event = Field(alias="from", description="The event whose day is not counted.")

    @model_validator(mode="after")
    def _is_one_length(self) -> Self:
        if sum(length is not None for length in (self.within, self.business_days, self.promptly)) != 1:
            raise ValueError("name exactly one of within, business_days and promptly")
        return self


def promptly(event: Event) -> Period:
    """Return the period of a duty for which a law names no date."""
    return Period.model_validate({"promptly": True, "from": event})


class Extension(Strict):
    """How much longer an answer may take, once; counted from the same event as the answer itself."""

    by: Duration
    notice_within: Duration | None = Field(
        default=None, description="When the person must have been told; the first period when absent."
    )


class RequestRule(Rule):
    """How a person's request is answered."""

    rights: list[Kind] = Field(min_length=1, description="What a person can ask for under this regime.")
    acknowledge: Period | None = None
    respond: Period
    extend: Extension | None = Field(description="null where the law allows none.")
    pause_on: list[PauseReason] = Field(default=[], description="What stops the clock while it is awaited.")
    roll: bool = Field(default=False, description="Whether a deadline moves to the next working day.")
    silence: Literal["deemed_refusal"] | None = None
    freeze_deletion_while_open: bool = Field(
        default=False, description="Data under an open request must not be destroyed, whatever its age."
    )
    fee_free_per_year: int | None = Field(default=None, ge=1)
    search: Name | None = Field(default=None, description="How hard one must look.")


class SimpleRule(Rule):
    """One duty with one clock."""

    respond: Period
    verify: bool = True
    effective: Day | None = Field(default=None, description="First day on which it holds.")


class BackupRule(Strict):
    """What the law lets a backup keep after an erasure."""

    model: BackupModel
    cap: Period | None = Field(default=None, description="The last moment, for the model hard_cap.")

    @model_validator(mode="after")
    def _cap_fits_model(self) -> Self:
        if (self.cap is not None) != (self.model == "hard_cap"):
            raise ValueError("a hard_cap has a cap, the other models have none")
        return self


class BackupSection(Rule, BackupRule):
    """What the law lets backups keep, where it says so apart from a right to erasure."""


class Exceptions(Strict):
    """What may be kept although it was asked to be erased."""

    names: list[Name]
    confidence: Confidence


class DeleteRule(Rule):
    """What an erasure must reach, and by when."""

    scope: Name | None = Field(default=None, description="What it holds for; everything when absent.")
    live: Period
    backups: BackupRule | None = None
    notify: list[Name] = Field(default=[], description="Who must be told.")
    notify_within: Period | None = None
    notify_waiver: Name | None = Field(default=None, description="What frees from telling; none when absent.")
    recipients_delete: Period | None = Field(default=None, description="By when those told must delete.")
    tell_subject_recipients: Name | None = None
    alternatives: list[Name] = Field(default=[], description="What may be done in place of erasing.")
    exceptions: Exceptions | None = None
    legal_hold_is_exception: bool | None = Field(
        default=None, description="Whether a hold alone stops an erasure; null where nobody has said."
    )
    suppression_record: Literal["allowed"] | None = None


class AccessRule(Rule):
    """What an export must hold and what it must leave out."""

    recipients: Literal["named", "categories"] | None = None
    recipient_contacts: bool = False
    copy_of_data: bool = True
    access_log: Name | None = None
    withhold: list[Name] = Field(default=[])
    describe_withheld: bool = False
    scope: Name | None = None
    excludes: list[Name] = Field(default=[])
    price: Name | None = None
    quality: Name | None = None
    mode: Name | None = None


class PortabilityRule(Rule):
    """In which form and of what an export is made."""

    format: Name
    scope: Name


class RecordsRule(Rule):
    """How long the records of requests and incidents must be kept."""

    requests: Duration | None = Field(default=None, description="Records of requests, from their end.")
    documentation: Duration | None = Field(default=None, description="Policies and other documentation.")
    incidents: Duration | None = Field(default=None, description="The register of incidents.")
    fields: list[Name] = Field(default=[])
    transfer_on_merger: bool = False


class SaleRule(Strict):
    """When data may be sold."""

    authorization: Literal["signed"]
    expires: Period
    retain: Duration | None = Field(default=None, description="How long the authorization itself is kept.")


class ConsentRule(Rule):
    """What must have been agreed to before data is collected, shared or sold."""

    collect: Name
    share: Name | None = None
    sale: SaleRule | None = None
    must_state: list[Name] = Field(default=[])


class CapEvent(Strict):
    """One of the moments that a statutory cap ends at."""

    event: Event
    after: Duration | None = Field(default=None, description="How long after it; at once when absent.")


class RetentionCapRule(Rule):
    """A statutory cap on keeping identifiers; the earliest moment counts."""

    identifiers: list[Identifier] = Field(min_length=1)
    earliest: list[CapEvent] = Field(min_length=1)
    public_schedule: bool = False
    annual_review: bool = False
    hold_exceptions: list[Name] = Field(default=[], description="What alone lets identifiers be kept longer.")


class BreachNotice(Strict):
    """One notice of a breach. Exactly one of hours, within, promptly and with_individuals says when."""

    hours: int | None = Field(default=None, ge=1)
    within: Duration | None = None
    promptly: Literal[True] | None = None
    with_individuals: Literal[True] | None = None
    from_: Event = Field(default="discovered", alias="from")
    threshold: Name | None = Field(default=None, description="The risk from which on it is owed.")
    people_at_least: int | None = Field(default=None, ge=1, description="The number of people from which on.")

    @model_validator(mode="after")
    def _is_one_length(self) -> Self:
        lengths = (self.hours, self.within, self.promptly, self.with_individuals)
        if sum(length is not None for length in lengths) != 1:
            raise ValueError("name exactly one of hours, within, promptly and with_individuals")
        return self


class BreachRule(Rule):
    """Who is told of a breach, and by when."""

    individuals: BreachNotice
    regulator: BreachNotice
    media_at_least: int | None = Field(
        default=None, ge=1, description="People from which on the press is told."
    )
    small_breaches: Period | None = Field(default=None, description="The yearly list of breaches below it.")
    presumption: Name | None = None
    safe_harbor: Name | None = None
    register_all: bool = False


class BiometricsRule(Rule):
    """What a regime asks of biometric systems before they run."""

    declare_before_use: bool
    database_notice: Duration
    collect: Name | None = None


class EndOfPurposeRule(Rule):
    """What becomes of data whose purpose is over."""

    choices: list[Name] = Field(min_length=1)


class GeofenceRule(Rule):
    """Around health care in person, how far nobody may be tracked or messaged."""

    feet: int = Field(ge=1)


class ContractRule(Rule):
    """What a platform's contract forbids."""

    ml_training: bool


class Planning(Strict):
    """What the house promises itself where the law names no date."""

    acknowledge: Duration
    respond: Duration
    delete_live: Duration
    notify_recipients: Duration
    recipients_delete: Duration
    delete_backups: Duration
    backup_lifetime_at_most: Duration
    cache_hours_at_most: int = Field(ge=1)
    reason: Text
