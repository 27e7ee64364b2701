"""Policies for tests, written with what a test is about and nothing else."""

from __future__ import annotations

from typing import Any

from shelflife.policy.retention import RetentionPolicy


def rule(name: str, keep: str = "P1Y", **more: Any) -> dict[str, Any]:
    fields = {"retention_class": name, "applies_to": ["heart"], "keep": keep, "physical_deadline": "P30D"}
    return {**fields, "owner": "data-platform", "deputy": "legal", "reason": "Needed for the test.", **more}


def policy(*rules: dict[str, Any], **more: Any) -> RetentionPolicy:
    head = {"policy": "test", "version": "2026-11-23", "owner": "legal", "deputy": "privacy-office"}
    document = {**head, "reason": "Made for the test.", **more, "rules": list(rules)}
    return RetentionPolicy.model_validate(document)
