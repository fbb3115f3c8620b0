"""A video whose file says it is to be shown turned: its size is the upright picture's, and its segments say so too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edge.backends.container import Mp4File
from edge.backends.film import Mp4Films


@pytest.mark.parametrize(("turn_deg", "size"), [(0, (160, 96)), (90, (96, 160)), (-90, (96, 160)), (180, (160, 96))])
def test_a_turned_video_stays_turned(tmp_path: Path, turn_deg: int, size: tuple[int, int]) -> None:
    path, segment = tmp_path / "card.mp4", tmp_path / "segment.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        if turn_deg:
            stream.set_display_rotation(turn_deg)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((96, 160, 3), np.uint8), format="bgr24")))
        container.mux(stream.encode(None))
    films = Mp4Films()
    frames = films.frames(path)
    frame = next(frames)
    copy = Mp4File(segment, frame)
    copy.add(frame)
    copy.finish()
    for file in (path, segment):
        film = films.probe(file)
        assert (film.width_px, film.height_px) == size
