"""Why a sealed upload is refused: each reason has its own words, and none of them says anything of the content."""

from __future__ import annotations

from enum import Enum

from shelflife.errors import SourceError

_AGAIN = "Let the device send the same file again, sealed anew as its next upload."
_NEW_SCOPE = "Give the device a token for it (`shelflife device token`), and let it seal the file again."
_LOOK = "Look into it before anything of this device is landed: `shelflife device revoke` stops the device."


class Refusal(Enum):
    """A reason and its remedy; `docs/upload-format.md` lists the same, and a test keeps the two equal."""

    TOO_LARGE = (
        "The upload is larger than any that is accepted.",
        "Send the file in parts of at most 64 MiB.",
    )
    UNKNOWN_KEY = (
        "The upload is sealed to a landing key that this estate does not have.",
        "Let the device fetch the landing key (`shelflife landing-key show`), and seal the file again.",
    )
    STALE_KEY = (
        "The upload is sealed to a landing key that is no longer accepted.",
        "Let the device fetch the landing key (`shelflife landing-key show`), and seal the file again.",
    )
    OTHER_DEVICE = ("The upload's scope token belongs to another device.", _LOOK)
    UNKNOWN_DEVICE = (
        "The upload is from a device that is not registered.",
        "Register the device (`shelflife device register`), and let it seal the file again.",
    )
    REVOKED = (
        "The upload is from a device that was revoked.",
        "Remove the file, or register the device anew.",
    )
    OTHER_SUBJECT = ("The upload's scope token names somebody who does not own the device.", _LOOK)
    WRONG_SIGNATURE = ("The upload is not signed by the device that it says it is from.", _LOOK)
    EXPIRED = ("The upload's scope token has expired.", _NEW_SCOPE)
    REPLAYED = ("The upload's sequence number was used before for other bytes.", _AGAIN)
    TOO_OLD = ("The upload's sequence number lies 64 or more behind the device's newest.", _AGAIN)
    OTHER_STREAM = ("The upload has a sample of a stream that its scope token does not name.", _NEW_SCOPE)
    OUT_OF_RANGE = ("The upload has a sample outside of the time range of its scope token.", _NEW_SCOPE)
    SOMEBODY_ELSE = (
        "The upload has a row that names somebody else than its scope token.",
        "Send each person's rows from a device of their own, or land the file from the account's folder.",
    )


def refused(reason: Refusal) -> SourceError:
    """Return the error that an upload is refused with."""
    what, remedy = reason.value
    return SourceError(what, remedy=remedy)
