"""What a network gets right."""

from dataclasses import dataclass

from bnnedge.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One line of the training history."""

    epoch: int
    train_loss: float | None = None
    train_accuracy: float | None = None
    validation_accuracy: float | None = None


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """What the network gets right.

    Attributes:
        test: accuracy on the test set.
        images: in the test set.
        classes: names, in the order of `confusion`.
        confusion: counts, row = true class, column = predicted class.
        history: of the training.
        selected_epoch: whose weights were kept (by validation accuracy).
    """

    test: float | None = None
    images: int | None = None
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    history: tuple[Epoch, ...] = ()
    selected_epoch: int | None = None

    def __post_init__(self) -> None:
        size = len(self.classes)
        square = len(self.confusion) == size and all(len(row) == size for row in self.confusion)
        if self.confusion and not square:
            raise ConfigError(
                f"report confusion matrix: wanted {size} by {size} for {size} classes"
            )

    @property
    def most_confused(self) -> int:
        """The largest count off the diagonal."""
        return max(
            (
                value
                for true, row in enumerate(self.confusion)
                for predicted, value in enumerate(row)
                if true != predicted
            ),
            default=0,
        )


@dataclass(frozen=True, kw_only=True)
class Example:
    """One input as a picture: `pixels` holds height × width grey bytes, row by row."""

    pixels: bytes
    height: int
    width: int
    predicted: str
    expected: str | None = None

    def __post_init__(self) -> None:
        wanted = self.height * self.width
        if self.height < 1 or self.width < 1 or len(self.pixels) != wanted:
            raise ConfigError(
                f"report example: wanted {self.height} by {self.width} = {wanted} pixels, "
                f"got {len(self.pixels)}"
            )
