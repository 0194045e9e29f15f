"""How files of the user's own become inputs: what a recipe says, and what a network keeps."""

from dataclasses import dataclass

from bnnedge.errors import ConfigError

_MOST_PIXELS = 4096  # of a side


@dataclass(frozen=True, kw_only=True)
class PicturesReading:
    """What becomes of every picture: uint8 (channels, height, width).

    Attributes:
        size: height and width. The largest part in the middle that has this form is taken, and
            resized bilinearly.
        grey: one channel of brightness, not three of red, green and blue.

    Raises:
        ConfigError: a number is out of range.
    """

    size: tuple[int, int] = (32, 32)
    grey: bool = False

    def __post_init__(self) -> None:
        if not all(1 <= side <= _MOST_PIXELS for side in self.size):
            got = list(self.size)
            raise ConfigError(f"size wants height and width of 1…{_MOST_PIXELS}, got {got}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an input: (channels, height, width)."""
        return (1 if self.grey else 3, *self.size)
