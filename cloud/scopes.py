"""What an API key may reach: resource x read or write, where a resource is what a path of /v1 begins with."""

from __future__ import annotations

from collections.abc import Iterable

from contracts.errors import Forbidden, InvalidInput
from contracts.vocabulary import Role

NEVER = frozenset({"keys", "users", "me"})
"""Not grantable: a key makes no keys. ``/v1/me`` is open to every key."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_READS_BY_POST = frozenset({"/v1/assistant/ask", "/v1/routes/convert", "/v1/routes/checks"})
_REVIEWS = frozenset({"findings", "candidates", "blind-audits", "decisions", "detectors"})
_CONNECTS = frozenset({"webhooks"})
PLATFORM_WIDE = frozenset({"policies:write", "due-rules:write", "repairs:write", "detectors:write"})
"""What a key that is limited to sites cannot have: crews and parts, for one, go to every site."""


def resource_of(path: str) -> str:
    """Return the resource a path belongs to; commands to aircraft are one of their own, whatever they hang under."""
    parts = path.split("/")
    return "commands" if parts[-1] == "commands" else parts[2].removesuffix(".json") if len(parts) > 2 else ""


def needed(method: str, path: str) -> str:
    """Return the scope a request needs, such as ``flights:read``."""
    reads = method in _SAFE or path in _READS_BY_POST
    return f"{resource_of(path)}:{'read' if reads else 'write'}"


def check(scopes: Iterable[str], method: str, path: str) -> None:
    """Let a request pass that a key's scopes cover; write covers read.

    Raises:
        Forbidden: They do not; the message names the scope that would.

    """
    wanted = needed(method, path)
    covered = {wanted, wanted.replace(":read", ":write")}
    if not path.startswith("/v1/") or (path != "/v1/me" and covered.isdisjoint(scopes)):
        raise Forbidden(f"This API key may not do {method} {path}.", hint=f"It takes the scope {wanted}.")


def validate(scopes: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Return scopes, sorted, each once.

    Raises:
        InvalidInput: One names a resource that no path has, or one that keys may not reach.

    """
    known = {resource_of(path) for path in paths if path.startswith("/v1/")} - NEVER - {""}
    chosen = sorted(set(scopes))
    for scope in chosen:
        if scope.partition(":")[0] not in known:
            raise InvalidInput(f"No scope {scope!r}.", hint=f"Resources: {', '.join(sorted(known))}.", field="scopes")
    return chosen


def refuse_platform_wide(scopes: Iterable[str]) -> None:
    """Refuse a key of some sites what would change all of them; InvalidInput names the scope."""
    wide = sorted(PLATFORM_WIDE.intersection(scopes))
    if wide:
        hint = "Leave the scope out, or the limit."
        raise InvalidInput(f"{wide[0]} changes every site; a key of some sites may not.", hint=hint, field="scopes")


def roles_of(scopes: Iterable[str]) -> frozenset[Role]:
    """Return the roles a key acts with: never an administrator's, and only what its scopes need."""
    roles = {Role.VIEWER}
    for scope in scopes:
        resource, _, level = scope.partition(":")
        if level == "write":
            if resource in _REVIEWS:
                roles |= {Role.ANALYST, Role.REVIEWER}
            else:
                roles.add(Role.INTEGRATION if resource in _CONNECTS else Role.OPERATOR)
    return frozenset(roles)
