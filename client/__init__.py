"""kestrel-client: the API of Kestrel as typed Python.

``with Client("https://kestrel.example", "ksk_...") as kestrel: kestrel.list_flights(state="complete")``
"""

from __future__ import annotations

from . import models
from .operations import Operations as Client
from .transport import ApiError, Unreachable

__all__ = ["ApiError", "Client", "Unreachable", "models"]
