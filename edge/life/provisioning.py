"""Fleet provisioning by claim, and certificate rotation, over AWS IoT's MQTT topics.

A new drone connects with a claim certificate that may do nothing but ask for its own (``CreateCertificateFromCsr``,
then ``RegisterThing`` of a provisioning template). Rotation asks the same way under the current certificate: both are
valid, the new one is tried, then used, then the old one is given up for revocation.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from contracts.errors import Forbidden, InvalidInput, PlatformError, Unavailable
from edge import logbook
from edge.life.identity import Identity, Wallet

CREATE_FROM_CSR = "$aws/certificates/create-from-csr/json"


def register_thing(template: str) -> str:
    """Return the topic that provisions by a template."""
    return f"$aws/provisioning-templates/{template}/provision/json"


def answers(template: str) -> tuple[str, ...]:
    """Return what a drone that asks must be subscribed to before it asks."""
    topics = (CREATE_FROM_CSR, register_thing(template))
    return tuple(f"{topic}/{verdict}" for topic in topics for verdict in ("accepted", "rejected"))


class Dialogue(Protocol):
    """Asks on a topic and waits for ``<topic>/accepted`` or ``<topic>/rejected``."""

    def ask(self, topic: str, body: bytes) -> tuple[bool, bytes]:
        """Return whether it was accepted, and the answer; Unavailable when none comes in time."""


class Clerk:
    """Gets the drone a certificate for a key that it made itself."""

    def __init__(self, wallet: Wallet, template: str, serial: str) -> None:
        self._wallet = wallet
        self._template = template
        self._serial = serial

    def apply(self, dialogue: Dialogue) -> Identity:
        """Have the key in the making certified and the drone registered.

        Killed anywhere it may be called again: the key stays, the ownership token of a lost answer lapses in an hour.

        Raises:
            Forbidden: The cloud refuses.
            Unavailable: It does not answer.
            InvalidInput: Its answer is not what the protocol says, or for another key.

        """
        issued = self._ask(dialogue, CREATE_FROM_CSR, {"certificateSigningRequest": self._wallet.prepare(self._serial)})
        token = _text(issued, "certificateOwnershipToken")
        wanted: dict[str, object] = {"certificateOwnershipToken": token, "parameters": {"SerialNumber": self._serial}}
        registered = self._ask(dialogue, register_thing(self._template), wanted)
        identity = Identity(thing_name=_text(registered, "thingName"), certificate_id=_text(issued, "certificateId"))
        self._wallet.accept(_text(issued, "certificatePem"), identity)
        logbook.note("identity_issued", thing_name=identity.thing_name, certificate_id=identity.certificate_id)
        return identity

    def _ask(self, dialogue: Dialogue, topic: str, body: dict[str, object]) -> dict[str, object]:
        accepted, raw = dialogue.ask(topic, json.dumps(body).encode())
        try:
            answer = dict(json.loads(raw))
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"{topic}: the answer is no JSON object.") from error
        if not accepted:
            said = f"{answer.get('errorCode', '')}: {answer.get('errorMessage', '')}"
            hint = "Is the claim certificate active, and does the template know this serial number?"
            raise Forbidden(f"{topic}: refused ({said}).", hint=hint)
        return answer


class Rotation:
    """Replaces the certificate in use, one step at a time; killed after any, it goes on from there."""

    def __init__(self, wallet: Wallet, clerk: Clerk, proves: Callable[[], bool], revoke: Callable[[str], None]) -> None:
        self._wallet = wallet
        self._clerk = clerk
        self._proves = proves
        self._revoke = revoke

    def step(self, dialogue: Dialogue, *, due: bool) -> bool | None:
        """Do the next step; None when there is none, False when it must be tried again.

        ``due`` begins a rotation; one that has begun is finished whatever it says.
        """
        wallet = self._wallet
        if wallet.previous.whole:
            self._revoke(wallet.previous.identity().certificate_id)
            wallet.forget_previous()
            return True
        if not wallet.next.whole:
            if not due and not wallet.next.folder.exists():
                return None
            return self._apply(dialogue)
        return self._try_out()

    def _apply(self, dialogue: Dialogue) -> bool:
        try:
            self._clerk.apply(dialogue)
        except Unavailable as error:
            logbook.warn("rotation_waits", error=error.message)
            return False
        except PlatformError as error:
            logbook.warn("rotation_refused", code=error.code, error=error.message, hint=error.hint)
            self._wallet.discard_next()
            return False
        return True

    def _try_out(self) -> bool:
        if not self._proves():
            logbook.warn("rotation_not_proved", certificate_id=self._wallet.next.identity().certificate_id)
            return False
        self._wallet.switch()
        logbook.note("identity_switched", certificate_id=self._wallet.current.identity().certificate_id)
        return True


def _text(answer: dict[str, object], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"The answer has no {name}.", field=name)
    return value
