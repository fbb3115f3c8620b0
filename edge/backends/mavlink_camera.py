"""Camera protocol v2 and gimbal protocol v2, where the aircraft announces them; everything is a MAVLink command."""

from __future__ import annotations

from collections.abc import Callable

from edge.aircraft import Aircraft
from edge.backends import mavlink_dialect as mav
from edge.refusals import NotReady

_STILL, _VIDEO = 0, 1
_LOCKED = float(
    mav.GIMBAL_MANAGER_FLAGS_ROLL_LOCK | mav.GIMBAL_MANAGER_FLAGS_PITCH_LOCK | mav.GIMBAL_MANAGER_FLAGS_YAW_LOCK
)
_NAN = float("nan")


class CameraControl:
    """Films, photographs, zooms and looks. A camera that has not announced itself is not commanded."""

    def __init__(self, command: Callable[..., None], look: Callable[[], Aircraft]) -> None:
        self._command = command
        self._look = look

    def film(self, *, on: bool) -> None:
        """Start or stop recording.

        Raises:
            NotReady: No camera, or one that does not film.
            AutopilotRefused: With its reasons.

        """
        self._require(mav.CAMERA_CAP_FLAGS_CAPTURE_VIDEO, "film")
        if on:
            self._mode(_VIDEO)
            self._command(mav.MAV_CMD_VIDEO_START_CAPTURE, 0, 1)
        else:
            self._command(mav.MAV_CMD_VIDEO_STOP_CAPTURE, 0)

    def photograph(self) -> None:
        """Take one picture.

        Raises:
            NotReady: No camera, or one that takes no pictures.
            AutopilotRefused: With its reasons, e.g. triggered twice within 0.1 s.

        """
        self._require(mav.CAMERA_CAP_FLAGS_CAPTURE_IMAGE, "take pictures")
        self._mode(_STILL)
        self._command(mav.MAV_CMD_IMAGE_START_CAPTURE, 0, 0, 1)

    def zoom(self, percent: float) -> None:
        """Zoom to a share of the whole range.

        Raises:
            NotReady: No camera, or one without zoom.

        """
        self._require(mav.CAMERA_CAP_FLAGS_HAS_BASIC_ZOOM, "zoom")
        self._command(mav.MAV_CMD_SET_CAMERA_ZOOM, mav.ZOOM_TYPE_RANGE, min(100.0, max(0.0, percent)))

    def point(self, yaw_deg: float, pitch_deg: float) -> None:
        """Turn the camera to a direction fixed to the earth: yaw clockwise from north, pitch upwards.

        Raises:
            NotReady: No gimbal manager has announced itself.

        """
        if self._look().gimbal_flags is None:
            raise NotReady("No gimbal has announced itself.", hint="Check MNT1_TYPE and the gimbal's wire.")
        yaw = (yaw_deg + 180.0) % 360.0 - 180.0
        self._command(mav.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW, pitch_deg, yaw, _NAN, _NAN, _LOCKED, 0, 0)

    def _mode(self, mode: int) -> None:
        if (self._look().camera_flags or 0) & mav.CAMERA_CAP_FLAGS_HAS_MODES:
            self._command(mav.MAV_CMD_SET_CAMERA_MODE, 0, mode)

    def _require(self, capability: int, what: str) -> None:
        flags = self._look().camera_flags
        if flags is None:
            raise NotReady("No camera has announced itself.", hint="Check CAM1_TYPE and the camera's wire.")
        if not flags & capability:
            raise NotReady(f"The camera does not {what}.")
