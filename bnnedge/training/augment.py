"""Random changes to batches of images, drawn from torch's own generator; no image by itself."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from bnnedge.training.config import AugmentConfig


class Augmentation:
    """Images uint8 (N, C, H, W) or (N, H, W) → changed images of that shape and dtype.

    The draws are for whole batches and on the processor, so that they are the same on every
    device and for every share that a process takes of a batch.

    Args:
        config: what may happen.
        shape: of one image.

    Raises:
        ConfigError: the inputs are no images, or smaller than what is erased or moved.
    """

    def __init__(self, config: AugmentConfig, shape: tuple[int, ...]) -> None:
        config.require_images(shape)
        self._config = config
        self._shape = shape

    @property
    def is_active(self) -> bool:
        """Whether any image is changed at all."""
        return self._config.is_active

    def draw(self, count: int) -> "Draw":
        """Random numbers for `count` images."""
        config, draw = self._config, {}
        if config.shift:
            draw["shift"] = torch.randint(0, 2 * config.shift + 1, (2, count))
        if config.flip:
            draw["flip"] = torch.rand(count) < 0.5
        if config.rotate or config.scale:
            draw["turn"] = (torch.rand(count) * 2 - 1) * math.radians(config.rotate)
            draw["size"] = 1 + (torch.rand(count) * 2 - 1) * config.scale
        if config.erase:
            height, width = self._shape[-2:]
            draw["erase"] = torch.stack(
                [torch.randint(0, height, (count,)), torch.randint(0, width, (count,))]
            )
        return Draw(draw)

    def apply(self, images: Tensor, draw: "Draw") -> Tensor:
        """See the class; `draw` has as many entries as there are images."""
        if not self._config.is_active:
            return images
        x = images if images.dim() == 4 else images.unsqueeze(1)
        given = {key: value.to(x.device) for key, value in draw.numbers.items()}
        if "turn" in given:
            x = _turn(x, given["turn"], given["size"])
        if "shift" in given:
            x = _shift(x, given["shift"], self._config.shift)
        if "flip" in given:
            x = torch.where(given["flip"].view(-1, 1, 1, 1), x.flip(-1), x)
        if "erase" in given:
            x = _erase(x, given["erase"], self._config.erase)
        return x.reshape(images.shape)


class Draw:
    """Random numbers for the images of a batch, by kind of change; the last axis is the image."""

    def __init__(self, numbers: dict[str, Tensor]) -> None:
        self.numbers = numbers

    def take(self, share: slice) -> "Draw":
        """Those of some of the images."""
        return Draw({key: value[..., share] for key, value in self.numbers.items()})


def _shift(x: Tensor, corner: Tensor, most: int) -> Tensor:
    height, width = x.shape[-2:]
    windows = functional.pad(x, (most,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    every = torch.arange(len(x), device=x.device)
    return windows[every, :, corner[0], corner[1]]


def _turn(x: Tensor, turn: Tensor, size: Tensor) -> Tensor:
    """Bilinear, and rounded back to whole raw values: that is what a device would see."""
    height, width = x.shape[-2:]
    cosine, sine, none = turn.cos() / size, turn.sin() / size, torch.zeros_like(turn)
    # Coordinates run from −1 to 1 along both axes, whatever the lengths.
    rows = [cosine, -sine * height / width, none, sine * width / height, cosine, none]
    affine = torch.stack(rows, 1).view(-1, 2, 3)
    grid = functional.affine_grid(affine, list(x.shape), align_corners=False)
    return functional.grid_sample(x.float(), grid, align_corners=False).round().to(x.dtype)


def _erase(x: Tensor, centre: Tensor, side: int) -> Tensor:
    def inside(length: int, middle: Tensor) -> Tensor:
        away = torch.arange(length, device=x.device) - (middle - side // 2).unsqueeze(1)
        return (away >= 0) & (away < side)

    rows, columns = inside(x.shape[-2], centre[0]), inside(x.shape[-1], centre[1])
    return x.masked_fill((rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1), 0)
