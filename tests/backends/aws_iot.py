"""AWS IoT's provisioning service as its topics show it, on a Mosquitto that checks every certificate."""

from __future__ import annotations

import json
import secrets
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from edge.backends.link import Credentials, MqttLink, Post
from edge.life.provisioning import CREATE_FROM_CSR, register_thing
from infra.local import certificates
from tests.services import Broker

TEMPLATE = "kestrel-fleet"
_RULES = """user registry
topic readwrite $aws/#
user claim-1
topic readwrite $aws/certificates/#
topic readwrite $aws/provisioning-templates/#
pattern readwrite $aws/things/%u/#
pattern readwrite $aws/certificates/#
pattern readwrite $aws/provisioning-templates/#
"""


class AwsIot:
    """A broker and a registry. ``refuse`` names a topic whose requests are rejected; ``mute`` one left unanswered."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker(folder)
        (folder / "etc" / "access.rules").write_text(_RULES)
        self.issued: dict[str, x509.Certificate] = {}
        self.things: dict[str, str] = {}
        self.requests: list[tuple[str, dict[str, object]]] = []
        self.refuse = self.mute = ""
        self._tokens: dict[str, str] = {}
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self.broker.start()
        identity = certificates.issue_drone(self.broker.keys, "registry")
        self._link = MqttLink(self.broker.url, "registry", Credentials(*identity), Post(None, self.subscriptions(), ()))
        self._link.start()
        assert self._link.wait_connected(10)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._link.stop()
        self.broker.stop()

    def subscriptions(self) -> tuple[str, ...]:
        """Return what the service listens to."""
        return (CREATE_FROM_CSR, register_thing(TEMPLATE))

    @property
    def claim(self) -> Credentials:
        """Return the claim certificate."""
        return Credentials(*certificates.issue_drone(self.broker.keys, "claim-1"))

    def _serve(self) -> None:
        while not self._stop.is_set():
            if self._link.inbox.empty():
                self._stop.wait(0.02)
                continue
            message = self._link.inbox.get()
            asked = dict(json.loads(message.payload))
            self.requests.append((message.topic, asked))
            if message.topic == self.mute:
                continue
            verdict, answer = self._answer(message.topic, asked)
            body = json.dumps(answer).encode()
            self._link.publish(f"{message.topic}/{verdict}", body, qos=1, retain=False).result(timeout=5)

    def _answer(self, topic: str, asked: dict[str, object]) -> tuple[str, dict[str, object]]:
        if topic == self.refuse:
            refusal = {"statusCode": 403, "errorCode": "AccessDenied", "errorMessage": "not on the list"}
            return "rejected", refusal
        if topic == CREATE_FROM_CSR:
            return "accepted", self._sign(str(asked["certificateSigningRequest"]))
        token, parameters = str(asked["certificateOwnershipToken"]), asked["parameters"]
        assert isinstance(parameters, dict)
        if token not in self._tokens:
            return "rejected", {"statusCode": 400, "errorCode": "InvalidCertificateOwnershipToken", "errorMessage": ""}
        thing = str(parameters["SerialNumber"])
        self.things[self._tokens.pop(token)] = thing
        return "accepted", {"deviceConfiguration": {}, "thingName": thing}

    def _sign(self, request_pem: str) -> dict[str, object]:
        request = x509.load_pem_x509_csr(request_pem.encode())
        assert request.is_signature_valid
        keys = self.broker.keys
        authority = x509.load_pem_x509_certificate(keys.ca_file.read_bytes())
        key = load_pem_private_key(keys.ca_key_file.read_bytes(), None)
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(authority.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=30))
            .sign(key, hashes.SHA256())  # type: ignore[arg-type] # the authority's key is an EC key
        )
        certificate_id, token = secrets.token_hex(32), secrets.token_hex(64)
        self.issued[certificate_id] = certificate
        self._tokens[token] = certificate_id
        pem = certificate.public_bytes(Encoding.PEM).decode()
        return {"certificateOwnershipToken": token, "certificateId": certificate_id, "certificatePem": pem}
