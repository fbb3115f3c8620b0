"""Whether the broker lets the platform in: a TLS handshake with its certificate, by no MQTT client."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from cloud.backends.link import Credentials
from contracts.errors import Unavailable

_PATIENCE_S = 1.5


class BrokerDoor:
    """The broker's port."""

    def __init__(self, url: str, credentials: Credentials | None) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname or "", parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        self._tls = _tls(credentials) if credentials else None

    def reach(self) -> None:
        """Knock.

        Raises:
            Unavailable: Nobody opens, or not to us.

        """
        try:
            with socket.create_connection(self._address, timeout=_PATIENCE_S) as plain:
                if self._tls is not None:
                    self._tls.wrap_socket(plain, server_hostname=self._address[0]).close()
        except OSError as error:
            host, port = self._address
            raise Unavailable(f"The broker at {host}:{port} does not answer: {error}.") from error


def _tls(credentials: Credentials) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=str(credentials.ca_file))
    made.load_cert_chain(credentials.cert_file, credentials.key_file)
    return made
