"""Questions and answers over one MQTT connection, as AWS IoT's own services speak."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from contracts.errors import Conflict, Unavailable
from edge.backends.keys import P256KeyPairs
from edge.backends.link import Credentials, MqttLink, Post
from edge.life.identity import Papers, Wallet
from edge.life.provisioning import Clerk, Rotation, answers

_CONNECT_S = 15.0
_ANSWER_S = 15.0


class MqttDialogue:
    """A connection for asking; use it as a context. It is subscribed to the answers before anything is asked."""

    def __init__(self, url: str, client_id: str, credentials: Credentials | None, answers: tuple[str, ...]) -> None:
        self._link = MqttLink(url, client_id, credentials, Post(None, answers, (), keeps_session=False))
        self._url = url

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            Unavailable: The broker does not let us in.

        """
        self._link.start()
        if not self._link.wait_connected(_CONNECT_S):
            self._link.stop()
            raise Unavailable(f"{self._url}: no connection.", hint="Are the certificate and the address right?")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.stop()

    def ask(self, topic: str, body: bytes) -> tuple[bool, bytes]:
        """Publish and wait for the answer.

        Raises:
            Unavailable: None comes.

        """
        self._link.publish(topic, body, qos=1, retain=False).result(timeout=_ANSWER_S)
        deadline = time.monotonic() + _ANSWER_S
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                message = self._link.inbox.get(timeout=left_s)
            except queue.Empty:
                break
            message.settle()
            if message.topic in (f"{topic}/accepted", f"{topic}/rejected"):
                return message.topic.endswith("/accepted"), message.payload
        raise Unavailable(f"{topic}: no answer in {_ANSWER_S:.0f} s.", hint="Is the topic allowed by the policy?")


def lets_in(url: str, client_id: str, credentials: Credentials) -> bool:
    """Tell whether the broker lets a certificate in."""
    try:
        with MqttDialogue(url, client_id, credentials, ()):
            return True
    except Unavailable:
        return False


def provisioned(state_dir: Path, url: str, claim: Credentials, template: str, serial: str) -> Papers:
    """Provision a new drone with a claim certificate; return its own papers, tried out and in use.

    Raises:
        Conflict: It has an identity already.
        PlatformError: The cloud refuses or does not answer.

    """
    wallet = Wallet(state_dir / "identity", P256KeyPairs())
    if wallet.current.whole:
        raise Conflict(f"{wallet.current.folder} holds an identity.", hint="Rotate it, or remove it to start anew.")
    if not wallet.next.whole:
        with MqttDialogue(url, serial, claim, answers(template)) as dialogue:
            Clerk(wallet, template, serial).apply(dialogue)
    thing = wallet.next.identity().thing_name
    if not lets_in(url, thing, Credentials(claim.ca_file, wallet.next.cert_file, wallet.next.key_file)):
        raise Unavailable("The broker does not let the new certificate in yet.", hint="Run the verb again.")
    wallet.switch()
    return wallet.current


def rotated(url: str, ca_file: Path, wallet: Wallet, template: str, revoke: Callable[[str], None]) -> bool | None:
    """Do the next step of a rotation that is due, beside the link in use, under a client id of its own.

    Raises:
        Unavailable: The broker cannot be reached.

    """
    thing = wallet.current.identity().thing_name
    beside = f"{thing}-papers"

    def proves() -> bool:
        return lets_in(url, beside, Credentials(ca_file, wallet.next.cert_file, wallet.next.key_file))

    own = Credentials(ca_file, wallet.current.cert_file, wallet.current.key_file)
    with MqttDialogue(url, beside, own, answers(template)) as dialogue:
        return Rotation(wallet, Clerk(wallet, template, thing), proves, revoke).step(dialogue, due=True)
