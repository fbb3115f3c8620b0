"""What vision says of a segment: detections placed on the asset, and what was seen at all."""

from __future__ import annotations

from pydantic import AwareDatetime, Field, model_validator

from contracts.geo import BoxNorm, Frozen, GeoPoint, Pose
from contracts.ids import AssetId, FlightId, SegmentId, Sha256
from contracts.optics import CameraIntrinsics
from contracts.places import AnyPlace
from contracts.vocabulary import AssetKind, Blade, BladeSide, DefectKind


class Frame(Frozen):
    """Which pixels: a frame of a segment."""

    segment_id: SegmentId
    frame: int = Field(ge=0, description="index in the segment, from 0")
    pts_ms: float = Field(ge=0)
    captured_at: AwareDatetime
    pose: Pose
    sharpness: float = Field(ge=0, description="variance of the Laplacian over the asset region, half size, 8-bit grey")


class Evidence(Frozen):
    """One frame that shows a detection."""

    frame: Frame
    box: BoxNorm
    confidence: float = Field(ge=0, le=1)
    gsd_mm_px: float = Field(gt=0)
    incidence_deg: float = Field(ge=0, le=90)
    crop_key: str = Field(default="", max_length=200)
    crop_sha256: Sha256 | None = None
    frame_key: str = Field(default="", max_length=200)
    frame_sha256: Sha256 | None = None


class Detection(Frozen):
    """One physical defect candidate in one segment: a track, placed, with its best evidence first."""

    detection_id: str = Field(max_length=80, description="stable: same segment and model give the same id")
    kind: DefectKind
    confidence: float = Field(ge=0, le=1)
    place: AnyPlace | None = Field(description="None where the asset model was not hit")
    point: GeoPoint | None
    ce90_m: float | None = Field(default=None, ge=0, description="90 % circular error along the surface")
    le90_m: float | None = Field(default=None, ge=0, description="90 % linear error of its height")
    length_mm: float = Field(ge=0, description="along the blade, up the tower, along the span or pipe")
    width_mm: float = Field(ge=0, description="across that")
    size_sigma_mm: float = Field(ge=0)
    evidence: tuple[Evidence, ...] = Field(min_length=1, max_length=20)
    for_review: bool = Field(
        default=False, description="the model card leaves it to a person: in no finding until one says what it is"
    )


class CoverageCell(Frozen):
    """One metre of one blade side, as far as this segment saw it. ``cell`` 3 is 3 m to 4 m from the root."""

    blade: Blade
    side: BladeSide
    cell: int = Field(ge=0, le=200)
    seen_share: float = Field(ge=0, le=1, description="of the cell's area seen at acceptable GSD, angle, sharpness")
    best_gsd_mm_px: float = Field(gt=0)
    best_incidence_deg: float = Field(ge=0, le=90)
    best_sharpness: float = Field(ge=0)


class AuditBox(Frozen):
    """Where a detection shows on a sampled frame; not for the eyes of who looks blind."""

    detection_id: str = Field(max_length=80)
    kind: DefectKind
    box: BoxNorm


class AuditFrame(Frozen):
    """A key frame of the random sample, with what it takes to place a mark on the asset."""

    frame: Frame
    draw: float = Field(ge=0, lt=1, description="its number in the draw")
    share: float = Field(ge=0, le=1, description="of the flight's key frames that were to be kept")
    camera: CameraIntrinsics
    pose_sigma_m: float = Field(ge=0, description="1-sigma position error per axis")
    attitude_sigma_deg: float = Field(ge=0, description="1-sigma camera angle error per axis")
    picture_key: str = Field(min_length=1, max_length=200)
    picture_sha256: Sha256
    boxes: tuple[AuditBox, ...] = Field(default=(), max_length=200, description="of detections told in the batch")


class PartCell(Frozen):
    """Some metres of a part that is no blade, as far as this segment saw them.

    ``part`` is a name of ``contracts.parts``; cell 3 of a face is from 3 m to 4 m above the foot, of a span from 30 m
    to 40 m from its tower, of a pipe from chainage 30 m to 40 m, of a line's tower from 9 m to 12 m above its foot.
    """

    part: str = Field(max_length=40)
    cell: int = Field(ge=0, le=30_000_000)
    seen_share: float = Field(ge=0, le=1, description="of the cell seen at acceptable GSD, angle, sharpness")
    best_gsd_mm_px: float = Field(gt=0)
    best_incidence_deg: float = Field(ge=0, le=90)
    best_sharpness: float = Field(ge=0)


class PlantedRate(Frozen):
    """How many defects that a simulator planted a detector told, when it was measured."""

    asset_kind: AssetKind
    flights: int = Field(ge=1, description="simulated ones")
    found: int = Field(ge=0)
    of: int = Field(ge=1)
    from_px: float = Field(
        ge=0, description="the smallest that counted: longer side in the picture that shows it largest"
    )
    measured_at: AwareDatetime

    @model_validator(mode="after")
    def _share(self) -> PlantedRate:
        if self.found > self.of:
            raise ValueError("more were found than planted")
        return self


class ModelCard(Frozen):
    """Which detector spoke, and what was measured of it on planted defects."""

    name: str
    sha256: Sha256
    threshold: float
    planted: PlantedRate | None = None


class DetectionBatch(Frozen):
    """Everything vision says of one segment. Handling it twice changes nothing."""

    segment_id: SegmentId
    flight_id: FlightId
    asset_id: AssetId
    video_key: str
    video_sha256: Sha256
    video_version: str = Field(default="", description="object version, where the store keeps versions")
    model: ModelCard
    analysed_at: AwareDatetime
    frames_total: int = Field(ge=0)
    key_frames: int = Field(ge=0)
    video_s: float = Field(ge=0)
    processing_s: float = Field(ge=0)
    detections: tuple[Detection, ...] = ()
    coverage: tuple[CoverageCell, ...] = ()
    audit_frames: tuple[AuditFrame, ...] = Field(default=(), max_length=100, description="the blind audits' sample")
    parts: tuple[PartCell, ...] = Field(default=(), description="coverage of what is no blade")
    counts_towers: bool = Field(
        default=False, description="of a line: its towers are among `parts`, so that none there means none was seen"
    )
