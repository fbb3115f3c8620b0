"""Why the drone says no, by code."""

from __future__ import annotations

from contracts.errors import Conflict, Forbidden, InvalidInput, NotAuthenticated, Unavailable


class BadSignature(NotAuthenticated):
    """The command was not signed by a key this drone trusts."""

    code = "bad_signature"


class WrongDrone(Forbidden):
    """The command is meant for another drone."""

    code = "wrong_drone"


class Expired(Conflict):
    """The command came too late by the drone's own clock."""

    code = "expired"


class FromTheFuture(Conflict):
    """The command was issued later than the drone's own clock says it is."""

    code = "clock_skew"


class Replayed(Conflict):
    """A command of this or a higher sequence number was accepted before."""

    code = "replayed"


class RouteMismatch(InvalidInput):
    """The route is not the one that was approved."""

    code = "route_hash_mismatch"


class RouteChanged(Conflict):
    """The route to be changed is not the one being flown."""

    code = "route_changed"


class UnexpectedState(Conflict):
    """The drone is not in a state the command was meant for."""

    code = "unexpected_state"


class LivesTooLong(Conflict):
    """The command would stay valid for longer than its kind may."""

    code = "lives_too_long"


class ClockUntrusted(Conflict):
    """The drone cannot tell whether the command is still valid: it must echo a nonce."""

    code = "clock_untrusted"


class NotApproved(Forbidden):
    """A safety margin would be lowered, and not enough different people approved."""

    code = "not_approved"


class UnsafeRoute(InvalidInput):
    """Flying the route would break a rule of the drone."""

    code = "unsafe_route"


class NotReady(Conflict):
    """The aircraft is in a state that forbids the command."""

    code = "not_ready"


class ReturnBlocked(Conflict):
    """No way home is known to be clear; the aircraft holds."""

    code = "return_blocked"


class AutopilotSilent(Unavailable):
    """The autopilot does not answer."""

    code = "autopilot_lost"


class AutopilotRefused(Conflict):
    """The autopilot answered no."""

    code = "autopilot_refused"


class ReadsBackDifferently(AutopilotRefused):
    """What the autopilot stores is not what it was sent; nothing of it is flown."""

    code = "reads_back_differently"


class NoEffect(Unavailable):
    """The autopilot said yes and nothing happened in time."""

    code = "no_effect"


class Preempted(Conflict):
    """A safety command took over."""

    code = "preempted"
