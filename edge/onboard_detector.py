"""The detector's process: asked by the agent on its standard input, it steps aside for everything else on the computer.

A process of its own, so that neither a core busy with pictures nor a fault in somebody's native code can hold up
telemetry or commands. It ends when the agent does: its input ends then.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

from contracts.errors import CorruptMedia, PlatformError
from edge.first_look.card import load_model
from edge.first_look.wire import Message, unpacked, write

_NICER_BY = 10
"""It gives way to whatever else wants the processor, and still gets a tenth of one that others keep busy."""
_FIRST_TO_GO = 1000
"""When memory is short the kernel ends this process before any other."""


def main() -> int:
    """Answer until the input ends; 1 when the detector cannot be opened, after having said why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("sha256")
    asked = parser.parse_args()
    _step_aside()
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # what a library prints must not get into the answers
    try:
        from edge.backends.detector import Detector  # noqa: PLC0415 - the extra may not be installed, which is then said

        detector = Detector(load_model(asked.weights, asked.sha256))
        write(out, Message({"ready": True, "tile_s": detector.warm_up()}))
    except ImportError as error:
        hint = "pip install 'kestrel[edge,edge-vision]'"
        write(out, Message({"failed": f"The first look's libraries are not installed: {error}.", "hint": hint}))
        return 1
    except PlatformError as error:
        write(out, Message({"failed": error.message, "hint": error.hint}))
        return 1
    while (frame := unpacked(sys.stdin.buffer.read)) is not None:
        try:
            write(out, detector.look(frame))
        except CorruptMedia as error:
            write(out, Message({"unreadable": error.message}))
    return 0


def _step_aside() -> None:
    os.nice(_NICER_BY)
    with contextlib.suppress(OSError):  # no /proc, or one that may not be written: then it is ended like any other
        Path("/proc/self/oom_score_adj").write_text(str(_FIRST_TO_GO), encoding="ascii")


if __name__ == "__main__":
    sys.exit(main())
