"""Checks of what goes into a block, with errors that say what was wanted."""

from torch import Tensor

from bnnedge.errors import ConfigError


def pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """One number for rows and columns, or both."""
    return (value, value) if isinstance(value, int) else value


def require_images(owner: str, x: Tensor, channels: int, axes: int = 2) -> None:
    """Raise unless `x` is (N, channels, H, W), or with one axis (N, channels, L).

    Raises:
        ConfigError: it is not; `owner` is named.
    """
    if x.dim() != 2 + axes or x.shape[1] != channels:
        sizes = "H, W" if axes == 2 else "L"
        raise ConfigError(f"{owner}: wanted (N, {channels}, {sizes}), got {tuple(x.shape)}")


def require_stride(owner: str, stride: int) -> None:
    """Raise unless `stride` is 1 or 2.

    Raises:
        ConfigError: it is not; `owner` is named.
    """
    if stride not in (1, 2):
        raise ConfigError(f"{owner}: wanted stride 1 or 2, got {stride}")
