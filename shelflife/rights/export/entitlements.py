"""What the person can ask for, regime by regime, in words. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from shelflife.rights.export.contents import Right
from shelflife.rights.export.retention import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shelflife.policy.regime_rules import Period
    from shelflife.policy.regimes import Regime

RIGHT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "export": "Ask again for a copy of your data.",
        "erasure": "Have your data erased, all of it or one kind of it.",
        "rectification": "Have wrong data corrected.",
        "restriction": "Have the use of your data restricted while a question about it is open.",
        "opt_out": "Opt out of the sale and sharing of your data.",
        "complaint": "Complain to the organisation and have the complaint handled.",
        "appeal": "Appeal against a refusal.",
        "deauthorization": "Disconnect the platform that your data came from; what came from it is then erased.",
    }
)

_COMPLAINT: Mapping[str, str] = MappingProxyType(
    {
        "eu_gdpr": "You can complain to a data protection authority: that of where you live, of where you work or of "
        "where you think the law was broken. You can also go to court.",
        "uk_gdpr": "You can complain to the Information Commissioner (ICO), and you can go to court.",
        "us_ca_ccpa": "You can complain to the California Privacy Protection Agency or to the Attorney General.",
        "us_wa_mhmda": "You can appeal a refusal with the organisation. If the appeal fails, you can complain to the "
        "Washington Attorney General.",
        "us_nv_sb370": "You can appeal a refusal with the organisation, and complain to the Nevada Attorney General.",
        "us_hipaa": "You can complain to the Office for Civil Rights of the Department of Health and Human Services.",
        "ca_pipeda": "You can complain to the Privacy Commissioner of Canada.",
        "ca_qc_law25": "You can apply to the Commission d'accès à l'information, also when you get no answer in time.",
    }
)
_ELSEWHERE = "You can complain to the authority that supervises this law."


def rights_under(regimes: Sequence[Regime]) -> list[Right]:
    """Return what the person can ask for under each regime that grants something, and by when it is answered."""
    return [_right(regime) for regime in regimes if regime.request is not None]


def _right(regime: Regime) -> Right:
    request = regime.request
    assert request is not None  # noqa: S101  `rights_under` leaves the others out
    words = tuple(RIGHT_WORDS.get(right, right.replace("_", " ")) for right in request.rights)
    answer = f"A request is answered {_by(request.respond)}"
    if request.extend is not None:
        answer += (
            f"; where it is complex, up to {in_words(request.extend.by)} later, and you are told so in time"
        )
    return Right(regime.name, request.cite, words, answer + ".", _COMPLAINT.get(regime.id, _ELSEWHERE))


def _by(period: Period) -> str:
    if period.within is not None:
        return f"within {in_words(period.within)}"
    if period.business_days is not None:
        return f"within {period.business_days} working days"
    return "without undue delay"
