"""MQTT 5 by the AWS CRT client, with the platform's certificate: every drone's messages in, messages to drones out."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from awscrt import io, mqtt5
from awscrt.exceptions import AwsCrtError

from cloud.ingest import Received
from cloud.logbook import log
from contracts.errors import Unavailable
from contracts.reconnect import draw_pauses
from contracts.topics import TOPICS, Direction
from instruments import metrics

_KEEPALIVE_S = 20
_PING_TIMEOUT_MS = 8_000
_SESSION_S = 3_600
_RECEIVE_MAXIMUM = 200
_REFUSED = 128
"""MQTT 5 reason codes from here on are refusals."""
_PUBACK_WITHIN_S = 5.0


class Credentials(NamedTuple):
    """The platform's certificate, its key, and the authority that signed the broker."""

    ca_file: Path
    cert_file: Path
    key_file: Path


class MqttLink:
    """One connection. A message is acknowledged to the broker only when ``Received.acknowledge`` is called."""

    def __init__(
        self,
        url: str,
        client_id: str,
        credentials: Credentials | None,
        *,
        shared_group: str = "",
        aws_iot: bool = False,
    ) -> None:
        self._inbox: queue.Queue[Received] = queue.Queue()
        self._up = threading.Event()
        self._stopped = threading.Event()
        self._failed_once = False
        prefix = f"$share/{shared_group}/" if shared_group else ""
        self._filters = [prefix + topic.any_drone() for topic in TOPICS if topic.direction is Direction.UP]
        parts = urlsplit(url)
        choice = mqtt5.ExtendedValidationAndFlowControlOptions
        # A member of a shared group leaves at once: the broker would go on giving its dead session messages.
        behaviour = mqtt5.ClientSessionBehaviorType
        pauses = draw_pauses(longest_ms=10_000)
        self._client: Any = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=parts.hostname or "",
                port=parts.port or (8883 if parts.scheme == "mqtts" else 1883),
                tls_ctx=_tls(credentials) if credentials else None,
                connect_options=mqtt5.ConnectPacket(
                    client_id=client_id,
                    keep_alive_interval_sec=_KEEPALIVE_S,
                    session_expiry_interval_sec=0 if shared_group else _SESSION_S,
                    receive_maximum=_RECEIVE_MAXIMUM,
                ),
                session_behavior=behaviour.CLEAN if shared_group else behaviour.REJOIN_ALWAYS,
                offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
                extended_validation_and_flow_control_options=choice.AWS_IOT_CORE_DEFAULTS if aws_iot else choice.NONE,
                retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.NONE,
                min_reconnect_delay_ms=pauses.first_ms,
                max_reconnect_delay_ms=pauses.longest_ms,
                # Not min_connected_time_to_reset_reconnect_delay_ms: awscrt 0.36.1 takes it for the minimum delay.
                ping_timeout_ms=_PING_TIMEOUT_MS,
                ack_timeout_sec=10,
                on_publish_callback_fn=self._on_publish,
                on_lifecycle_event_connection_success_fn=self._on_connect,
                on_lifecycle_event_connection_failure_fn=self._on_failure,
                on_lifecycle_event_disconnection_fn=self._on_disconnect,
                on_lifecycle_event_stopped_fn=lambda _data: self._stopped.set(),
                disable_metrics=not aws_iot,
            )
        )

    @property
    def connected(self) -> bool:
        """Return whether the broker has accepted us and our subscriptions."""
        return self._up.is_set()

    def start(self) -> None:
        """Connect, and reconnect for ever."""
        self._client.start()

    def stop(self) -> None:
        """Disconnect; waits a little while for it."""
        self._up.clear()
        self._client.stop(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION))
        self._stopped.wait(timeout=5.0)

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until connected; returns whether it is."""
        return self._up.wait(timeout_s)

    def receive(self, max_messages: int, wait_s: float) -> list[Received]:
        """Return what has come, waiting at most ``wait_s`` for the first message."""
        messages: list[Received] = []
        try:
            messages.append(self._inbox.get(timeout=wait_s))
            while len(messages) < max_messages:
                messages.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        return messages

    def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> None:
        """Send at least once and wait for the broker's word.

        Raises:
            Unavailable: Not connected, no answer in time, or refused by the broker.

        """
        packet = mqtt5.PublishPacket(
            topic=topic,
            payload=payload,
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            content_type="application/json",
            message_expiry_interval_sec=expires_s,
        )
        try:
            done = self._client.publish(packet).result(timeout=_PUBACK_WITHIN_S)
        except (AwsCrtError, FutureTimeout) as error:
            raise Unavailable(f"{topic}: not sent: {error}.", hint="It is sent when the broker is back.") from error
        if done.puback is not None and int(done.puback.reason_code) >= _REFUSED:
            raise Unavailable(f"{topic}: the broker refused with reason {int(done.puback.reason_code)}.")

    def _on_publish(self, data: Any) -> None:
        packet = data.publish_packet
        acknowledge: Callable[[], None] = _nothing
        if packet.qos == mqtt5.QoS.AT_LEAST_ONCE:
            acknowledge = partial(self._acknowledge, data.acquire_publish_acknowledgement_control())
        self._inbox.put(Received(packet.topic, bytes(packet.payload or b""), acknowledge))

    def _acknowledge(self, handle: Any) -> None:
        """Tell the broker that a message is safe. After a reconnect it has forgotten: it sends it again."""
        try:
            self._client.invoke_publish_acknowledgement(handle)
        except (AwsCrtError, RuntimeError) as error:
            log("puback_too_late", reason=str(error))

    def _on_connect(self, _data: Any) -> None:
        self._failed_once = False
        subscriptions = [mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE) for topic in self._filters]
        packet = mqtt5.SubscribePacket(subscriptions=subscriptions)
        self._client.subscribe(packet).add_done_callback(self._on_subscribed)

    def _on_subscribed(self, outcome: Future[Any]) -> None:
        if (error := outcome.exception()) is not None:
            log("subscribe_failed", error=str(error))
            return
        refused = [str(code) for code in outcome.result().reason_codes if int(code) >= _REFUSED]
        if refused:
            log("subscribe_refused", codes=refused, hint="The broker's access list does not know the platform.")
            return
        self._up.set()
        metrics.LINK_UP.set(1)
        log("link_up")

    def _on_failure(self, data: Any) -> None:
        if not self._failed_once:
            self._failed_once = True
            log("link_cannot_connect", error=str(data.exception))

    def _on_disconnect(self, data: Any) -> None:
        self._up.clear()
        metrics.LINK_UP.set(0)
        log("link_down", error=str(data.exception))


def _nothing() -> None:
    """Acknowledged by the client itself."""


def _tls(credentials: Credentials) -> Any:
    options = io.TlsContextOptions.create_client_with_mtls_from_path(
        str(credentials.cert_file), str(credentials.key_file)
    )
    options.override_default_trust_store_from_path(None, str(credentials.ca_file))
    options.min_tls_ver = io.TlsVersion.TLSv1_2
    return io.ClientTlsContext(options)
