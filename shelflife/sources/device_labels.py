"""Makers, models and software versions of devices, where a format leaves it to applications what they write there.

Such texts may hold what a person calls a device, and sensors put their serial numbers into their names. So only words pass
that name makers and products, and codes that are shaped like those of models: what is not known is left out.
"""

from __future__ import annotations

import re

_MAKERS = frozenset(
    """
    abbott alivecor amazfit apple asus ascensia beurer biostrap bosch coospo coros cronometer decathlon dexcom eufy fitbit
    fossil freestyle garmin google honor huami huawei ihealth kardia lenovo lg lge libre lifescan magene medtronic microsoft
    mio misfit mobvoi motorola moto myzone nokia nonin omron oneplus oppo oral-b oura polar qardio realme redmi renpho roche
    samsung scosche senseonics sony stryd suunto tanita ultrahuman vivo wahoo whoop withings xiaomi zepp zeroner
    """.split()  # noqa: SIM905 (a line a name otherwise)
)
_PRODUCTS = frozenset(
    """
    accu-chek active air analyzer aria band body bounce bpm cardio charge chest classic comp contour core duo edge elemnt
    enduro epix epoch evolve fenix fit flex forerunner freestyle fusion galaxy gear gen grit guardian guide heart hr hrm
    hybrid ignite inspire instant instinct ionic ipad iphone ipod kickr legend libre light lite luxe mark max mi mini monitor
    move next nexus note nova oh1 one optical pace pacer phone pixel plus precision prime pro pulse quatix rate reveal ring
    run scale scan scanwatch se sense sensor series sleep smart solar sport steel stelo strap tab tactix tempe tickr touch
    ultra unite vantage venu verio verity versa vivoactive vivofit vivosmart vivosport watch x xl xr xs zip
    """.split()  # noqa: SIM905 (a line a name otherwise)
)
_COMPANY = re.compile(r",? (?:inc|ltd|corp|corporation|co|gmbh|electronics)\.?$", re.IGNORECASE)
_CODE = re.compile(
    r"\d{1,4}[A-Za-z]?|[A-Z]{1,2}\d{1,4}[A-Z]{0,2}\+?|[A-Z]{3}\d{3,4}|[A-Z]{2,3}-[A-Z]{0,2}\d{2,4}[A-Z0-9]{0,3}|[2-5]G",
    re.ASCII,
)
"""Codes of models: `945`, `H10`, `G7`, `CPH2205`, `SM-R860`. Serial numbers are longer, or mix digits and letters."""
_SERIAL = re.compile(r"(?=.*\d)[0-9A-Za-z:-]{5,}", re.ASCII)
_HARDWARE = re.compile(r"([A-Za-z]{3,12})\d{1,2}(?:,\d{1,2})?", re.ASCII)
"""Apple's hardware names (`Watch6,2`), and words with a number behind them."""
_VERSION = re.compile(r"\d{1,5}(?:\.\d{1,6}){1,4}|\d{1,4}", re.ASCII)
_LONGEST = 64


def known_maker(text: object) -> str | None:
    """Return a maker as it is written, where it is a known one; None for any other text."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    return text.strip() if _COMPANY.sub("", text.strip()).lower() in _MAKERS else None


def known_model(text: object) -> str | None:
    """Return a model whose words are all known or codes, without the serial number that sensors put behind it.

    `Polar H10 5DA0E61C` becomes `Polar H10`; `Ada's Watch` is somebody's name for a device, and no model.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    words = text.split()
    kept = [word for word in words if _is_known(word)]
    named = any(not word.isdecimal() for word in kept)
    serials = all(word in kept or _SERIAL.fullmatch(word) for word in words)
    return " ".join(kept) if named and serials else None


def plain_version(text: object) -> str | None:
    """Return a version of software made of a few numbers (`11.2.1`); None for any other text."""
    return text if isinstance(text, str) and _VERSION.fullmatch(text) else None


def _is_known(word: str) -> bool:
    hardware = _HARDWARE.fullmatch(word)
    name = (hardware[1] if hardware else word.strip("()+")).lower()
    return name in _PRODUCTS or name in _MAKERS or _CODE.fullmatch(word) is not None
