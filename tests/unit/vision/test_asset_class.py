"""What a class of asset cannot have is not found on it."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.vocabulary import NEVER_ON, AssetKind, DefectKind
from tests.vision_views import CARD, RedFinder
from vision.asset_class import OnAsset
from vision.tiling import find_in_frame, look_over
from vision.verifier import Fusion

PICTURE = np.zeros((320, 320, 3), np.uint8)
PICTURE[100:140, 100:180] = (0, 0, 255)


@pytest.mark.parametrize("asset", list(AssetKind))
@pytest.mark.parametrize("kind", list(DefectKind))
def test_a_kind_is_found_where_it_can_be(asset: AssetKind, kind: DefectKind) -> None:
    found = find_in_frame(OnAsset(RedFinder(kind), asset), PICTURE)
    assert len(found) == (kind not in NEVER_ON[asset])


def test_every_class_can_crack_rust_and_be_damaged() -> None:
    everywhere = {DefectKind.CRACK, DefectKind.CORROSION, DefectKind.DAMAGE}
    assert not everywhere & frozenset[DefectKind]().union(*NEVER_ON.values())
    assert set(NEVER_ON) == set(AssetKind)


@pytest.mark.parametrize(("asset", "suspected"), [(AssetKind.WIND_TURBINE, 1), (AssetKind.POWER_LINE, 0)])
def test_only_on_what_the_weights_were_learnt_on_is_anything_suspected(asset: AssetKind, suspected: int) -> None:
    fusion = Fusion(detector=1, second_look=1, offset=0, proposal=0.02)
    finder = RedFinder(card=CARD.model_copy(update={"fusion": fusion}))
    assert len(look_over(OnAsset(finder, asset), PICTURE).suspected) == suspected
    assert len(look_over(OnAsset(RedFinder(), asset), PICTURE).suspected) == 0
