"""Where a webhook may lead: to the open internet, never back into our own network.

A name is resolved once and the connection goes to the very address that was looked at, so that a name which answers
differently the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from contracts.errors import InvalidInput, Unavailable

Resolve = Callable[[str, int], list[str]]
_HINT = "Give an https address on the public internet."


def check(url: str, *, private: bool) -> SplitResult:
    """Return the parts of an address a webhook may have; ``private`` allows http and our own network.

    Raises:
        InvalidInput: Another scheme, credentials or a fragment in it, or a literal address that is not public.

    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except (ValueError, UnicodeError) as error:
        raise _refused(f"{url[:80]!r} is no address.") from error
    if parts.scheme not in ({"http", "https"} if private else {"https"}):
        raise _refused("Only https is used.")
    if not host or port == 0 or parts.username or parts.password or parts.fragment or not url.isascii():
        raise _refused("An address has a host, and neither credentials nor a fragment.")
    if not private and (_is_literal(host) or "." not in host) and not _is_public(host):
        raise _refused(f"{host} is not public.")
    return parts


def addresses(host: str, port: int, *, private: bool, resolve: Resolve | None = None) -> list[str]:
    """Return the addresses to connect to; all of them are public, unless ``private``.

    Raises:
        Unavailable: The name has no address now.
        InvalidInput: One of its addresses lies in a network that webhooks do not reach.

    """
    found = (resolve or _resolve)(host, port)
    if not found:
        raise Unavailable(f"{host} has no address.", hint="Check the name.")
    hidden = [address for address in found if not _is_public(address)]
    if hidden and not private:
        raise _refused(f"{host} leads to {hidden[0]}, which is not public.")
    return found


def _resolve(host: str, port: int) -> list[str]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"{host} cannot be resolved: {error}.", hint="Check the name.") from error
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def _is_literal(host: str) -> bool:
    """Return whether it is an address, also in the forms that only ``connect`` knows (0x7f.1, 2130706433)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.replace(".", "").removeprefix("0x").isalnum() and host[-1:].isdigit()
    return True


def _is_public(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None) or parsed
    return bool(inner.is_global and parsed.is_global and not inner.is_multicast)


def _refused(why: str) -> InvalidInput:
    return InvalidInput(f"A webhook cannot lead there: {why}", hint=_HINT, field="url")
