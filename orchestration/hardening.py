"""What has to be set before Dagster runs user code, so that no text of an error reaches its storage or a log.

`dagster.yaml` holds the rest: no captured output, no telemetry, tick retention.
"""

from __future__ import annotations

import logging
import os
import warnings

import dagster as dg

REDACTED_LOGGER = "dagster.redacted_errors"


def harden() -> None:
    """Redact user code errors and silence the logger that Dagster writes their originals to."""
    os.environ["DAGSTER_REDACT_USER_CODE_ERRORS"] = "1"
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    logger = logging.getLogger(os.environ.get("DAGSTER_REDACTED_ERROR_LOGGER_NAME", REDACTED_LOGGER))
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    for category in (dg.BetaWarning, dg.PreviewWarning):
        warnings.filterwarnings("ignore", category=category)
