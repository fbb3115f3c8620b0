"""From objects in S3 to rows, vision jobs and findings: consumed, buried, reconciled."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from cloud import dead_letters, executions, media
from cloud.assistant.transcripts import KEPT_DAYS
from cloud.consume import Consumer, consumers, event_for
from cloud.db import Database
from cloud.reconcile import MAX_ATTEMPTS, Reconciler
from cloud.services import Services
from cloud.tables import Asset, Base, DeadLetter, Finding, Flight, Media, Outgoing, Transcript, WorkflowRun
from contracts import media as keys
from contracts.errors import Conflict, NotFound, Unavailable
from contracts.events import AnalyseSegment, BatchReady
from contracts.geo import Pose
from contracts.media import FlightMedia, FrameTime, PoseSample, SegmentManifest
from contracts.optics import CameraIntrinsics
from contracts.pipeline import Pipeline
from contracts.powerline import LineTower, PowerLine
from contracts.resources import DETECTIONS_QUEUE, MAX_RECEIVES, MEDIA_EVENTS_QUEUE, VISION_JOBS_QUEUE
from contracts.tower import TelecomTower
from contracts.turbine import TurbineGeometry
from tests.clean_database import empty
from tests.factories import MemoryObjects, World
from tests.sightings import POINT, batch, detection
from tests.stand_ins import MemoryQueues, MemoryWorkflows, services_on

VIDEO = b"not really a video"
FOREIGN = b'{"flight_id": "flt-y", "drone_id": "merlin-1", "expected_segments": 1}'
BESIDE = POINT.model_copy(update={"lat_deg": POINT.lat_deg + 0.002})
NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


class Bench:
    """Services with a real database, a flight that has landed, and what it uploads."""

    def __init__(
        self, services: Services, queues: MemoryQueues, objects: MemoryObjects, flows: MemoryWorkflows
    ) -> None:
        self.services, self.queues, self.objects, self.flows = services, queues, objects, flows
        self.media_events, self.detections, _findings = consumers(services)
        with services.database.session() as session:
            world = World(session, NOW)
            world.site()
            flight = world.flight(world.asset("T-01", 260.0, 0.0), world.drone(), NOW, state="landed")
            self.flight_id, self.drone_id = flight.flight_id, flight.drone_id

    def manifest(self, index: int = 0, video: bytes = VIDEO) -> SegmentManifest:
        pose = Pose(point=POINT, yaw_deg=60.0, pitch_deg=0.0)
        return SegmentManifest(
            segment_id=f"{self.flight_id}.{index:05d}", flight_id=self.flight_id, drone_id=self.drone_id,
            asset_id="t-01", index=index, sha256=hashlib.sha256(video).hexdigest(), size_bytes=len(video),
            codec="h264", started_at=NOW, frames=tuple(FrameTime(pts_ms=100.0 * i, t_us=i) for i in range(51)),
            poses=(PoseSample(t_us=0, pose=pose), PoseSample(t_us=1, pose=pose)),
            camera=CameraIntrinsics(width_px=3840, height_px=2160, focal_px=6000.0),
        )  # fmt: skip

    def upload(self, index: int = 0, stored: bytes = VIDEO) -> str:
        """Store a video and its manifest; return the manifest's key."""
        manifest = self.manifest(index)
        self.objects.put(keys.video_key(self.drone_id, self.flight_id, index), stored, "video/mp4")
        key = keys.manifest_key(self.drone_id, self.flight_id, index)
        self.objects.put(key, manifest.model_dump_json().encode(), "application/json")
        return key

    def ended(self, segments: int) -> str:
        """Store the flight's record; return its key."""
        record = FlightMedia(flight_id=self.flight_id, drone_id=self.drone_id, expected_segments=segments)
        key = keys.flight_media_key(self.drone_id, self.flight_id)
        self.objects.put(key, record.model_dump_json().encode(), "application/json")
        return key

    def event(self, key: str) -> None:
        self.queues.send(MEDIA_EVENTS_QUEUE, event_for(key))

    def analysed(self, index: int = 0, length_mm: float = 600.0) -> BatchReady:
        """Store what vision found in a segment."""
        segment = f"{self.flight_id}.{index:05d}"
        body = batch(segment, detection(f"{segment}-a", segment=segment, length_mm=length_mm))
        body = body.model_copy(update={"video_sha256": hashlib.sha256(VIDEO).hexdigest()})
        key = keys.batch_key(segment, body.model.sha256)
        self.objects.put(key, body.model_dump_json().encode(), "application/json")
        return BatchReady(segment_id=segment, batch_key=key)

    def media(self, index: int = 0) -> Media:
        with self.services.database.session() as session:
            return session.get_one(Media, f"{self.flight_id}.{index:05d}")

    def letters(self) -> list[DeadLetter]:
        with self.services.database.session() as session:
            return list(session.scalars(select(DeadLetter)))

    def jobs(self) -> list[str]:
        return [AnalyseSegment.model_validate_json(b).segment_id for b in self.queues.bodies(VISION_JOBS_QUEUE)]

    def flight_state(self) -> str:
        with self.services.database.session() as session:
            return session.get_one(Flight, self.flight_id).state

    def dump(self) -> list[tuple[object, ...]]:
        with self.services.database.session() as session:
            tables = Base.metadata.sorted_tables
            return [(t.name, *row) for t in tables for row in sorted(session.execute(t.select()), key=repr)]

    def reconciler(self) -> Reconciler:
        return Reconciler(self.services, every_s=20.0)

    def age(self, seconds: float) -> None:
        """Make every media row older."""
        with self.services.database.session() as session:
            past = timedelta(seconds=seconds)
            session.execute(update(Media).values(stored_at=Media.stored_at - past, queued_at=Media.queued_at - past))


@pytest.fixture(scope="module")
def opened(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def bench(opened: Database, database_url: str) -> Bench:
    empty(opened)
    services = services_on(opened, database_url)
    queues, objects, flows = services.queues, services.objects, services.workflows
    assert isinstance(queues, MemoryQueues)
    assert isinstance(objects, MemoryObjects)
    assert isinstance(flows, MemoryWorkflows)
    return Bench(services, queues, objects, flows)


def test_a_geometry_of_another_class_is_not_given_to_vision(bench: Bench) -> None:
    with bench.services.database.session() as session:
        session.execute(update(Asset).values(kind="telecom_tower", geometry={"height_m": 40.0}))
    bench.event(bench.upload())
    bench.media_events.step()
    assert [AnalyseSegment.model_validate_json(b).geometry for b in bench.queues.bodies(VISION_JOBS_QUEUE)] == [None]


@pytest.mark.parametrize(
    "geometry",
    [
        TelecomTower(foot=POINT),
        PowerLine(towers=(LineTower(name="1", foot=POINT), LineTower(name="2", foot=BESIDE))),
        Pipeline(centre_line=(POINT, BESIDE)),
    ],
    ids=lambda geometry: str(geometry.kind),
)
def test_a_segment_is_given_to_vision_with_its_asset(
    bench: Bench, geometry: TelecomTower | PowerLine | Pipeline
) -> None:
    with bench.services.database.session() as session:
        session.execute(update(Asset).values(kind=geometry.kind, geometry=geometry.model_dump(mode="json")))
    bench.event(bench.upload())
    bench.media_events.step()
    jobs = [AnalyseSegment.model_validate_json(body) for body in bench.queues.bodies(VISION_JOBS_QUEUE)]
    assert [job.geometry for job in jobs] == [geometry]


def test_a_stored_segment_is_recorded_queued_and_its_drone_told(bench: Bench) -> None:
    bench.event(bench.upload())
    assert bench.media_events.step() is True
    row = bench.media()
    assert (row.state, row.attempts, row.size_bytes, row.frames) == ("queued", 1, len(VIDEO), 51)
    assert row.duration_s == pytest.approx(5.1)
    assert bench.jobs() == [row.segment_id]
    with bench.services.database.session() as session:
        told = session.scalars(select(Outgoing)).one()
        assert told.topic == f"kestrel/v1/drones/{bench.drone_id}/verified"
        assert told.payload == {"segment_id": row.segment_id, "sha256": hashlib.sha256(VIDEO).hexdigest()}
    assert bench.media_events.step() is None


def test_the_event_again_sends_no_second_job(bench: Bench) -> None:
    key = bench.upload()
    for _ in range(2):
        bench.event(key)
        assert bench.media_events.step() is True
    assert len(bench.jobs()) == 1
    assert bench.media().attempts == 1


def test_a_video_that_does_not_match_is_failed_buried_and_not_verified(bench: Bench) -> None:
    key = bench.upload(stored=VIDEO[:-1])
    bench.event(key)
    assert bench.media_events.step() is True
    assert bench.media().state == "failed"
    assert "does not match its manifest" in bench.media().reason
    (letter,) = bench.letters()
    assert (letter.source, letter.key) == (MEDIA_EVENTS_QUEUE, key)
    assert bench.jobs() == []
    with bench.services.database.session() as session:
        assert session.scalars(select(Outgoing)).first() is None


def test_a_good_upload_after_a_bad_one_mends_the_segment(bench: Bench) -> None:
    bench.event(bench.upload(stored=b"broken"))
    bench.media_events.step()
    bench.event(bench.upload())
    assert bench.media_events.step() is True
    assert (bench.media().state, bench.media().reason) == ("queued", "")


def test_another_video_for_a_good_segment_is_refused(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    other = bench.manifest(video=b"another video")
    bench.objects.put(keys.video_key(bench.drone_id, bench.flight_id, 0), b"another video", "video/mp4")
    key = keys.manifest_key(bench.drone_id, bench.flight_id, 0)
    bench.objects.put(key, other.model_dump_json().encode(), "application/json")
    bench.event(key)
    assert bench.media_events.step() is True
    assert "recorded already with another video" in bench.letters()[0].reason
    assert bench.media().sha256 == hashlib.sha256(VIDEO).hexdigest()


@pytest.mark.parametrize(
    ("key", "body", "says"),
    [
        ("flights/merlin-1/flt-x/00000.json", b"{}", "segment_id: Field required"),
        ("flights/merlin-1/flt-x/00000.json", b"\xff\xfe", "Invalid JSON"),
        ("flights/merlin-1/flt-x/flight.json", FOREIGN, "another flight"),
        ("elsewhere/x.json", b"{}", "is not a flight object"),
        ("flights/merlin-1/../secrets/x.json", b"{}", "is not a flight object"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_buried_at_once(bench: Bench, key: str, body: bytes, says: str) -> None:
    bench.objects.put(key, body, "application/json")
    bench.event(key)
    assert bench.media_events.step() is True
    assert says in bench.letters()[0].reason


def test_a_manifest_under_another_segments_key_is_buried(bench: Bench) -> None:
    bench.upload(0)
    key = keys.manifest_key(bench.drone_id, bench.flight_id, 7)
    bench.objects.put(key, bench.manifest(0).model_dump_json().encode(), "application/json")
    bench.event(key)
    assert bench.media_events.step() is True
    assert "holds the manifest of" in bench.letters()[0].reason


def test_a_missing_video_is_tried_again_and_then_buried(bench: Bench) -> None:
    key = bench.upload()
    del bench.objects.stored[keys.video_key(bench.drone_id, bench.flight_id, 0)]
    bench.event(key)
    for _ in range(MAX_RECEIVES - 1):
        assert bench.media_events.step() is False
        bench.queues.reappear()
    assert bench.media_events.step() is True
    assert "is not stored" in bench.letters()[0].reason


def test_an_outage_is_never_buried(bench: Bench) -> None:
    def down(services: Services, body: str) -> None:
        raise Unavailable("The database does not answer.")

    consumer = Consumer(bench.services, MEDIA_EVENTS_QUEUE, down)
    bench.event("flights/merlin-1/flt-x/00000.json")
    for _ in range(MAX_RECEIVES + 3):
        assert consumer.step() is False
        bench.queues.reappear()
    assert bench.letters() == []


def test_a_dead_letter_can_be_replayed(bench: Bench) -> None:
    key = bench.upload(stored=b"broken")
    bench.event(key)
    bench.media_events.step()
    bench.upload()
    letter = bench.letters()[0]
    with bench.services.database.session() as session:
        dead_letters.replay(session, bench.queues, letter.id, by="ops")
    assert bench.media_events.step() is True
    assert bench.media().state == "queued"
    assert bench.letters()[0].replayed_at is not None


def test_a_letter_that_came_from_no_queue_or_was_cut_cannot_be_replayed(bench: Bench) -> None:
    with bench.services.database.session() as session:
        dead_letters.bury(session, "mqtt", "k", "bad", "x")
        dead_letters.bury(session, MEDIA_EVENTS_QUEUE, "long", "bad", "x" * 5000)
    for letter in bench.letters():
        with bench.services.database.session() as session, pytest.raises(Conflict):
            dead_letters.replay(session, bench.queues, letter.id, by="ops")
    with bench.services.database.session() as session, pytest.raises(NotFound):
        dead_letters.replay(session, bench.queues, 999, by="ops")


def test_detections_become_findings_and_start_the_workflow(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.event(bench.ended(1))
    bench.media_events.step()
    bench.media_events.step()
    bench.queues.send(DETECTIONS_QUEUE, bench.analysed().model_dump_json())
    assert bench.detections.step() is True
    with bench.services.database.session() as session:
        finding = session.scalars(select(Finding)).one()
        runs = {run.execution_name: (run.state, run.arn) for run in session.scalars(select(WorkflowRun))}
        wanted = (finding.finding_id, finding.flight_id)  # the finding's ticket, and the flight's end
        assert runs == {name: ("running", f"arn:{name}") for name in wanted}
    assert bench.media().state == "analysed"
    assert bench.flight_state() == "complete"


def test_a_segment_vision_cannot_read_is_failed_and_the_flight_still_completes(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.event(bench.ended(1))
    bench.media_events.step()
    bench.media_events.step()
    ready = BatchReady(segment_id=bench.media().segment_id, batch_key="", failed_reason="No frame can be decoded.")
    bench.queues.send(DETECTIONS_QUEUE, ready.model_dump_json())
    assert bench.detections.step() is True
    assert (bench.media().state, bench.media().reason) == ("failed", "No frame can be decoded.")
    assert bench.flight_state() == "complete"


def test_nothing_to_mend_changes_nothing(bench: Bench) -> None:
    before = bench.dump()
    assert bench.reconciler().run() == ({}, False)
    assert bench.dump() == before


def test_objects_whose_events_were_lost_are_recorded(bench: Bench) -> None:
    bench.upload(0)
    bench.upload(1)
    bench.ended(2)
    reconciler = bench.reconciler()
    done, failed = reconciler.run()
    assert (dict(done), failed) == ({"objects_recorded": 3}, False)
    assert len(bench.jobs()) == 2
    before = bench.dump()
    assert reconciler.run() == ({}, False)
    assert bench.dump() == before


def test_a_bad_object_is_buried_once_by_the_reconciler(bench: Bench) -> None:
    key = keys.manifest_key(bench.drone_id, bench.flight_id, 3)
    bench.objects.put(key, b"{}", "application/json")
    reconciler = bench.reconciler()
    assert reconciler.run()[0]["objects_recorded"] == 1
    assert [letter.key for letter in bench.letters()] == [key]
    assert reconciler.run() == ({}, False)


def test_a_job_that_was_never_sent_is_sent(bench: Bench) -> None:
    key = bench.upload()
    manifest = bench.manifest()
    with bench.services.database.session() as session:
        media.record_segment(session, manifest, len(VIDEO), "", manifest.sha256)
    assert key
    done, _ = bench.reconciler().run()
    assert done == {"jobs_sent": 1}
    assert bench.media().state == "queued"


def test_jobs_lost_with_the_queue_are_sent_again_until_given_up(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.event(bench.ended(1))
    bench.media_events.step()
    bench.media_events.step()
    reconciler = bench.reconciler()
    reconciler.step()
    for attempt in range(2, MAX_ATTEMPTS + 1):
        bench.queues.lose_all()
        bench.age(60)
        assert reconciler.run()[0] == {"jobs_sent_again": 1}
        assert bench.media().attempts == attempt
        assert reconciler.run() == ({}, False)
    bench.queues.lose_all()
    bench.age(60)
    assert reconciler.run()[0] == {"segments_given_up": 1, "workflows_started": 1}  # of the flight's end
    assert bench.media().state == "failed"
    assert "no answer in 5 attempts" in bench.media().reason
    assert bench.flight_state() == "complete"


def test_a_segment_still_in_the_queue_is_left_alone(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    bench.age(60)
    assert bench.reconciler().run() == ({}, False)
    assert bench.media().attempts == 1


def test_an_answer_whose_message_was_lost_is_found_in_s3(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    bench.queues.lose_all()
    bench.analysed()
    bench.age(60)
    assert bench.reconciler().run()[0] == {"answers_found": 1, "workflows_started": 1}
    assert bench.media().state == "analysed"


def test_an_answer_about_another_video_is_no_answer(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    bench.queues.lose_all()
    ready = bench.analysed()
    bench.objects.stored[ready.batch_key] = bench.objects.stored[ready.batch_key].replace(
        hashlib.sha256(VIDEO).hexdigest().encode(), b"0" * 64
    )
    bench.age(60)
    assert bench.reconciler().run() == ({"jobs_sent_again": 1}, False)


def test_an_answer_held_by_a_consumer_that_died_is_taken_from_s3(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    bench.queues.send(DETECTIONS_QUEUE, bench.analysed().model_dump_json())
    assert bench.queues.receive(DETECTIONS_QUEUE)
    bench.age(60)
    assert bench.reconciler().run()[0] == {"answers_found": 1, "workflows_started": 1}


def test_runs_that_step_functions_forgot_are_run_again_until_a_person_must_look(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    bench.queues.send(DETECTIONS_QUEUE, bench.analysed().model_dump_json())
    bench.detections.step()
    for _ in range(1, executions.MAX_RUNS):
        bench.flows.executions.clear()
        done, _ = bench.reconciler().run()
        assert done == {"workflows_lost": 1, "workflows_started": 1}
    bench.flows.executions.clear()
    assert bench.reconciler().run()[0] == {"workflows_gave_up": 1}
    assert bench.reconciler().run() == ({}, False)
    with bench.services.database.session() as session:
        runs = session.scalars(select(WorkflowRun).order_by(WorkflowRun.created_at)).all()
        assert len(runs) == executions.MAX_RUNS
        assert {r.state for r in runs} == {"failed"}
        assert "a person must look" in runs[-1].hint


def test_a_run_that_ended_without_its_record_is_run_again(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    bench.queues.send(DETECTIONS_QUEUE, bench.analysed().model_dump_json())
    bench.detections.step()
    (arn,) = bench.flows.executions
    bench.flows.executions[arn] = "FAILED"
    assert bench.reconciler().run()[0] == {"workflows_lost": 1, "workflows_started": 1}
    with bench.services.database.session() as session:
        hints = [r.hint for r in session.scalars(select(WorkflowRun).where(WorkflowRun.state == "failed"))]
        assert hints == ["It ended FAILED without a record; it was run again."]


def test_while_step_functions_is_down_runs_stay_wanted(bench: Bench) -> None:
    bench.event(bench.upload())
    bench.media_events.step()
    bench.flows.down = Unavailable("Step Functions did not answer.")
    bench.queues.send(DETECTIONS_QUEUE, bench.analysed().model_dump_json())
    assert bench.detections.step() is True
    bench.flows.down = None
    assert bench.reconciler().run()[0] == {"workflows_started": 1}


def test_a_critical_finding_without_a_workflow_gets_one(bench: Bench) -> None:
    with bench.services.database.session() as session:
        world = World(session, NOW, seed=99)
        flight = session.get_one(Flight, bench.flight_id)
        world.geometries["t-01"] = TurbineGeometry.model_validate(session.get_one(Asset, "t-01").geometry)
        wanted = world.finding(flight, detection("x").kind, rank=5).finding_id
        world.finding(flight, detection("x").kind, rank=5, status="rejected")
        world.finding(flight, detection("x").kind, rank=3)
    assert bench.reconciler().run()[0] == {"workflows_wanted": 1, "workflows_started": 1}
    assert list(bench.flows.inputs) == [wanted]


def test_a_part_that_fails_does_not_stop_the_others(bench: Bench) -> None:
    bench.upload()
    bench.flows.down = Unavailable("Step Functions did not answer.")
    with bench.services.database.session() as session:
        world = World(session, NOW, seed=98)
        world.geometries["t-01"] = TurbineGeometry.model_validate(session.get_one(Asset, "t-01").geometry)
        finding = world.finding(session.get_one(Flight, bench.flight_id), detection("x").kind, rank=5)
        run = world.run(finding, state="running")
        run.arn, run.started_at = "arn:x", NOW
    done, failed = bench.reconciler().run()
    assert failed
    assert done["objects_recorded"] == 1


def test_a_pass_runs_at_start_and_then_when_it_is_due(bench: Bench) -> None:
    now = [100.0]
    reconciler = Reconciler(bench.services, every_s=20.0, clock=lambda: now[0])
    assert [reconciler.step(), reconciler.step()] == [True, None]
    now[0] += 20.0
    assert reconciler.step() is True


def test_questions_are_forgotten_when_their_time_is_over(bench: Bench) -> None:
    with bench.services.database.session() as session:
        for name, days in (("asn-old", KEPT_DAYS + 1), ("asn-new", KEPT_DAYS - 1)):
            asked_at = datetime.now(UTC) - timedelta(days=days)
            said: dict[str, Any] = {"channel": "api", "question": "?", "answered": True, "source": "planner"}
            more: dict[str, Any] = {"sentences": [], "removed": [], "steps": [], "elapsed_ms": 1.0}
            session.add(Transcript(transcript_id=name, asked_by="ana", asked_at=asked_at, **said, **more))
    assert bench.reconciler().run() == ({"transcripts_forgotten": 1}, False)
    with bench.services.database.session() as session:
        assert session.scalars(select(Transcript.transcript_id)).all() == ["asn-new"]
