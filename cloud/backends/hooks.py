"""Messages to webhooks over HTTP: to the address that was looked at, without redirects, proxies or long waits."""

from __future__ import annotations

import time

import httpx

from cloud.webhooks import targets
from cloud.webhooks.courier import Answer
from contracts.errors import Unavailable

_TIMEOUT_S = 10.0


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
                httpx.Client(timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False) as client,
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
