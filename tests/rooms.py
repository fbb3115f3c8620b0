"""Every page, as the browser tests and the screenshots go through them."""

from __future__ import annotations

from typing import NamedTuple


class Room(NamedTuple):
    """A page: its name, its address on the stocked platform, and what is there once it is drawn."""

    name: str
    path: str
    ready: str = "h1"
    pictured: bool = False
    """Whether docs/screens keeps its pictures."""

    @property
    def anywhere(self) -> bool:
        """Return whether its address names nothing that only the stocked platform has."""
        return not any(part in self.path for part in ("/assets/", "asset=", "/flights/", "before="))


FAILED = (
    Room("fleet-away", "/fleet"),
    Room("flight-unknown", "/flights/flt-0"),
    Room("plan-refused", "/plan?asset=t-01&standoff_m=400", ".problem"),
    Room("settings-forbidden", "/settings/keys"),
)
"""What cannot be shown, and says why: the database is away, nothing is there, a wish is refused, a role is missing."""
ROOMS = (
    Room("operations", "/", "#main .card", pictured=True),
    Room("review", "/review", "#desk-title", pictured=True),
    Room("blind-audits", "/blind-audits", "svg.frame", pictured=True),
    Room("assets", "/assets", pictured=True),
    Room("asset", "/assets/t-01", pictured=True),
    Room("asset-mast", "/assets/mast-7"),
    Room("asset-line", "/assets/line-110"),
    Room("asset-pipe", "/assets/pipe-2"),
    Room("plan", "/plan?asset=t-01", ".plan-view", pictured=True),
    Room("plan-line", "/plan?asset=line-110", ".plan-view"),
    Room("flight", "/flights/flt-11000007", "flight-scrub[data-ready]", pictured=True),
    Room("flight-line", "/flights/flt-line-flown", "flight-scrub[data-ready]"),
    Room("insights", "/insights", pictured=True),
    Room("waiting", "/waiting", pictured=True),
    Room("tickets", "/tickets", pictured=True),
    Room("calendar", "/tickets?view=calendar", pictured=True),
    Room("repairs", "/tickets/repairs", pictured=True),
    Room("assistant", "/assistant", pictured=True),
    Room("fleet", "/fleet", pictured=True),
    Room("settings", "/settings"),
    Room("settings-people", "/settings/people"),
    Room("settings-keys", "/settings/keys"),
    Room("settings-webhooks", "/settings/webhooks"),
    Room("settings-policies", "/settings/policies?before=wind-gwo-1&after=wind-stricter-2", "#df-h", pictured=True),
    Room("settings-detectors", "/settings/detectors", pictured=True),
    Room("settings-security", "/settings/security", pictured=True),
    Room("settings-audit", "/settings/audit", pictured=True),
    Room("settings-dead-letters", "/settings/dead-letters"),
)
