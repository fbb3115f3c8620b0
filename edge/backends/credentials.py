"""Short-lived rights to the object store, lent to the drone's certificate by the AWS IoT credentials provider.

The protocol is AWS's (developer guide, "Authorizing direct calls to AWS services"): ``GET /role-aliases/<alias>/
credentials`` over mutual TLS with ``x-amzn-iot-thingname``; the one-machine stack answers the same way. No S3 key lies
on the drone: a stolen card gives what its certificate gives, and nothing once that is revoked.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import botocore.session
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import CredentialRetrievalError

from contracts.errors import InvalidInput
from edge import logbook

METHOD = "kestrel-role-alias"
_TIMEOUT_S = 10.0


class Files(NamedTuple):
    """The drone's certificate, its key, and the authority that signed the provider."""

    ca_file: Path | None
    cert_file: Path
    key_file: Path


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
        self.rights = _Lent(self._fetch)

    def session(self) -> Any:
        """Return a botocore session that uses, and renews, the lent rights."""
        session = botocore.session.Session()
        session.register_component("credential_provider", _Lender(self.rights))
        return session

    def renew(self) -> None:
        """Fetch new rights at the next call, whatever these say of their end."""
        self.rights.spoil()
        logbook.note("rights_renewed", thing=self._thing)

    def _fetch(self) -> dict[str, str]:
        request = urllib.request.Request(self._url, headers={"x-amzn-iot-thingname": self._thing})  # noqa: S310 - settings allow https only
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=self._tls) as answer:  # noqa: S310
                lent = json.loads(answer.read(65_536))["credentials"]
            return {
                "access_key": lent["accessKeyId"],
                "secret_key": lent["secretAccessKey"],
                "token": lent["sessionToken"],
                "expiry_time": lent["expiration"],
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CredentialRetrievalError(provider=METHOD, error_msg=f"{self._url}: {error}") from error


class _Lent(DeferredRefreshableCredentials):
    """Rights that are fetched when first needed, and again at half the life they came with."""

    def __init__(self, fetch: Callable[[], dict[str, str]]) -> None:
        self._fetch = fetch
        super().__init__(refresh_using=self._take, method=METHOD)

    def spoil(self) -> None:
        """Be of no use any more; botocore has no other way to say so."""
        self._expiry_time = datetime(1970, 1, 1, tzinfo=UTC)

    def _take(self) -> dict[str, str]:
        lent = self._fetch()
        life_s = (datetime.fromisoformat(lent["expiry_time"]) - datetime.now(UTC)).total_seconds()
        self._advisory_refresh_timeout = life_s / 2
        self._mandatory_refresh_timeout = min(life_s / 4, 600.0)
        logbook.note("rights_lent", until=lent["expiry_time"])
        return lent


class _Lender:
    """What botocore asks for credentials."""

    def __init__(self, rights: _Lent) -> None:
        self._rights = rights

    def load_credentials(self) -> _Lent:
        return self._rights
