"""The demo's report card counts what a suspicious analyst would count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infra.local.scoring import Found, Planted, Ticketed, frame_to_ticket_s, percentile, score

T0 = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def planted(distance_m: float, *, length_mm: float = 400, side: str = "LE", asset: str = "wt-01") -> Planted:
    return Planted(
        defect_id=f"d-{distance_m}",
        asset_id=asset,
        kind="crack",
        blade="A",
        side=side,
        distance_to_root_m=distance_m,
        offset_m=0.1,
        length_mm=length_mm,
        width_mm=10,
    )


def found(name: str, distance_m: float | None, *, side: str = "LE", asset: str = "wt-01") -> Found:
    return Found(
        finding_id=name,
        number=1,
        asset_id=asset,
        kind="crack",
        blade="A",
        side=side,
        distance_to_root_m=distance_m,
        severity_scheme="gwo",
        severity_code="4",
        severity_rank=4,
        detected_at=T0,
    )


@pytest.mark.parametrize(
    ("finding", "hit"),
    [
        (found("f", 10.2), True),
        (found("f", 10.49), True),
        (found("f", 10.6), False),
        (found("f", 10.0, side="TE"), False),
        (found("f", 10.0, asset="wt-02"), False),
        (found("f", None), False),
    ],
    ids=["near", "at the slack", "too far", "other side", "other turbine", "no place"],
)
def test_a_finding_counts_only_at_the_planted_place(finding: Found, hit: bool) -> None:
    result = score([planted(10.0)], [finding], [])
    assert result.recall == (1.0 if hit else 0.0)
    assert len(result.false_findings) == (0 if hit else 1)


def test_a_second_finding_of_one_defect_is_false() -> None:
    result = score([planted(10.0)], [found("near", 10.05), found("far", 10.3)], [])
    assert [f.finding_id for f in result.false_findings] == ["far"]
    assert result.rows[0].error_mm == pytest.approx(50)


def test_two_defects_never_share_a_finding() -> None:
    assert score([planted(10.0), planted(10.3)], [found("one", 10.1)], []).recall == 0.5


def test_nothing_planted_is_full_recall_and_every_finding_false() -> None:
    result = score([], [found("f", 1.0)], [])
    assert (result.recall, len(result.false_findings)) == (1.0, 1)


def test_frame_to_ticket_counts_only_tickets_with_a_number() -> None:
    tickets = [
        Ticketed(finding_id="a", system="sap", number="1", opened_at=T0 + timedelta(seconds=9)),
        Ticketed(finding_id="b", system="sap", number=None, opened_at=None),
    ]
    assert frame_to_ticket_s([found("a", 1.0), found("b", 2.0)], tickets) == [9.0]


@pytest.mark.parametrize(("values", "share", "expected"), [([], 0.5, None), ([1, 2, 3, 4], 0.5, 2), ([1, 2], 0.95, 2)])
def test_percentiles_are_nearest_rank(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected
