"""How much a defect has grown between two findings, and whether the measurement can tell. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from cloud.tables import Finding

NEW, SAME, GROWN = "new", "same", "grown"
SURE_SIGMAS = 1.645
"""Growth is said only beyond this many standard errors (5 % of unchanged defects would be called grown)."""
INTERVAL_SIGMAS = 1.96
"""The stated interval of a growth: 95 %."""


class Growth(NamedTuple):
    """Change of length and of length times width; ``sigma`` is one standard error."""

    length_mm: float
    sigma_mm: float
    area_mm2: float
    area_sigma_mm2: float

    @property
    def is_sure(self) -> bool:
        """Return whether it is more than the measurement's error."""
        return self.length_mm > SURE_SIGMAS * self.sigma_mm

    @property
    def interval_mm(self) -> tuple[float, float]:
        """Return the 95 % interval of the change of length."""
        reach = INTERVAL_SIGMAS * self.sigma_mm
        return self.length_mm - reach, self.length_mm + reach


def growth(earlier: Finding, later: Finding) -> Growth:
    """Return what changed from one finding of a defect to a later one."""
    area = later.length_mm * later.width_mm - earlier.length_mm * earlier.width_mm
    return Growth(
        length_mm=later.length_mm - earlier.length_mm,
        sigma_mm=math.hypot(earlier.size_sigma_mm, later.size_sigma_mm),
        area_mm2=area,
        area_sigma_mm2=math.hypot(_area_sigma_mm2(earlier), _area_sigma_mm2(later)),
    )


def _area_sigma_mm2(finding: Finding) -> float:
    return finding.size_sigma_mm * math.hypot(finding.length_mm, finding.width_mm)
