"""A maintenance notification as the platform words it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cloud.maintenance import NotificationDraft

AT = datetime(2026, 11, 20, 16, 41, 38, tzinfo=UTC)
CRACK = NotificationDraft(
    reference="fnd-0199e0c3b5d7-9f3a2c1e",
    kind="M2",
    text="Crack 240 mm A PS 17.4 m",
    long_text="Crack 240 mm.\nÄußerst ernst.",
    priority="1",
    functional_location="KES-T-01",
    location="blade A PS 17.4 m",
    malfunction_at=AT,
    required_by=AT + timedelta(days=2),
    is_down=False,
)
