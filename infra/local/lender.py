"""The AWS IoT credentials provider on this machine: a drone's certificate in, an hour of rights to the store out.

The protocol is AWS's, so the agent asks here as it asks there: ``GET /role-aliases/<alias>/credentials`` over mutual
TLS, with the thing's name in ``x-amzn-iot-thingname``; 403 when it is not the certificate's. The rights come from the
emulator's own STS, which does not check who may write where: on AWS the role's policy holds a drone to its prefix.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.certificates import Identity
from infra.local.log import report

ROLE_ALIAS = "kestrel-drone"
PATH = f"/role-aliases/{ROLE_ALIAS}/credentials"
LIFE_S = 3600
_ROLE = "arn:aws:iam::000000000000:role/kestrel-drone"


class Rights(NamedTuple):
    """What is lent."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


def url(port: int) -> str:
    """Return where a drone asks a lender on a port."""
    return f"https://127.0.0.1:{port}{PATH}"


Lend = Callable[[str], Rights]


def lend_from_sts(thing: str) -> Rights:
    """Return rights from the STS that the AWS_* variables lead to."""
    lent: dict[str, Any] = boto3.client("sts").assume_role(
        RoleArn=_ROLE, RoleSessionName=thing, DurationSeconds=LIFE_S
    )["Credentials"]
    return Rights(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"], lent["Expiration"])


class Lender(ThreadingHTTPServer):
    """The endpoint; port 0 chooses a free one."""

    daemon_threads = True

    def __init__(
        self, port: int, server: Identity, lend: Lend = lend_from_sts, shut_out: Callable[[], list[str]] = list
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.lend = lend
        self.shut_out = shut_out
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        tls.load_cert_chain(server.cert_file, server.key_file)
        tls.load_verify_locations(server.ca_file)
        tls.verify_mode = ssl.CERT_REQUIRED
        # The handshake happens in the connection's own thread: a client that stalls holds up nobody.
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """Return where a drone asks."""
        return url(self.server_port)

    def handle_error(self, _request: Any, client_address: Any) -> None:
        """Say in one line what went wrong with a client: most often a certificate of another authority."""
        report("credentials_refused", client=str(client_address))


class _Handler(BaseHTTPRequestHandler):
    server: Lender
    timeout = 10

    def do_GET(self) -> None:
        """Lend, or say why not."""
        thing = self.headers.get("x-amzn-iot-thingname", "")
        if self.path != PATH:
            self._answer(404, {"message": f"No role alias at {self.path}."})
        elif thing != self._certificate_name():
            self._answer(403, {"message": "The thing's name is not the certificate's."})
        elif thing in self.server.shut_out():
            self._answer(403, {"message": "The certificate is not active."})
        else:
            self._lend(thing)

    def _lend(self, thing: str) -> None:
        try:
            lent = self.server.lend(thing)
        except (BotoCoreError, ClientError) as error:
            self._answer(503, {"message": f"STS: {error}"})
            return
        report("credentials_lent", thing=thing)
        self._answer(
            200,
            {
                "credentials": {
                    "accessKeyId": lent.access_key_id,
                    "secretAccessKey": lent.secret_access_key,
                    "sessionToken": lent.session_token,
                    "expiration": lent.expiration.isoformat(),
                }
            },
        )

    def _certificate_name(self) -> str:
        connection: Any = self.connection
        subject = (connection.getpeercert() or {}).get("subject", ())
        return next((value for part in subject for name, value in part if name == "commonName"), "")

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing per request; what matters is reported above."""
