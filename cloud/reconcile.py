"""What should have followed from rows and objects, and did not, is made to follow. Safe at any time, any often.

Queues, running workflows and messages may vanish (an emulator is killed, a message is lost); Postgres and S3 do not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cloud import (
    consume,
    dead_letters,
    decisions,
    drone_life,
    executions,
    fleet,
    flights,
    follow_up,
    grading,
    media,
    outages,
    ticket_care,
    ticket_life,
)
from cloud.assistant import transcripts
from cloud.blind import kept
from cloud.history import standing
from cloud.logbook import log, log_failure
from cloud.repairs import book, calendar, crew
from cloud.repairs.methods import load
from cloud.reporting import telling, work_order
from cloud.services import Services
from cloud.tables import CaptureRow, Finding, FirstLookRow, Flight, Media, Outgoing, Ticket, WorkflowRun
from cloud.training import versions
from contracts import media as keys
from contracts import resources
from contracts.errors import MaintenanceRejected, NotFound, PlatformError, Unavailable
from contracts.events import BatchReady
from contracts.vocabulary import FindingStatus, FlightState, MediaState
from instruments import metrics

MAX_ATTEMPTS = 5
"""Times a segment is given to vision before it is called failed."""
_SETTLED = (FlightState.PLANNED, FlightState.COMPLETE, FlightState.ABORTED)
_OPEN_FLIGHTS = tuple(state.value for state in FlightState if state not in _SETTLED)
DIGEST_HOUR_UTC = 5
_LOOKED_AT = 100
"""Segments looked after in one pass, the longest waiting first."""
_OUTGOING_STALE = timedelta(minutes=1)


class Reconciler:
    """A daemon: one pass at start, then one every ``every_s``."""

    def __init__(
        self,
        services: Services,
        *,
        every_s: float,
        grace_s: float = 20.0,
        lost_job_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._every_s = every_s
        self._grace_s = grace_s
        self._lost_job_s = lost_job_s
        self._clock = clock
        self._next_s = 0.0
        self._missing: dict[str, float] = {}
        self._started = False
        self._told_stale = False
        self._maintenance_silent = False

    def step(self) -> bool | None:
        """Run a pass when it is due; None when it is not, False when a part of it failed."""
        if self._started and self._clock() < self._next_s:
            return None
        done, failed = self.run()
        self._started = True
        self._next_s = self._clock() + self._every_s
        if done:
            log("reconciled", **done)
        return not failed

    def run(self) -> tuple[Counter[str], bool]:
        """Run one pass; returns how many of each thing were mended, and whether any part failed."""
        done: Counter[str] = Counter()
        failed = False
        for part in (
            self._stored,
            self._unanswered,
            self._unticketed,
            self._answers,
            self._alerts,
            self._reports,
            self._runs,
            self._maintenance,
            self._repairs,
            self._revocations,
            self._kept,
            self._housekeeping,
            self._queues,
        ):
            try:
                done.update(part())
            except PlatformError as error:
                failed = True
                log("reconcile_part_failed", part=part.__name__.strip("_"), error=str(error))
            except Exception as error:  # noqa: BLE001 - one broken part must not stop the others
                failed = True
                log_failure("reconcile_part_crashed", error, part=part.__name__.strip("_"))
        return +done, failed

    def _queues(self) -> Counter[str]:
        """Count what waits, for the metrics."""
        for queue in resources.QUEUES:
            metrics.QUEUE_WAITING.labels(queue=queue).set(self._services.queues.waiting(queue))
        return Counter()

    def _stored(self) -> Counter[str]:
        """Record manifests and flight records whose event never came."""
        done: Counter[str] = Counter()
        missing = list(self._unrecorded())
        self._missing = {key: self._missing.get(key, self._clock()) for key in missing}
        on_the_way = bool(missing) and self._services.queues.waiting(resources.MEDIA_EVENTS_QUEUE) > 0
        for key in missing:
            if self._started and on_the_way and self._clock() - self._missing[key] < self._grace_s:
                continue
            done["objects_recorded"] += self._handled(key)
        return done

    def _unrecorded(self) -> Iterator[str]:
        with self._services.database.session() as session:
            open_flights = session.execute(
                select(Flight.flight_id, Flight.drone_id, Flight.expected_segments).where(
                    Flight.state.in_(_OPEN_FLIGHTS)
                )
            ).all()
            ids = [flight_id for flight_id, *_ in open_flights]
            known = {
                key
                for row, column in (
                    (Media, Media.manifest_key),
                    (CaptureRow, CaptureRow.record_key),
                    (FirstLookRow, FirstLookRow.record_key),
                )
                for key in session.scalars(select(column).where(row.flight_id.in_(ids)))
            }
        for flight_id, drone_id, expected in open_flights:
            folder = keys.flight_media_key(drone_id, flight_id).removesuffix("flight.json")
            for item in self._services.objects.list(folder):
                is_record = item.key.endswith("/flight.json")
                if item.key.endswith(".json") and (expected is None if is_record else item.key not in known):
                    yield item.key

    def _handled(self, key: str) -> int:
        with self._services.database.session() as session:
            if dead_letters.is_buried(session, resources.MEDIA_EVENTS_QUEUE, key):
                return 0
        try:
            consume.on_stored_object(self._services, key)
        except NotFound as error:
            log("object_not_recorded", key=key, error=str(error))
            return 0
        except consume.PERMANENT as error:
            with self._services.database.session() as session:
                dead_letters.bury(session, resources.MEDIA_EVENTS_QUEUE, key, str(error), consume.event_for(key))
        return 1

    def _unanswered(self) -> Counter[str]:
        """Take answers whose message was lost, and give segments to vision again whose job was."""
        done: Counter[str] = Counter()
        with self._services.database.session() as session:
            waiting = media.outstanding(session, older_than=timedelta(seconds=self._grace_s if self._started else 0))
        idle = bool(waiting) and self._services.queues.waiting(resources.VISION_JOBS_QUEUE) == 0
        for row in waiting[:_LOOKED_AT]:
            if row.state == MediaState.STORED.value:
                consume.send_job(self._services, row.segment_id)
                done["jobs_sent"] += 1
            elif self._answered(row):
                done["answers_found"] += 1
            elif idle or self._overdue(row):
                done[self._again(row)] += 1
        return done

    def _answered(self, row: Media) -> bool:
        """Record vision's answer where it is stored; its message may be lost, or hidden by a process that died."""
        stored = [item.key for item in self._services.objects.list(f"detections/{row.segment_id}/")]
        if not stored:
            return False
        try:
            consume.record(self._services, BatchReady(segment_id=row.segment_id, batch_key=stored[-1]))
        except consume.PERMANENT as error:
            log("answer_unusable", segment_id=row.segment_id, key=stored[-1], error=str(error))
            return False
        return True

    def _overdue(self, row: Media) -> bool:
        return row.queued_at is not None and row.queued_at < datetime.now(UTC) - timedelta(seconds=self._lost_job_s)

    def _again(self, row: Media) -> str:
        if row.attempts >= MAX_ATTEMPTS:
            with self._services.database.session() as session:
                media.mark_failed(session, row.segment_id, f"Vision gave no answer in {row.attempts} attempts.")
                flights.try_complete(session, row.flight_id)
            return "segments_given_up"
        consume.send_job(self._services, row.segment_id)
        return "jobs_sent_again"

    def _unticketed(self) -> Counter[str]:
        """Want a workflow for critical findings that never had one."""
        policy = grading.load_policy(self._services.settings.policy_file)
        with self._services.database.session() as session:
            bare = session.scalars(
                select(Finding.finding_id).where(
                    Finding.severity_rank >= policy.critical_rank,
                    Finding.status.in_((FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)),
                    ~select(WorkflowRun).where(WorkflowRun.finding_id == Finding.finding_id).exists(),
                    ~select(Ticket).where(Ticket.finding_id == Finding.finding_id).exists(),
                )
            ).all()
            wanted = [executions.want(session, finding_id) for finding_id in bare]
            wanted += [self._wanted_again(session, finding_id, policy) for finding_id in self._dropped(session, policy)]
        return Counter(workflows_wanted=sum(1 for run in wanted if run is not None))

    @staticmethod
    def _dropped(session: Session, policy: grading.Policy) -> Sequence[str]:
        """Return critical findings without a ticket all of whose runs ended well: an answer may have been undone."""
        unfinished = select(WorkflowRun).where(
            WorkflowRun.finding_id == Finding.finding_id, WorkflowRun.state != executions.SUCCEEDED
        )
        return session.scalars(
            select(Finding.finding_id).where(
                Finding.severity_rank >= policy.critical_rank,
                Finding.status.in_((FindingStatus.OPEN.value, FindingStatus.CONFIRMED.value)),
                select(WorkflowRun).where(WorkflowRun.finding_id == Finding.finding_id).exists(),
                ~unfinished.exists(),
                ~select(Ticket).where(Ticket.link_group == Finding.link_group).exists(),
            )
        ).all()

    @staticmethod
    def _wanted_again(session: Session, finding_id: str, policy: grading.Policy) -> WorkflowRun | None:
        due = {"ask", "ticket"} & set(follow_up.left_to_do(session, finding_id, policy).todo)
        return executions.want(session, finding_id, renew=True) if due else None

    def _answers(self) -> Counter[str]:
        """Close questions nobody answered in time, and give answers to the runs that wait for them."""
        with self._services.database.session() as session:
            now = datetime.now(UTC)
            expired = decisions.expire(session, now) + versions.expire(session, now)
        return Counter(decisions_expired=expired, answers_passed_on=consume.pass_on_answers(self._services))

    def _alerts(self) -> Counter[str]:
        """Send the rounds of messages that are due, and want yesterday's digest once its hour has come."""
        done = consume.tell_people(self._services)
        now = datetime.now(UTC)
        if self._services.settings.daily_digest and now.hour >= DIGEST_HOUR_UTC:
            yesterday = str((now - timedelta(days=1)).date())
            with self._services.database.session() as session:
                wanted = executions.want_for(session, yesterday, resources.DAILY_DIGEST_MACHINE)
            done["digests_wanted"] += wanted is not None
        return done

    def _reports(self) -> Counter[str]:
        """Tell who fetched final reports what changed in them."""
        return telling.tell(self._services, datetime.now(UTC))

    def _maintenance(self) -> Counter[str]:
        """Resume what an outage ended, and read back what became of notifications; not while there is no answer."""
        done: Counter[str] = Counter()
        try:
            with self._services.database.session() as session:
                done["workflows_resumed"] = outages.resume(session, self._services.maintenance)
            done["workflows_started"] = consume.start_wanted(self._services) if done["workflows_resumed"] else 0
            done.update(self._complete())
            done.update(self._entries())
            done.update(self._read_back())
        except Unavailable as error:
            if not self._maintenance_silent:
                log("maintenance_silent", error=str(error))
            self._maintenance_silent = True
        else:
            self._maintenance_silent = False
        return done

    def _complete(self) -> Counter[str]:
        """Give notifications their picture and order."""
        done: Counter[str] = Counter()
        services = self._services
        with services.database.session() as session:
            due = ticket_care.due(session, services.maintenance.name, datetime.now(UTC))
        for ticket_id in due:
            with services.database.session() as session:
                outcome = ticket_care.complete(session, services.maintenance, services.objects, ticket_id)
            done[f"tickets_{outcome}"] += 1
        return done

    def _entries(self) -> Counter[str]:
        """Put accepted repairs as calendar entries, and what crews said, beside their notifications."""
        done: Counter[str] = Counter()
        services, system = self._services, self._services.maintenance
        with services.database.session() as session:
            slots, reports = calendar.due(session, system.name), crew.due(session, system.name)
        for slot_id in slots:
            with self._put_beside(slot_id) as session:
                done["calendar_entries"] += calendar.attach(
                    session, system, slot_id, partial(crew.link, services), partial(work_order.sheet, services)
                )
        for report_id in reports:
            with self._put_beside(report_id) as session:
                done["crew_reports_attached"] += crew.attach(session, system, services.objects, report_id)
        return done

    @contextmanager
    def _put_beside(self, name: str) -> Iterator[Session]:
        """Yield a session; what the system refuses to take is told and tried again with the next pass."""
        try:
            with self._services.database.session() as session:
                yield session
        except MaintenanceRejected as error:
            log("attachment_refused", name=name, error=str(error))

    def _read_back(self) -> Counter[str]:
        done: Counter[str] = Counter()
        every = timedelta(seconds=self._services.settings.ticket_read_every_s)
        with self._services.database.session() as session:
            due = ticket_life.due(session, self._services.maintenance.name, every, datetime.now(UTC))
        for ticket_id in due:
            with self._services.database.session() as session:
                outcome = ticket_life.read_back(session, self._services.maintenance, ticket_id)
            done[f"tickets_{outcome}"] += outcome is not None
        return done

    def _repairs(self) -> Counter[str]:
        """Plan repairs anew where something is wanted, or a proposal's time came and nobody accepted it."""
        now = datetime.now(UTC)
        with self._services.database.session() as session:
            if not book.overdue(session, now):
                return Counter()
            book.plan(session, load(self._services.settings.repair_methods_file), now)
        return Counter(repairs_planned=1)

    def _runs(self) -> Counter[str]:
        """Start wanted runs, and run again those that Step Functions lost."""
        done: Counter[str] = Counter()
        with self._services.database.session() as session:
            running = session.scalars(
                select(WorkflowRun.execution_name)
                .where(WorkflowRun.state == executions.RUNNING)
                .order_by(WorkflowRun.created_at)
            ).all()
        for name in running:
            with self._services.database.session() as session:
                mended = executions.mend(
                    session, self._services.workflows, name, older_than_s=5.0 if self._started else 0.0
                )
            if mended:
                log("workflow_mended", execution=name, outcome=mended)
                done[f"workflows_{mended}"] += 1
        done["workflows_started"] += consume.start_wanted(self._services)
        return done

    def _revocations(self) -> Counter[str]:
        """Revoke the certificates that drones have replaced."""
        services = self._services
        return Counter(certificates_revoked=drone_life.revoke(services.database, services.certificates))

    def _kept(self) -> Counter[str]:
        """Bring the rows kept of defects and of blind marks up to date with what changed: not worth a count."""
        for fold in (standing.fold, kept.fold):
            folded = 1
            while folded:
                with self._services.database.session() as session:
                    folded = fold(session)
        return Counter()

    def _housekeeping(self) -> Counter[str]:
        """Expire commands, complete flights, forget old questions, say when messages for drones are not sent."""
        done: Counter[str] = Counter()
        with self._services.database.session() as session:
            done["commands_expired"] += fleet.expire(session)
            done["transcripts_forgotten"] += transcripts.forget(session, datetime.now(UTC))
            landed = session.scalars(select(Flight.flight_id).where(Flight.state == FlightState.LANDED.value)).all()
            done["flights_completed"] += sum(flights.try_complete(session, flight_id) for flight_id in landed)
            stale = session.scalar(
                select(func.count()).where(Outgoing.created_at < datetime.now(UTC) - _OUTGOING_STALE)
            )
        if bool(stale) != self._told_stale:
            self._told_stale = bool(stale)
            log("outgoing_stale" if stale else "outgoing_flows", messages=stale or 0)
        return done
