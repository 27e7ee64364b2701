"""Verification: what is really there, looked at by code that shares nothing with the code that erases."""

from shelflife.rights.verify.inspection import Finding, Unseen, Verification
from shelflife.rights.verify.recorded import recorded_targets, targets_from_alias
from shelflife.rights.verify.rules import RULES, Rule
from shelflife.rights.verify.targets import Target
from shelflife.rights.verify.verification import verify

__all__ = [
    "RULES",
    "Finding",
    "Rule",
    "Target",
    "Unseen",
    "Verification",
    "recorded_targets",
    "targets_from_alias",
    "verify",
]
