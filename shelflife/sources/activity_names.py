"""Names of activities that a workout's code may have.

Formats that name an activity in free text (Open mHealth, FHIR) may hold a person's words there, so only these names pass.
Source: HKWorkoutActivityType (Apple, HealthKit); FIT sport types (Garmin, FIT profile).
"""

from __future__ import annotations

import re

OTHER = "other"
ACTIVITIES: frozenset[str] = frozenset(
    """
    other aerobics american_football archery badminton barre baseball basketball bowling boxing climbing
    cooldown core_training cricket cross_country_skiing cross_training curling cycling dance dancing
    disc_sports downhill_skiing elliptical equestrian_sports fencing fishing fitness_equipment
    fitness_gaming flexibility functional_strength_training generic golf gymnastics hand_cycling handball
    hiking hiit high_intensity_interval_training hockey horseback_riding hunting inline_skating jump_rope
    kayaking kickboxing lacrosse martial_arts mind_and_body mixed_cardio mixed_metabolic_cardio_training
    mountaineering multisport other paddle_sports paddling pickleball pilates play preparation_and_recovery
    racquetball rock_climbing rowing rugby running sailing skating skating_sports skiing snow_sports
    snowboarding snowshoeing soccer social_dance softball spinning squash stair_climbing stairs
    step_training strength_training stretching surfing surfing_sports swim_bike_run swimming table_tennis
    tai_chi tennis track_and_field traditional_strength_training training transition treadmill_running
    triathlon underwater_diving volleyball walking water_fitness water_polo water_sports weight_lifting
    wheelchair_run_pace wheelchair_walk_pace wrestling yoga
    """.split()  # noqa: SIM905 (a hundred lines otherwise)
)
_NOT_WORD = re.compile(r"[^a-z]+")


def activity_code(name: str) -> str:
    """Return the code of an activity (`Mixed cardio` is `mixed_cardio`); `other` for a name that is not known."""
    code = _NOT_WORD.sub("_", name.lower()).strip("_")
    return code if code in ACTIVITIES else OTHER
