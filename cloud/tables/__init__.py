"""The whole schema. Truth lives here and in S3; queues and emulators may forget.

One declarative class per table, a module per subject; Alembic migrates. Times are UTC. JSON columns hold contract
models as they were sent.
"""

from __future__ import annotations

from cloud.tables.alerts import Alert, AlertMessage
from cloud.tables.arrivals import DeadLetter, DroneEventRow, LostRow, Media, Telemetry, WatermarkRow
from cloud.tables.assistant import Proposal, Transcript
from cloud.tables.audits import AuditAnswer, AuditFrameRow, AuditMark, BlindChange, BlindFlightRow
from cloud.tables.captures import CaptureRow, FirstLookRow
from cloud.tables.columns import Base
from cloud.tables.decisions import TicketDecision
from cloud.tables.findings import Coverage, DetectionRow, EvidenceRow, Finding, PartCoverage
from cloud.tables.flights import CommandRow, Flight, Outgoing, Plan
from cloud.tables.history import (
    DefectAbsence,
    DefectChange,
    DefectLink,
    DefectRow,
    FlightRegistration,
    LinkEdit,
    LinkSuggestion,
)
from cloud.tables.keys import ApiKey
from cloud.tables.outlook import AssetRisk, HealthRow, Prediction
from cloud.tables.people import Audit, User
from cloud.tables.places import Asset, CertificateRevocation, Drone, Site
from cloud.tables.planning import Component, SiteZoneRow
from cloud.tables.policies import PolicyRow
from cloud.tables.repairs import CrewReport, CrewRow, RepairPart, RepairSlot, WindForecast
from cloud.tables.reports import FinalReport, ReportChange, ReportMessage
from cloud.tables.requests import IdempotencyKey
from cloud.tables.schedules import AssetEvent, DueRuleRow, Schedule
from cloud.tables.security import ApiActivity, SecurityEvent
from cloud.tables.telemetry_past import TelemetryArchive, TelemetryMinute, TelemetryRolled
from cloud.tables.training import DetectorVersion
from cloud.tables.uploads import InventoryRow
from cloud.tables.webhooks import Change, Delivery, Webhook
from cloud.tables.work import Notification, Summary, Ticket, WorkflowRun

__all__ = [
    "Alert",
    "AlertMessage",
    "ApiActivity",
    "ApiKey",
    "Asset",
    "AssetEvent",
    "AssetRisk",
    "Audit",
    "AuditAnswer",
    "AuditFrameRow",
    "AuditMark",
    "Base",
    "BlindChange",
    "BlindFlightRow",
    "CaptureRow",
    "CertificateRevocation",
    "Change",
    "CommandRow",
    "Component",
    "Coverage",
    "CrewReport",
    "CrewRow",
    "DeadLetter",
    "DefectAbsence",
    "DefectChange",
    "DefectLink",
    "DefectRow",
    "Delivery",
    "DetectionRow",
    "DetectorVersion",
    "Drone",
    "DroneEventRow",
    "DueRuleRow",
    "EvidenceRow",
    "FinalReport",
    "Finding",
    "FirstLookRow",
    "Flight",
    "FlightRegistration",
    "HealthRow",
    "IdempotencyKey",
    "InventoryRow",
    "LinkEdit",
    "LinkSuggestion",
    "LostRow",
    "Media",
    "Notification",
    "Outgoing",
    "PartCoverage",
    "Plan",
    "PolicyRow",
    "Prediction",
    "Proposal",
    "RepairPart",
    "RepairSlot",
    "ReportChange",
    "ReportMessage",
    "Schedule",
    "SecurityEvent",
    "Site",
    "SiteZoneRow",
    "Summary",
    "Telemetry",
    "TelemetryArchive",
    "TelemetryMinute",
    "TelemetryRolled",
    "Ticket",
    "TicketDecision",
    "Transcript",
    "User",
    "WatermarkRow",
    "Webhook",
    "WindForecast",
    "WorkflowRun",
]
