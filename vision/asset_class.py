"""What a class of asset cannot have is not looked for on it: a bare conductor has no coating to miss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from contracts.vocabulary import NEVER_ON, AssetKind
from vision.boxes import KINDS, Boxes, Image
from vision.detector import BoxFinder, Card


class OnAsset:
    """A detector that leaves out the kinds its asset cannot have, after the second look has named them."""

    def __init__(self, finder: BoxFinder, asset: AssetKind) -> None:
        self._finder, self._asset = finder, asset
        self._never = np.array([KINDS.index(kind) for kind in NEVER_ON[asset]], np.int64)

    @property
    def card(self) -> Card:
        """Return the detector's own."""
        return self._finder.card

    def find(self, images: Sequence[Image]) -> list[Boxes]:
        """Find as the detector does: the second look may yet name a box otherwise."""
        return self._finder.find(images)

    def confirm(self, image: Image, boxes: Boxes) -> Boxes:
        """Return what the second look leaves, without what cannot be."""
        return self._possible(self._finder.confirm(image, boxes))

    def suspect(self, image: Image, boxes: Boxes) -> Boxes:
        """Return what may be a defect, without what cannot be; nothing where the fusion never learnt of such assets."""
        fusion = self.card.fusion
        known = fusion is not None and self._asset in fusion.assets
        return self._possible(self._finder.suspect(image, boxes)) if known else Boxes.none()

    def _possible(self, judged: Boxes) -> Boxes:
        return judged.take(~np.isin(judged.kind, self._never))
