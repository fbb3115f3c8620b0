"""MQTT 5 by the AWS CRT client: AWS IoT Core or a plain broker, by URL."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from awscrt import io, mqtt5
from awscrt.exceptions import AwsCrtError

from contracts import columns
from contracts.errors import InvalidInput, Unavailable
from contracts.reconnect import Pauses, draw_pauses
from edge import logbook
from edge.backends.reachability import Reachability, dial
from edge.inbox import Inbound

_SESSION_S = 3_600
_REFUSED_PAUSE_S = 60.0
_RESUBSCRIBE_S = 2.0
_BETWEEN_CONNECTS_S = 1.0
"""AWS IoT Core takes one CONNECT a second of a client id."""
_AUTH_REFUSALS = (134, 135, 138, 140)
"""MQTT 5: bad user name or password, not authorised, banned, bad authentication method."""


class Patience(NamedTuple):
    """How long silence is borne before it counts as loss: a dead link is noticed within 28 s."""

    keepalive_s: int = 20
    ping_ms: int = 8_000
    connack_ms: int = 10_000
    ack_s: int = 30
    refused_s: float = _REFUSED_PAUSE_S
    rests: Pauses | None = None
    """Between attempts to connect; drawn for each client where none is given."""


class Credentials(NamedTuple):
    """The drone's certificate, its key, and the authority that signed the broker."""

    ca_file: Path
    cert_file: Path
    key_file: Path


class Will(NamedTuple):
    """What the broker says for us when we vanish."""

    topic: str
    payload: bytes


class Post(NamedTuple):
    """What is said and heard; publishes on ``settled_by_us`` are acknowledged by whoever handles them."""

    will: Will | None
    subscriptions: tuple[str, ...]
    settled_by_us: tuple[str, ...]
    keeps_session: bool = True
    """Whether what was sent while we were away is delivered on return; answers to old questions must not be."""


class MqttLink:
    """One connection; callbacks only hand over to ``inbox``."""

    def __init__(
        self,
        url: str,
        client_id: str,
        credentials: Credentials | None,
        post: Post,
        *,
        aws_iot: bool = False,
        patience: Patience = Patience(),
    ) -> None:
        self.inbox: queue.Queue[Inbound] = queue.Queue()
        self._post = post
        self._connects = 0
        self._up = threading.Event()
        self._stopped = threading.Event()
        self._failed_once = False
        self._patience = patience
        self.alarm: Callable[[str, str], None] = _log_only
        """Told code and detail when the broker will not have us."""
        self._wanted = False
        self._connected = False
        self._timers: set[threading.Timer] = set()
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        self._attempted_at = 0.0
        self._reachability = Reachability(lambda timeout_s: dial(host, port, timeout_s), self._at_once)
        pauses = patience.rests or draw_pauses(longest_ms=60_000)
        self._client: Any = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=host,
                port=port,
                tls_ctx=_tls(credentials) if credentials else None,
                connect_options=_connect_packet(client_id, post, patience.keepalive_s),
                session_behavior=mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS
                if post.keeps_session
                else mqtt5.ClientSessionBehaviorType.CLEAN,
                offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
                extended_validation_and_flow_control_options=_flow_control(aws_iot),
                retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.NONE,
                min_reconnect_delay_ms=pauses.first_ms,
                max_reconnect_delay_ms=pauses.longest_ms,
                ping_timeout_ms=patience.ping_ms,
                connack_timeout_ms=patience.connack_ms,
                ack_timeout_sec=patience.ack_s,
                on_publish_callback_fn=self._on_publish,
                on_lifecycle_event_attempting_connect_fn=self._on_attempt,
                on_lifecycle_event_connection_success_fn=self._on_connect,
                on_lifecycle_event_connection_failure_fn=self._on_failure,
                on_lifecycle_event_disconnection_fn=self._on_disconnect,
                on_lifecycle_event_stopped_fn=lambda _data: self._stopped.set(),
                disable_metrics=not aws_iot,
            )
        )

    @property
    def generation(self) -> int:
        """Return how often it has connected; 0 when it is down now."""
        return self._connects if self._up.is_set() else 0

    def start(self) -> None:
        """Connect, and reconnect for ever."""
        self._wanted = True
        self._client.start()

    def stop(self, farewell: Will | None = None) -> None:
        """Publish a farewell if the link is up, disconnect, and wait for both a little while."""
        if farewell is not None and self.generation:
            sent = self.publish(farewell.topic, farewell.payload, qos=1, retain=True)
            try:
                sent.result(timeout=2.0)
            except Exception as error:  # noqa: BLE001 - the last will says it instead
                logbook.warn("farewell_not_sent", error=str(error))
        self._up.clear()
        self._wanted = False
        self._reachability.rest()
        for timer in tuple(self._timers):
            timer.cancel()
        self._stopped.clear()
        self._client.stop(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION))
        self._stopped.wait(timeout=5.0)

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has accepted us and our subscriptions."""
        return self._up.wait(timeout_s)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> Future[None]:
        """Send; the future ends on PUBACK and fails on a refusal or a lost connection."""
        done: Future[None] = Future()
        content_type = columns.CONTENT_TYPE if columns.is_deflated(payload) else "application/json"
        packet = mqtt5.PublishPacket(
            topic=topic, payload=payload, qos=mqtt5.QoS(qos), retain=retain, content_type=content_type
        )
        sent: Future[Any] = self._client.publish(packet)
        sent.add_done_callback(lambda outcome: _settle(outcome, done, topic))
        return done

    def _on_publish(self, data: Any) -> None:
        packet = data.publish_packet
        settle: Callable[[], None] = _nothing
        if packet.topic in self._post.settled_by_us and packet.qos == mqtt5.QoS.AT_LEAST_ONCE:
            handle = data.acquire_publish_acknowledgement_control()
            settle = lambda: self._client.invoke_publish_acknowledgement(handle)  # noqa: E731
        self.inbox.put(Inbound(packet.topic, bytes(packet.payload or b""), settle))

    def _on_attempt(self, _data: Any) -> None:
        self._attempted_at = time.monotonic()

    def _on_connect(self, _data: Any) -> None:
        self._reachability.rest()
        self._failed_once = False
        self._connected = True
        self._subscribe()

    def _subscribe(self) -> None:
        if not self._connected:
            return
        if not self._post.subscriptions:
            self._set_up()
            return
        packet = mqtt5.SubscribePacket(
            subscriptions=[
                mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE)
                for topic in self._post.subscriptions
            ]
        )
        self._client.subscribe(packet).add_done_callback(self._on_subscribed)

    def _on_subscribed(self, outcome: Future[Any]) -> None:
        if (error := outcome.exception()) is not None:
            logbook.warn("subscribe_failed", error=str(error))
            self._later(_RESUBSCRIBE_S, self._subscribe)
            return
        refused = [str(code) for code in outcome.result().reason_codes if int(code) >= 128]
        if refused:
            self.alarm("subscribe_refused", f"Codes {', '.join(refused)}. The broker's access list lacks this drone.")
            self._later(self._patience.refused_s, self._subscribe)
            return
        self._set_up()

    def _set_up(self) -> None:
        self._connects += 1
        self._up.set()
        logbook.note("link_up", connects=self._connects)

    def _on_failure(self, data: Any) -> None:
        connack = data.connack_packet
        if connack is not None and int(connack.reason_code) in _AUTH_REFUSALS:
            self._hold_off(int(connack.reason_code))
        elif not self._failed_once:
            logbook.warn("link_cannot_connect", error=str(data.exception))
        if connack is None and self._wanted:
            self._reachability.watch()
        self._failed_once = True

    def _at_once(self) -> None:
        """The port answers again: connect now instead of at the end of the client's rest."""
        time.sleep(max(0.0, self._attempted_at + _BETWEEN_CONNECTS_S - time.monotonic()))
        if self._connected:
            return
        self._stopped.clear()
        self._client.stop()
        self._stopped.wait(timeout=5.0)
        self._start_again()  # even if it has not said so: a client left stopped would never connect

    def _hold_off(self, reason: int) -> None:
        """The broker knows us and will not have us: asking every second changes nothing and may get us banned."""
        if not self._failed_once:
            self.alarm("link_refused", f"The broker refuses this drone with reason {reason}. Check its certificate.")
        self._reachability.rest()
        self._client.stop()
        self._later(self._patience.refused_s, self._start_again)

    def _start_again(self) -> None:
        if self._wanted:
            self._client.start()

    def _later(self, delay_s: float, work: Callable[[], None]) -> None:
        if not self._wanted:
            return
        self._timers = {timer for timer in self._timers if timer.is_alive()}
        timer = threading.Timer(delay_s, work)
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def _on_disconnect(self, data: Any) -> None:
        self._up.clear()
        self._connected = False
        if self._wanted:
            self._reachability.watch()
        logbook.warn("link_down", error=str(data.exception))


def _log_only(code: str, detail: str) -> None:
    logbook.warn(code, detail=detail)


def _nothing() -> None:
    """Acknowledged by the client itself."""


def _settle(outcome: Future[Any], done: Future[None], topic: str) -> None:
    if (error := outcome.exception()) is not None:
        done.set_exception(Unavailable(f"{topic}: not sent: {error}."))
        return
    puback = outcome.result().puback
    if puback is not None and int(puback.reason_code) >= 128:
        done.set_exception(Unavailable(f"{topic}: the broker refused with reason {int(puback.reason_code)}."))
        return
    done.set_result(None)


def _connect_packet(client_id: str, post: Post, keepalive_s: int) -> Any:
    will = None
    if post.will is not None:
        will = mqtt5.PublishPacket(
            topic=post.will.topic, payload=post.will.payload, qos=mqtt5.QoS.AT_LEAST_ONCE, retain=True
        )
    return mqtt5.ConnectPacket(
        client_id=client_id,
        keep_alive_interval_sec=keepalive_s,
        session_expiry_interval_sec=_SESSION_S if post.keeps_session else 0,
        will=will,
    )


def _tls(credentials: Credentials) -> Any:
    try:
        options = io.TlsContextOptions.create_client_with_mtls_from_path(
            str(credentials.cert_file), str(credentials.key_file)
        )
        options.override_default_trust_store_from_path(None, str(credentials.ca_file))
    except (OSError, AwsCrtError) as error:
        raise InvalidInput(f"The drone's certificate files: {error}.", hint="See `kestrel-edge check`.") from error
    options.min_tls_ver = io.TlsVersion.TLSv1_2
    return io.ClientTlsContext(options)


def _flow_control(aws_iot: bool) -> Any:
    choice = mqtt5.ExtendedValidationAndFlowControlOptions
    return choice.AWS_IOT_CORE_DEFAULTS if aws_iot else choice.NONE
