"""Network in Network with binary inner convolutions and float ends."""

import torch
from torch import Tensor, nn

from bnnedge.ops.blocks.config import BLOCK, LayerOrder
from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU
from bnnedge.ops.config import BinarizeConfig, PaddingMode
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.ops.shapes import require_images

SMALLEST_NORM_SCALE = 0.01


class NIN(nn.Module):
    """Real images (N, C, H, W), CIFAR-10's (N, 3, 32, 32), → logits (N, classes).

    "Network in Network" (Lin et al. 2014) as public implementations of "XNOR-Net" (Rastegari et
    al. 2016) binarise it, BatchNorm in front of each binary convolution and ReLU behind:

        5×5 float C → 192, BatchNorm, ReLU
        binary 1×1 → 160, 1×1 → 96, max-pool 3×3 / 2
        binary 5×5 → 192, 1×1 → 192, 1×1 → 192, average-pool 3×3 / 2
        binary 3×3 → 192, 1×1 → 192
        BatchNorm, 1×1 float → classes, ReLU, mean over all pixels

    Args:
        in_channels: C.
        classes: number of outputs.
        padding_mode: what the binary convolutions pad with.
        binarize: how they binarise.

    Raises:
        ConfigError: when called, images of other channels.
    """

    def __init__(
        self,
        in_channels: int = 3,
        classes: int = 10,
        *,
        padding_mode: PaddingMode = PaddingMode.MINUS_ONE,
        binarize: BinarizeConfig = BLOCK,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels

        def binary(before: int, after: int, kernel_size: int) -> BinaryConvBNReLU:
            return BinaryConvBNReLU(
                before,
                after,
                kernel_size,
                order=LayerOrder.BN_CONV_RELU,
                relu=True,
                padding_mode=padding_mode,
                binarize=binarize,
            )

        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 192, 5, padding=2),
            AffineBatchNorm(192),
            nn.ReLU(),
            binary(192, 160, 1),
            binary(160, 96, 1),
            nn.MaxPool2d(3, stride=2, padding=1),
            binary(96, 192, 5),
            binary(192, 192, 1),
            binary(192, 192, 1),
            nn.AvgPool2d(3, stride=2, padding=1),
            binary(192, 192, 3),
            binary(192, 192, 1),
            AffineBatchNorm(192),
            nn.Conv2d(192, classes, 1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        require_images("NIN", x, self.in_channels)
        out: Tensor = self.layers(x)
        return out.mean(dim=(2, 3))

    @torch.no_grad()
    def constrain_(self) -> None:
        """To be called after every optimiser step: keeps BatchNorm scales at 0.01 or above."""
        for module in self.modules():
            if isinstance(module, AffineBatchNorm):
                module.weight.clamp_(min=SMALLEST_NORM_SCALE)
