"""One key frame in, sights with their crops out: decoded, shrunk, tiled, searched. Only in its own process."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
import onnxruntime

from contracts.errors import CorruptMedia, InvalidInput
from edge.first_look import boxes
from edge.first_look.boxes import Box, Image
from edge.first_look.card import Model
from edge.first_look.wire import Message

MOST_SIGHTS = 3
"""Of one frame; the rest is the full analysis's. How many there were is said."""
_MARGIN = 0.5
"""A crop shows half the box's size round it."""
_LEAST_CROP_PX, _MOST_CROP_PX, _MOST_CROP_BYTES = 256, 1280, 400_000


class Sight(NamedTuple):
    """One box of a frame, as fractions of its sides, with the crop that goes ahead (JPEG)."""

    kind: str
    confidence: float
    box: tuple[float, float, float, float]
    crop: bytes


class Detector:
    """A network on one core."""

    def __init__(self, model: Model) -> None:
        """Open the network.

        Raises:
            InvalidInput: The weights are no network of ours.

        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                model.weights, options, providers=["CPUExecutionProvider"]
            )
            self._input = self._session.get_inputs()[0].name
        except Exception as error:  # the library's own classes, one for each way a file can be wrong
            raise InvalidInput(
                f"The first look's weights cannot be opened: {error}.", hint="Copy them to the drone again."
            ) from error
        self._model = model

    def warm_up(self) -> float:
        """Search one grey tile, the second time without first costs; return the seconds that took.

        Raises:
            InvalidInput: The network's answer is not what its card says.

        """
        plan = boxes.layout(640, 640)
        grey = np.full((plan.height_px, plan.width_px, 3), boxes.GREY, np.uint8)
        self._raw(grey)
        began_s = time.perf_counter()
        self._raw(grey)
        return time.perf_counter() - began_s

    def look(self, asked: Message) -> Message:
        """Return what one frame shows.

        Args:
            asked: ``codec``, ``extradata_bytes`` and ``gsd_mm_px``; the decoder's parameters, then the key frame.

        Raises:
            CorruptMedia: The frame cannot be decoded.

        """
        began_s = time.perf_counter()
        split = int(asked.head["extradata_bytes"])
        frame = decoded(str(asked.head["codec"]), asked.body[:split], asked.body[split:])
        found, tiles = self._search(frame, boxes.shrink(float(asked.head["gsd_mm_px"])))
        sights = self._sights(frame, found[:MOST_SIGHTS])
        head = {
            "sights": [{**sight._asdict(), "crop": len(sight.crop)} for sight in sights],
            "found": len(found),
            "tiles": tiles,
            "width_px": frame.width,
            "height_px": frame.height,
            "look_s": time.perf_counter() - began_s,
        }
        return Message(head, b"".join(sight.crop for sight in sights))

    def _search(self, frame: Any, shrunk: float) -> tuple[list[Box], int]:
        """Return the boxes in the whole frame's pixels, and how many tiles it took."""
        width, height = round(frame.width / shrunk), round(frame.height / shrunk)
        small = frame.reformat(width=width, height=height, format="bgr24", interpolation="AREA")
        image: Image = small.to_ndarray()
        plan = boxes.layout(width, height)
        seen: list[Box] = []
        for corner in plan.corners:
            raw = self._raw(boxes.tile_of(image, plan, corner))
            seen += boxes.decoded(raw, self._model, corner)
        x, y = frame.width / width, frame.height / height
        return [Box(b.x0 * x, b.y0 * y, b.x1 * x, b.y1 * y, b.kind, b.confidence) for b in boxes.distinct(seen)], len(
            plan.corners
        )

    def _raw(self, tile: Image) -> boxes.Floats:
        raw: boxes.Floats = np.asarray(self._session.run(None, {self._input: tile[None]})[0], np.float32)
        rows = 4 + len(self._model.kinds)
        if raw.ndim != 3 or raw.shape[:2] != (1, rows):
            raise InvalidInput(
                f"The network answered with shape {raw.shape}, its card says (1, {rows}, anchors).",
                hint="The weights and their card belong to different models.",
            )
        return np.asarray(raw[0])

    def _sights(self, frame: Any, found: list[Box]) -> list[Sight]:
        if not found:
            return []
        image: Image = frame.to_ndarray(format="bgr24")
        return [
            Sight(self._model.kinds[b.kind].value, round(b.confidence, 4), _norm(b, image), jpeg(cut(image, b)))
            for b in found
        ]


def decoded(codec: str, extradata: bytes, data: bytes) -> Any:
    """Return the picture of one key frame.

    Raises:
        CorruptMedia: There is none in it.

    """
    try:
        decoder: Any = av.CodecContext.create(codec, "r")
        decoder.thread_count = 1
        if extradata:
            decoder.extradata = extradata
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except (av.FFmpegError, ValueError) as error:
        raise CorruptMedia(f"A key frame of {codec} cannot be decoded: {error}.") from error
    if not frames:
        raise CorruptMedia(f"A key frame of {codec} shows nothing.")
    return frames[0]


def cut(image: Image, box: Box) -> Image:
    """Return a box with what is round it, (height, width, 3), at full scale, sides even and within the picture."""
    height, width = image.shape[:2]
    x0, x1 = _span(box.x0, box.x1, width)
    y0, y1 = _span(box.y0, box.y1, height)
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def _span(low: float, high: float, limit: int) -> tuple[int, int]:
    wanted = min(_MOST_CROP_PX, max(_LEAST_CROP_PX, (high - low) * (1 + 2 * _MARGIN)))
    side = min(round(wanted), limit) // 2 * 2
    start = min(max(0, round((low + high - side) / 2)), limit - side)
    return start, start + side


def jpeg(image: Image) -> bytes:
    """Return a picture as JPEG, as coarse as it must be to stay below 400 kB."""
    for quality in (3, 6, 12, 31):
        made = _jpeg(image, quality)
        if len(made) <= _MOST_CROP_BYTES:
            break
    return made


def _jpeg(image: Image, quality: int) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.height, encoder.width = image.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    encoder.options = {"qmin": str(quality), "qmax": str(quality)}
    frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuvj420p")
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def _norm(box: Box, image: Image) -> tuple[float, float, float, float]:
    height, width = image.shape[:2]
    x0, y0, x1, y1 = box[:4]
    inside = (x0 / width, y0 / height, x1 / width, y1 / height)
    x0, y0, x1, y1 = (round(min(1.0, max(0.0, value)), 5) for value in inside)
    return x0, y0, x1, y1
