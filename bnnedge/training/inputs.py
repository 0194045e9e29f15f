"""What the first layer takes, batch by batch, from a data set that is in memory as a whole."""

from dataclasses import dataclass

import torch
from torch import Tensor

from bnnedge.models.network import Network
from bnnedge.training.augment import Augmentation

EVALUATION_BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Raw inputs with labels, on the device that computes.

    Attributes:
        images: uint8 (N, *shape).
        labels: int64 (N,).
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


class Inputs:
    """Batches of a network's first inputs.

    The encoding is not trained. So without augmentation all examples are encoded once (that is a
    third of a step for a small MLP), and a teacher answers once.

    Args:
        model: whose encoding it is.
        examples: the raw inputs.
        augmentation: what changes training images.
        teacher: whose logits go with the training batches.
        channels_last: give images with their channels innermost in memory.
    """

    def __init__(
        self,
        model: Network,
        examples: Examples,
        augmentation: Augmentation | None = None,
        teacher: Network | None = None,
        channels_last: bool = False,
    ) -> None:
        self.labels = examples.labels
        self._model = model
        self._teacher = None if teacher is None else teacher.eval()
        self._images = examples.images
        self._augmentation = augmentation
        self._channels_last = channels_last
        self._encoded: Tensor | None = None
        self._taught: Tensor | None = None
        if augmentation is None or not augmentation.is_active:
            self._encoded = _encode(model, examples.images)
            if teacher is not None:
                self._taught = _answers(teacher, examples.images)

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self) -> tuple[Tensor, ...]:
        """Indices of all examples, in order, in parts that are good to evaluate."""
        every = torch.arange(len(self), device=self.labels.device)
        return torch.split(every, EVALUATION_BATCH)

    def batch(self, index: Tensor) -> Tensor:
        """What the first layer takes of the examples at `index`, unchanged: float32."""
        if self._encoded is not None:
            return self._arranged(self._encoded[index].float())
        with torch.no_grad():
            return self._arranged(self._model.encoding(self._images[index].float()))

    def _arranged(self, x: Tensor) -> Tensor:
        if self._channels_last and x.dim() == 4:
            return x.contiguous(memory_format=torch.channels_last)
        return x

    def training_batch(
        self, index: Tensor, batch: int, share: slice
    ) -> tuple[Tensor, Tensor | None]:
        """What the first layer takes of `index`, after augmentation, and the teacher's logits.

        Args:
            index: this process's share of a batch.
            batch: how many examples the whole batch has.
            share: which of them `index` are.
        """
        if self._encoded is not None:
            return self.batch(index), None if self._taught is None else self._taught[index]
        assert self._augmentation is not None
        draw = self._augmentation.draw(batch).take(share)
        raw = self._augmentation.apply(self._images[index], draw).float()
        with torch.no_grad():
            taught: Tensor | None = None if self._teacher is None else self._teacher(raw)
            return self._arranged(self._model.encoding(raw)), taught


@torch.no_grad()
def _encode(model: Network, images: Tensor) -> Tensor:
    """All images as the first layer takes them, in the smallest type that holds the values."""
    for kind in (torch.int8, torch.uint8, torch.float32):
        parts = []
        for batch in torch.split(images, EVALUATION_BATCH):
            encoded = model.encoding(batch.float())
            part = encoded.to(kind)
            if not torch.equal(part.to(encoded.dtype), encoded):
                break
            parts.append(part)
        else:
            return torch.cat(parts)
    raise AssertionError("an encoding gives float32")


@torch.no_grad()
def _answers(model: Network, images: Tensor) -> Tensor:
    return torch.cat([model(batch.float()) for batch in torch.split(images, EVALUATION_BATCH)])
