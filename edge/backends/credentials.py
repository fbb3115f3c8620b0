"""Short-lived rights to the object store, lent to the drone's certificate by the AWS IoT credentials provider.

The protocol is AWS's (developer guide, "Authorizing direct calls to AWS services"): ``GET /role-aliases/<alias>/
credentials`` over mutual TLS with ``x-amzn-iot-thingname``; the one-machine stack answers the same way. No S3 key lies
on the drone: a stolen card gives what its certificate gives, and nothing once that is revoked.
"""

from __future__ import annotations

import json
import ssl
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from contracts.errors import InvalidInput, Unavailable
from edge import logbook
from edge.backends.signed_http import Keys

_TIMEOUT_S = 10.0
_LAST_S = 600.0
"""So long before they end, or a quarter of their life, rights are no longer used when new ones cannot be had."""


class Files(NamedTuple):
    """The drone's certificate, its key, and the authority that signed the provider."""

    ca_file: Path | None
    cert_file: Path
    key_file: Path


class _Loan(NamedTuple):
    keys: Keys
    half_at: datetime
    """From here on new ones are asked for."""
    last_at: datetime
    """From here on these are not used any more."""


class RoleAlias:
    """Rights under one role alias: fetched when first needed, again at half their life, and when refused as expired."""

    def __init__(self, url: str, thing: str, files: Files) -> None:
        self._url = url
        self._thing = thing
        self._tls = ssl.create_default_context(cafile=str(files.ca_file) if files.ca_file else None)
        self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            self._tls.load_cert_chain(files.cert_file, files.key_file)
        except OSError as error:
            raise InvalidInput(f"The drone's certificate files: {error}.", hint="See `kestrel-edge check`.") from error
        self._lock = threading.Lock()
        self._loan: _Loan | None = None

    def keys(self) -> Keys:
        """Return the rights in hand, new ones where those are past half their life.

        Raises:
            Unavailable: None are lent, and those in hand are at their end.

        """
        with self._lock:
            now = datetime.now(UTC)
            if self._loan is None or now >= self._loan.half_at:
                try:
                    self._loan = self._fetch()
                except Unavailable as error:
                    if self._loan is None or now >= self._loan.last_at:
                        raise
                    logbook.warn("rights_not_renewed", error=error.message)
            return self._loan.keys

    def renew(self) -> None:
        """Fetch new rights at the next call, whatever these say of their end."""
        with self._lock:
            self._loan = None
        logbook.note("rights_renewed", thing=self._thing)

    def _fetch(self) -> _Loan:
        request = urllib.request.Request(self._url, headers={"x-amzn-iot-thingname": self._thing})  # noqa: S310 - settings allow https only
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=self._tls) as answer:  # noqa: S310
                lent = json.loads(answer.read(65_536))["credentials"]
            keys = Keys(lent["accessKeyId"], lent["secretAccessKey"], lent["sessionToken"])
            until, now = datetime.fromisoformat(lent["expiration"]), datetime.now(UTC)
            life_s = (until - now).total_seconds()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"{self._url}: {error}.", hint="Is the drone's certificate still good?") from error
        logbook.note("rights_lent", until=lent["expiration"])
        return _Loan(keys, now + timedelta(seconds=life_s / 2), until - timedelta(seconds=min(life_s / 4, _LAST_S)))
