"""Messages to webhooks over HTTP: to the address that was looked at, without redirects, proxies or long waits."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from functools import cache

import httpx

from cloud.webhooks import targets
from cloud.webhooks.courier import Answer
from contracts.errors import InvalidInput, Unavailable

_TIMEOUT_S = 10.0
_LATER = frozenset({httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS})


class HttpPost:
    """Posts to public addresses only, unless ``private``."""

    def __init__(self, *, private: bool = False, resolve: targets.Resolve | None = None) -> None:
        self._private = private
        self._resolve = resolve

    def __call__(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Post ``body``; the certificate is checked against the name, the connection goes to the address.

        Raises:
            InvalidInput: The address is one that webhooks do not reach.
            Unavailable: Nothing answers there.

        """
        parts = targets.check(url, private=self._private)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = targets.addresses(host, port, private=self._private, resolve=self._resolve)[0]
        pinned = httpx.URL(url).copy_with(host=address)
        began = time.monotonic()
        try:
            with (
                httpx.Client(verify=_trusted(), timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
                client.stream(
                    "POST",
                    pinned,
                    content=body,
                    headers=headers | {"Host": parts.netloc},
                    extensions={"sni_hostname": host},
                ) as answer,
            ):
                return Answer(answer.status_code, round(1000 * (time.monotonic() - began)))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{host} does not answer: {type(error).__name__} {error}") from error


@cache
def _trusted() -> ssl.SSLContext:
    """Return the authorities that a receiver's certificate is checked by; reading them takes longer than a delivery."""
    return httpx.create_ssl_context(trust_env=False)


class HookChannel:
    """Webhooks of chat programs as a channel of alerts: JSON with ``text``, which they all read."""

    def __init__(self, post: Callable[[str, dict[str, str], bytes], Answer]) -> None:
        self._post = post

    def send(self, address: str, subject: str, text: str, key: str) -> str:
        """Post a message and return its key.

        Raises:
            Unavailable: Nothing answers there, or not now.
            InvalidInput: The address is not reached from here, or refuses.

        """
        body = json.dumps({"text": f"{subject}\n{text}", "title": subject, "key": key}).encode()
        answer = self._post(address, {"content-type": "application/json", "idempotency-key": key}, body)
        if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR or answer.status in _LATER:
            raise Unavailable(f"The webhook answers {answer.status}.", hint="It will be tried again.")
        if not httpx.codes.is_success(answer.status):
            raise InvalidInput(f"The webhook refuses ({answer.status}).", hint="Mend the rota.", field="webhook")
        return key
