"""What every accelerator can do: batches in, the network's results out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

import numpy as np

from .host import Host
from .link import Report
from .manifest import Manifest

_Self = TypeVar("_Self", bound="Accelerator")


class Accelerator(ABC):
    """A board that runs the packaged network. Close it, or use it in a `with` statement.

    Attributes:
        manifest: the package's.
        name: what messages call the board.
    """

    manifest: Manifest

    def __init__(self, host: Host, name: str) -> None:
        self.manifest = host.manifest
        self.name = name
        self._host = host

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Let go of the board."""

    def found(self) -> dict[str, Any]:
        """What there is to say of the way to the board, by the names that facts have for it."""
        return {}

    def measure(self, rounds: int | None = None) -> Report | None:
        """Have the device run the images that it holds as fast as the network takes them.

        Args:
            rounds: how often, 1 to 256; None: about a tenth of a million clock cycles.

        Returns:
            What it counted; None: it holds no images.

        Raises:
            InputError: `rounds` are others.
            DeviceError: the device does not answer, or a result was wrong or did not come.
        """
        return None

    @abstractmethod
    def _elements(self, batch: Any) -> np.ndarray[Any, Any]:
        """A batch → accumulators (N, K) or classes (N, k) as the device gives them, int64."""

    def execute(self, batch: Any) -> np.ndarray[Any, Any]:
        """The network's integer result on the device.

        Args:
            batch: (N, *input_shape), what the original network takes, any real dtype.

        Returns:
            Dot products (N, K), or classes where the network ends in top-k: (N,) for k = 1, else
            (N, k), the first one first; int64.

        Raises:
            InputError: wrong shape, not numbers, or NaN.
            DeviceError: the device does not answer, or not as it should.
        """
        return self._host.result(self._elements(batch))

    def names(self, results: np.ndarray[Any, Any]) -> list[str]:
        """What `execute` gave → the name of each image's class, or its number where there is none.

        Of several classes of an image it is the first one.
        """
        known = self.manifest.class_names
        return [known[c] if known else str(c) for c in self._host.classes(results).tolist()]

    def logits(self, batch: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Inputs (N, *input_shape) → the network's float outputs (N, K), float32.

        Raises:
            InputError: a bad batch, or a device that sends classes only.
            DeviceError: the device does not answer, or not as it should.
        """
        return self._host.logits(self._elements(batch))
