from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from contracts import audits
from contracts.errors import CorruptMedia
from contracts.media import SegmentManifest
from contracts.places import on_blade
from contracts.vocabulary import Blade, BladeSide, DefectKind
from tests.vision_views import (
    CARD,
    SMALL,
    TURBINE,
    RedFinder,
    corners_of,
    encode,
    manifest_of,
    painted,
    pass_along,
    place_at,
)
from vision.analysis import Analysis, SegmentAnalyser, norm_box
from vision.boxes import KINDS, Boxes, Image
from vision.verifier import Fusion

DEFECTS = [(place_at(BladeSide.PS, 8.0, 0.4), 0.5, 0.3), (place_at(BladeSide.PS, 13.0, 0.6), 0.3, 0.25)]


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SegmentManifest]:
    """Return a pass along the pressure side of blade A with two red patches."""
    path = tmp_path_factory.mktemp("segment") / "00000.mp4"
    poses = pass_along(BladeSide.PS, 6.0, 15.0, 30)
    content = encode(path, [painted(p, SMALL, [corners_of(*d) for d in DEFECTS]) for p in poses])
    return path, manifest_of(content, poses)


@pytest.fixture(scope="module")
def analysis(segment: tuple[Path, SegmentManifest]) -> Analysis:
    return SegmentAnalyser(RedFinder()).analyse(*segment, TURBINE)


def test_each_defect_is_found_once_where_it_is(analysis: Analysis) -> None:
    assert len(analysis.detections) == len(DEFECTS)
    for place, length_m, width_m in DEFECTS:
        found = min(
            analysis.detections,
            key=lambda d: abs(d.place.along_m - place.along_m) if d.place else 99.0,
        )
        assert found.place is not None
        assert found.ce90_m is not None
        assert found.kind is DefectKind.CRACK
        assert found.place.surface == "A/PS"
        assert found.place.along_m == pytest.approx(place.along_m, abs=0.03)
        assert found.place.across_m == pytest.approx(place.across_m, abs=0.03)
        assert found.ce90_m < 0.2
        assert found.length_mm == pytest.approx(1000 * length_m, rel=0.12)
        assert found.width_mm == pytest.approx(1000 * width_m, rel=0.12)


def test_pictures_that_are_key_frames_already_show_the_same() -> None:
    poses = pass_along(BladeSide.PS, 7.2, 8.8, 3)
    images = [painted(p, SMALL, [corners_of(*d) for d in DEFECTS]) for p in poses]
    (found,), cells = SegmentAnalyser(RedFinder()).analyse_views(images, manifest_of(b"views", poses), TURBINE)
    assert found.place is not None
    assert found.place.along_m == pytest.approx(8.0, abs=0.03)
    assert {(c.blade, c.side) for c in cells} == {(Blade.A, BladeSide.PS)}


def test_the_point_lies_on_the_surface(analysis: Analysis) -> None:
    for found in analysis.detections:
        place = on_blade(found.place)
        assert place is not None
        assert found.point is not None
        expected = TURBINE.frame().to_geo(TURBINE.surface_point(place))
        assert found.point.lat_deg == pytest.approx(expected.lat_deg, abs=1e-9)
        assert found.point.alt_m == pytest.approx(expected.alt_m, abs=1e-4)


def test_evidence_is_best_first_and_its_pictures_are_there(analysis: Analysis) -> None:
    for found in analysis.detections:
        first = found.evidence[0]
        assert first.crop_key in analysis.pictures
        assert first.frame_key in analysis.pictures
        assert all(not e.crop_key for e in found.evidence[1:])
        crop = cv2.imdecode(np.frombuffer(analysis.pictures[first.crop_key], np.uint8), cv2.IMREAD_COLOR)
        assert crop is not None
        red = (crop[..., 2] > 150) & (crop[..., 1] < 90)
        assert 0.05 < red.mean() < 0.9
        assert first.gsd_mm_px == pytest.approx(1000 * 10 / SMALL.focal_px, rel=0.05)


def test_few_frames_are_looked_at_and_the_side_is_covered(analysis: Analysis) -> None:
    assert analysis.frames_total == 30
    assert analysis.key_frames <= 15
    assert analysis.video_s == pytest.approx(2.5, abs=0.01)
    seen = {c.cell for c in analysis.coverage if (c.blade, c.side) == (Blade.A, BladeSide.PS) and c.seen_share > 0.5}
    assert set(range(7, 14)) <= seen
    assert not any(c.side is BladeSide.SS for c in analysis.coverage)


def test_the_blind_audits_sample_is_drawn_without_the_detector(
    segment: tuple[Path, SegmentManifest], analysis: Analysis
) -> None:
    class Blind(RedFinder):
        def find(self, images: Sequence[Image]) -> list[Boxes]:
            return [Boxes.none() for _ in images]

    blind = SegmentAnalyser(Blind()).analyse(*segment, TURBINE)
    assert [f.frame.frame for f in blind.audit_frames] == [f.frame.frame for f in analysis.audit_frames]
    assert len(blind.audit_frames) == audits.LEAST
    assert not any(frame.boxes for frame in blind.audit_frames)
    assert all(blind.pictures[f.picture_key] == analysis.pictures[f.picture_key] for f in blind.audit_frames)


def test_a_sampled_frame_is_whole_and_says_what_shows_on_it(segment: tuple[Path, SegmentManifest]) -> None:
    everything = SegmentAnalyser(RedFinder(), audit_share=1.0).analyse(*segment, TURBINE)
    assert len(everything.audit_frames) == min(everything.key_frames, audits.MOST)
    picture = cv2.imdecode(
        np.frombuffer(everything.pictures[everything.audit_frames[0].picture_key], np.uint8), cv2.IMREAD_COLOR
    )
    assert picture is not None
    assert picture.shape[:2] == (SMALL.height_px, SMALL.width_px)
    told = {box.detection_id for frame in everything.audit_frames for box in frame.boxes}
    assert told == {found.detection_id for found in everything.detections}


def test_the_same_segment_gives_the_same_answer(segment: tuple[Path, SegmentManifest], analysis: Analysis) -> None:
    again = SegmentAnalyser(RedFinder()).analyse(*segment, TURBINE)
    assert again.detections == analysis.detections
    assert again.pictures == analysis.pictures
    assert again.coverage == analysis.coverage
    assert again.audit_frames == analysis.audit_frames


@pytest.mark.parametrize(("kind", "found"), [(DefectKind.CRACK, 0), (DefectKind.CORROSION, len(DEFECTS))])
def test_a_kind_with_a_level_of_its_own_must_reach_it(
    segment: tuple[Path, SegmentManifest], kind: DefectKind, found: int
) -> None:
    card = CARD.model_copy(update={"accept_by_kind": {DefectKind.CRACK: 0.95}})
    assert len(SegmentAnalyser(RedFinder(kind, card=card)).analyse(*segment, TURBINE).detections) == found


def test_between_the_two_levels_of_its_card_a_track_is_for_a_person(
    segment: tuple[Path, SegmentManifest], analysis: Analysis
) -> None:
    card = CARD.model_copy(update={"accept": 0.95, "review": 0.5})
    seen = SegmentAnalyser(RedFinder(card=card)).analyse(*segment, TURBINE)
    assert [d.for_review for d in seen.detections] == [True] * len(DEFECTS)
    assert not any(d.for_review for d in analysis.detections)
    assert {d.evidence[0].crop_key for d in seen.detections} <= seen.pictures.keys()


class Doubting(RedFinder):
    """Confirms the red patches so much, and suspects them so much."""

    def __init__(self, product: float, chance: float, suspected: DefectKind = DefectKind.CRACK) -> None:
        fusion = Fusion(detector=1, second_look=1, offset=0, proposal=0.02, accept=0.9, review=0.8)
        super().__init__(card=CARD.model_copy(update={"accept": 0.35, "review": 0.15, "fusion": fusion}))
        self.product, self.chance, self.suspected = product, chance, suspected

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        n = len(boxes) if self.product else 0
        return Boxes.of(boxes.xyxy[:n], [self.product] * n, boxes.kind[:n])

    def suspect(self, image: Image, boxes: Boxes) -> Boxes:
        return Boxes.of(boxes.xyxy, [self.chance] * len(boxes), [KINDS.index(self.suspected)] * len(boxes))


@pytest.mark.parametrize(
    ("product", "chance", "told"),
    [
        pytest.param(0.0, 0.95, False, id="only the fusion believes it: a finding"),
        pytest.param(0.0, 0.85, True, id="it thinks it likely: a person is asked"),
        pytest.param(0.0, 0.7, None, id="neither does: nothing"),
        pytest.param(0.2, 0.95, False, id="what would have waited is believed: one finding"),
        pytest.param(0.2, 0.7, True, id="what waits goes on waiting"),
        pytest.param(0.5, 0.95, False, id="both: one finding"),
        pytest.param(0.5, 0.0, False, id="what the product finds needs no other"),
    ],
)
def test_what_the_product_takes_for_nothing_the_fusion_may_find(
    product: float, chance: float, told: bool | None
) -> None:
    poses = pass_along(BladeSide.PS, 7.2, 8.8, 3)
    images = [painted(p, SMALL, [corners_of(*d) for d in DEFECTS]) for p in poses]
    found, _ = SegmentAnalyser(Doubting(product, chance)).analyse_views(images, manifest_of(b"views", poses), TURBINE)
    assert [d.for_review for d in found] == ([] if told is None else [told])


def test_where_the_product_finds_a_defect_the_fusion_changes_nothing_of_it(
    segment: tuple[Path, SegmentManifest],
) -> None:
    alone = SegmentAnalyser(Doubting(0.5, 0.0)).analyse(*segment, TURBINE)
    beside = SegmentAnalyser(Doubting(0.5, 0.99, DefectKind.CORROSION)).analyse(*segment, TURBINE)
    assert beside.detections == alone.detections


def test_progress_counts_key_frames(segment: tuple[Path, SegmentManifest]) -> None:
    seen: list[tuple[int, int]] = []
    SegmentAnalyser(RedFinder()).analyse(*segment, TURBINE, lambda done, of: seen.append((done, of)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert len({of for _, of in seen}) == 1


def test_a_torn_video_gives_what_is_whole_and_says_so(segment: tuple[Path, SegmentManifest], tmp_path: Path) -> None:
    path, manifest = segment
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    result = SegmentAnalyser(RedFinder()).analyse(torn, manifest, TURBINE)
    assert 0 < result.frames_total < 30
    assert "of 30 frames are missing" in result.problems[0]
    assert len(result.detections) == 1


def test_unusable_pixels_are_corrupt_media(segment: tuple[Path, SegmentManifest], tmp_path: Path) -> None:
    path, manifest = segment
    content = bytearray(path.read_bytes())
    start = content.find(b"mdat")
    while start >= 0:  # leave the boxes, wipe every sample
        end = content.find(b"moof", start)
        end = end - 4 if end >= 0 else len(content)
        content[start + 4 : end] = bytes(end - start - 4)
        start = content.find(b"mdat", end)
    wiped = tmp_path / "wiped.mp4"
    wiped.write_bytes(content)
    with pytest.raises(CorruptMedia, match=r"frame"):
        SegmentAnalyser(RedFinder()).analyse(wiped, manifest, TURBINE)


def test_boxes_are_clipped_to_the_picture() -> None:
    box = norm_box((-5.0, 10.0, 150.0, 50.0), 100, 100)
    assert (box.x0, box.y0, box.x1, box.y1) == (0.0, 0.1, 1.0, 0.5)
