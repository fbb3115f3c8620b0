"""Rules that read statistics: of findings ("the average crack length") and of telemetry ("the lowest battery")."""

from __future__ import annotations

from typing import Any

from cloud.assistant.grammar.reading import Reading
from cloud.assistant.tools.parameters import Measure, Statistic, TelemetryGroup

_STATISTICS = (
    (Statistic.MEDIAN, r"median"),
    (Statistic.MEAN, r"average|mean|avg|typical"),
    (Statistic.SUM, r"total|sum of(?: the)?|combined|cumulative|summed(?: up)?|overall"),
    (Statistic.MAX, r"maximum|max|greatest|highest|largest|longest|biggest"),
    (Statistic.MIN, r"minimum|min|least|lowest|smallest|shortest"),
)
_MEASURES = (
    (Measure.DISTANCE, r"distances? (?:from|to) (?:the )?(?:blade )?root"),
    (Measure.LENGTH, r"lengths?"),
    (Measure.WIDTH, r"widths?"),
    (Measure.SIZE, r"sizes?|dimensions?|extents?"),
    (Measure.CONFIDENCE, r"(?:model |detector )?confidences?"),
    (Measure.SEVERITY, r"severit(?:y|ies)(?: ranks?| grades?)?|grades?"),
)
_TAKEN = r"[\x00 ]*(?:(?:finding|defect|damage|of|the|all)[\x00 ]+)*"
_ADJECTIVES = ((Measure.LENGTH, "long"), (Measure.SIZE, "large|big"), (Measure.WIDTH, "wide"))
_SENSOR = (
    r"(?:battery(?: (?:level|charge|state))?|wind(?: ?speeds?)?|gusts?|altitudes?|flight heights?|heights?|speeds?"
    r"|links?(?: quality)?|signal(?: strength)?|satellites)"
)
_EXTREME = (
    r"(?:lowest|minimum|min|least|weakest|highest|maximum|max|strongest|greatest|top|peak|average|mean|worst|fastest)"
)


def measure(reading: Reading) -> dict[str, Any]:
    """Take a statistic of a figure that findings have."""
    for statistic, said in _STATISTICS:
        for value, noun in _MEASURES:
            pattern = rf"(?:{said}){_TAKEN}(?:{noun})(?: of)?|(?:{noun}) (?:on|in) (?:{said})"
            if match := reading.take(pattern):
                return _measured(reading, match[0], value, statistic)
    for value, adjective in _ADJECTIVES:
        if reading.peek(rf"how (?:{adjective})") and reading.peek(r"on average|typically|usually"):
            reading.take(r"on average|typically|usually")
            reading.take(rf"how (?:{adjective})")
            return _measured(reading, f"how {adjective} on average", value, Statistic.MEAN)
    return {}


def _measured(reading: Reading, words: str, value: Measure, statistic: Statistic) -> dict[str, Any]:
    means = f"{statistic.value} of {value.value.replace('_', ' ')}"
    reading.note(words.replace("\x00", "").strip() or statistic.value, means)
    return {"measure": value, "statistic": statistic}


def telemetry(reading: Reading) -> dict[str, Any]:
    """Take "the lowest battery", "how windy was it", "telemetry summary"."""
    pattern = (
        rf"(?:the )?{_EXTREME} (?:drone )?{_SENSOR}|how (?:windy|fast|high)(?: (?:was it|did \w+ fly|was \w+))?"
        r"|how low did (?:the )?battery (?:get|go|drop|fall)"
        r"|telemetry(?: (?:summary|figures|values|statistics|stats))?"
        rf"|{_SENSOR} (?:statistics|stats|summary|figures)"
    )
    if reading.take(pattern, "telemetry, summed up") is None:
        return {}
    while reading.take(rf"(?:and|or) (?:the )?(?:{_EXTREME} )?{_SENSOR}"):
        pass
    found: dict[str, Any] = {"telemetry": True}
    for group, noun in ((TelemetryGroup.DAY, "day"), (TelemetryGroup.HOUR, "hour"), (TelemetryGroup.FLIGHT, "flight"),
                        (TelemetryGroup.DRONE, "drone")):  # fmt: skip
        if reading.take(rf"(?:per|by|for each|each|every) {noun}", f"per {noun}"):
            found["group_by"] = group
    return found
