"""The autopilot, camera, link and object store of a drone, from its settings. Only here are backends chosen."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from contracts.media import PoseSample
from contracts.topics import COMMANDS, STATUS, UPLOAD_ORDERS, VERIFIED, WATERMARKS
from contracts.vocabulary import AircraftState
from edge.backends.autopilot import MavlinkAutopilot
from edge.backends.camera import camera_at, encoded
from edge.backends.container import Mp4File, whole_frames
from edge.backends.dialogue import rotated
from edge.backends.keys import P256KeyPairs
from edge.backends.link import Credentials, MqttLink, Post, Will
from edge.backends.mavlink_signing import Seal
from edge.backends.release import fetch
from edge.bandwidth import Pacer
from edge.bench import Bench, Tell
from edge.check import Probe, wait_for
from edge.clock import utc_now
from edge.exercise import Exercise, Row
from edge.first_look.card import load_model
from edge.first_look.detection import Means, OnboardDetection
from edge.first_look.process import DetectorProcess, detector_command
from edge.flights import Flights
from edge.life.identity import Wallet
from edge.life.jobs import JobPost, JobUpdate
from edge.life.jobs import topics as job_topics
from edge.life.proof import Signs
from edge.life.shadow import topics as shadow_topics
from edge.life.slots import Slots
from edge.poses import Poses
from edge.recorder import Announce, Rig, Watch
from edge.refusals import AutopilotSilent
from edge.settings import Settings
from edge.status import running_state, status_file

if TYPE_CHECKING:
    from edge.backends.objects import S3Objects


def autopilot_of(settings: Settings, on_pose: Callable[[PoseSample], None]) -> MavlinkAutopilot:
    """Return the autopilot of the settings, with signed messages where there is a key."""
    seal = None
    if settings.mavlink_key_file is not None:
        seal = Seal(settings.mavlink_key_file, settings.state_dir / "mavlink-stamp")
    return MavlinkAutopilot(
        settings.autopilot_url, on_pose, settings.geoid_separation_m, seal, settings.autopilot_system
    )


def rig_of(settings: Settings, watch: Watch) -> Rig:
    """Return the camera of the settings and how its files are written; ``watch`` is shown its key frames."""
    return Rig(settings.drone_id, settings.camera, camera_at(settings.camera_url), Mp4File, whole_frames, watch)


def onboard_detection_of(
    settings: Settings, flights: Flights, poses: Poses, announce: Announce, stop: threading.Event
) -> OnboardDetection:
    """Return what looks at key frames on board; without a detector in the settings it is never to be wanted."""
    weights, sha256 = settings.first_look_model, settings.first_look_sha256 or ""
    command = detector_command(weights or Path(), sha256)
    means = Means(
        settings.drone_id,
        settings.camera,
        sha256,
        settings.first_look_slowest_s,
        lambda: DetectorProcess(command, stop),
        encoded,
    )
    return OnboardDetection(means, flights, poses, announce)


class _WhenAsked:
    """Makes the object store when it is first asked for something: what it needs is not needed to fly."""

    def __init__(self, make: Callable[[], S3Objects]) -> None:
        self._make = make
        self._made: S3Objects | None = None
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            self._made = self._made or self._make()
        return getattr(self._made, name)


def objects_of(settings: Settings, pacer: Pacer | None = None) -> S3Objects:
    """Return the object store of the settings, made when it is first asked for something."""
    return cast("S3Objects", _WhenAsked(lambda: _store(settings, pacer)))


def _store(settings: Settings, pacer: Pacer | None) -> S3Objects:
    """Return the object store, with the rights of the drone's role where there is one."""
    from edge.backends.credentials import Files, RoleAlias  # noqa: PLC0415 - see _WhenAsked
    from edge.backends.objects import S3Objects  # noqa: PLC0415 - the same

    rights = None
    if settings.credentials_url and settings.cert_file and settings.key_file:
        files = Files(settings.ca_file, settings.cert_file, settings.key_file)
        rights = RoleAlias(settings.credentials_url, settings.drone_id, files)
    pace = pacer.spend if pacer else None
    return S3Objects(settings.bucket, pace=pace, rights=rights, checksum=settings.store_checksum)


def link_of(settings: Settings, will: bytes) -> MqttLink:
    """Return the link of the settings; ``will`` is the status that the broker publishes when the drone is lost."""
    credentials = None
    if settings.ca_file and settings.cert_file and settings.key_file and settings.mqtt_url.startswith("mqtts"):
        credentials = Credentials(settings.ca_file, settings.cert_file, settings.key_file)
    mine = settings.drone_id
    shadow = shadow_topics(mine)
    jobs = job_topics(mine)
    asked: tuple[str, ...] = (shadow["got"], shadow["delta"]) if settings.aws_iot else ()
    asked += (jobs["notify"], jobs["started"]) if settings.takes_jobs else ()
    return MqttLink(
        settings.mqtt_url,
        mine,
        credentials,
        Post(
            will_of(settings, will),
            (COMMANDS.of(mine), WATERMARKS.of(mine), VERIFIED.of(mine), UPLOAD_ORDERS.of(mine), *asked),
            settled_by_us=(COMMANDS.of(mine), VERIFIED.of(mine), UPLOAD_ORDERS.of(mine)),
        ),
        aws_iot=settings.aws_iot,
    )


def jobs_of(settings: Settings, slots: Slots, signs: Signs, link: MqttLink) -> JobPost | None:
    """Return what takes updates from AWS IoT Jobs; None where they come by hand."""
    if not settings.takes_jobs or settings.release_keys_dir is None:
        return None
    return JobPost(JobUpdate(slots, settings.release_keys_dir, fetch, signs), link, settings.drone_id)


def wallet_of(settings: Settings) -> Wallet:
    """Return where the drone's certificates lie."""
    return Wallet(settings.state_dir / "identity", P256KeyPairs())


def will_of(settings: Settings, status: bytes) -> Will:
    """Return the status that is left behind at the broker."""
    return Will(STATUS.of(settings.drone_id), status)


def next_certificate(settings: Settings, wallet: Wallet, revoke: Callable[[str], None]) -> bool | None:
    """Do the next step of replacing the drone's certificate; None where the settings know no way to.

    Raises:
        Unavailable: The broker cannot be reached.

    """
    if not settings.provisioning_template or settings.ca_file is None:
        return None
    return rotated(settings.mqtt_url, settings.ca_file, wallet, settings.provisioning_template, revoke)


def probes(settings: Settings) -> dict[str, Probe]:
    """Return what `kestrel-edge check` asks of the autopilot, the camera and the object store."""
    return {
        "autopilot": lambda: _probe_autopilot(settings),
        "camera": lambda: camera_at(settings.camera_url).probe(),
        "first look": lambda: _probe_first_look(settings),
        "bucket": lambda: objects_of(settings).reachable(f"flights/{settings.drone_id}"),
    }


def acceptance_flight(url: str, altitude_m: float, tell: Callable[[Row], None]) -> list[Row]:
    """Fly the exercise on an autopilot that nothing is known of.

    Sea level is taken for the ellipsoid: every place of this flight is relative to home.

    Raises:
        PlatformError: The address is none, or taken.

    """
    autopilot = MavlinkAutopilot(url, lambda _pose: None, geoid_m=0.0)
    autopilot.start()
    try:
        return Exercise(autopilot, altitude_m).run(tell)
    except KeyboardInterrupt:
        autopilot.set_mode("RTL")
        raise
    finally:
        autopilot.stop()


def bench_session(url: str, altitude_m: float, lines: Iterable[str], tell: Tell) -> bool:
    """Obey words on an autopilot that nothing is known of; return whether all went well and it stands again.

    Raises:
        PlatformError: The address is none, or the autopilot is not ready.

    """
    autopilot = MavlinkAutopilot(url, lambda _pose: None, geoid_m=0.0)
    with tempfile.TemporaryDirectory(prefix="kestrel-bench-") as folder:
        bench = Bench(autopilot, Path(folder), altitude_m, tell)
        autopilot.start()
        try:
            with bench.running():
                bench.get_ready()
                try:
                    good = bench.obey(lines)
                except KeyboardInterrupt:
                    good = False
                return bench.come_home() and good
        finally:
            autopilot.stop()


def _probe_first_look(settings: Settings) -> str:
    """Open the detector as the agent does, in a process of its own, and take the time of a tile."""
    if settings.first_look_model is None or settings.first_look_sha256 is None:
        return "No detector on board (EDGE_FIRST_LOOK_MODEL): the cloud finds everything."
    model = load_model(settings.first_look_model, settings.first_look_sha256)
    detector = DetectorProcess(detector_command(settings.first_look_model, model.sha256), threading.Event())
    try:
        tile_s = detector.ready(30.0)
    finally:
        detector.close()
    wanted = "on" if settings.first_look else "off unless the shadow asks for it"
    return f"{settings.first_look_model.name} finds {len(model.kinds)} kinds, {tile_s:.2f} s a tile; {wanted}."


def _probe_autopilot(settings: Settings) -> str:
    if (state := running_state(status_file(settings.state_dir), utc_now())) is not None:
        if state in (AircraftState.NOT_HEARD, AircraftState.DISCONNECTED):
            silent = "has heard no autopilot yet" if state == AircraftState.NOT_HEARD else "hears its autopilot no more"
            raise AutopilotSilent(f"The running agent {silent}.", hint="Check its link and power.")
        return f"The running agent sees it {state}."
    return _heard(autopilot_of(settings, lambda _pose: None), settings.autopilot_url)


def probe_of(url: str) -> dict[str, Probe]:
    """Return what can be asked of an autopilot of which only the address is known."""
    return {"autopilot": lambda: _heard(MavlinkAutopilot(url, lambda _pose: None, geoid_m=0.0), url)}


def _heard(autopilot: MavlinkAutopilot, url: str) -> str:
    autopilot.start()
    try:
        if not wait_for(lambda: autopilot.look().connected, 5.0):
            raise AutopilotSilent(f"{url}: no heartbeat for 5 s.", hint="Check its link and power.")
        wait_for(lambda: autopilot.look().version != "", 1.5)
        reasons = " ".join(autopilot.readiness())
        aircraft = autopilot.look()
        seen = f"{aircraft.autopilot} {aircraft.version}".strip()
        ready = f"Not ready to arm yet: {reasons}" if reasons else "Ready to arm."
        returns = autopilot.learn_habit().words()
        return f"{seen}, mode {aircraft.mode}, battery {aircraft.battery_percent} %. {ready} {returns}"
    finally:
        autopilot.stop()
