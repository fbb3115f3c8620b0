"""Every page, as the browser tests and the screenshots go through them."""

from __future__ import annotations

from typing import NamedTuple


class Room(NamedTuple):
    """A page: its name, its address on the stocked platform, and what is there once it is drawn."""

    name: str
    path: str
    ready: str = "h1"


ROOMS = (
    Room("operations", "/", "#main .card"),
    Room("review", "/review", "#desk-title"),
    Room("assets", "/assets"),
    Room("asset", "/assets/t-01"),
    Room("asset-mast", "/assets/mast-7"),
    Room("asset-line", "/assets/line-110"),
    Room("asset-pipe", "/assets/pipe-2"),
    Room("plan", "/plan?asset=t-01", ".plan-view"),
    Room("plan-line", "/plan?asset=line-110", ".plan-view"),
    Room("flight", "/flights/flt-11000007", "flight-scrub[data-ready]"),
    Room("insights", "/insights"),
    Room("work", "/waiting"),
    Room("tickets", "/tickets"),
    Room("calendar", "/tickets?view=calendar"),
    Room("fleet", "/fleet"),
    Room("settings", "/settings"),
    Room("settings-people", "/settings/people"),
    Room("settings-keys", "/settings/keys"),
    Room("settings-webhooks", "/settings/webhooks"),
    Room("settings-policies", "/settings/policies?before=wind-gwo-1&after=wind-stricter-2"),
    Room("settings-audit", "/settings/audit"),
    Room("settings-dead-letters", "/settings/dead-letters"),
)
