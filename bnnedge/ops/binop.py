"""XNOR-Net's `BinOp`: binary weights for any float network, around an ordinary training step.

"XNOR-Net" (Rastegari et al. 2016), algorithm 1. A step is: binarise the weights, run forward and
backward on them, put the latent weights back, turn the gradients into those of the latent
weights, update. No layer changes, so any `nn.Module` and any optimiser will do:

    operation = BinOp(model)
    for x, y in batches:
        optimizer.zero_grad()
        with operation.training_step():
            loss(model(x), y).backward()
        optimizer.step()
    with operation.evaluation():
        ...

For one filter w of n latent weights, g the gradient of what the network multiplied with:

    w  ←  clip(w − mean of w over input channels, −1, 1)            (latent, kept)
    W̃  =  α · sign(w),  α = mean|w|                                 (in the network)
    dw =  (1/n) · sign(w) · Σⱼ gⱼ · sign(wⱼ)  +  α · g · 1{|w| <= 1}

**What dw is the derivative of.** At w = w⁰, of α(w) · sign(w⁰) + α(w⁰) · clip(w, −1, 1): the
product rule, with hard tanh in place of the sign. The first term is α's own Jacobian, which
couples all weights of a filter; the paper prints only its diagonal, g / n.

**Why the mask by |w|.** It is hard tanh's slope, the reason for zeroing beyond ±1. Directly
behind the clip it has nothing to mask. It is an elementwise product here; written into a view
that `expand` made of α, it would clear a filter's whole row.
"""

import enum
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from bnnedge.errors import ConfigError
from bnnedge.ops.binarize import weight_scale
from bnnedge.ops.config import WeightScale
from bnnedge.ops.exact import mean_of_rows
from bnnedge.ops.surrogates import sign
from bnnedge.ops.weights import BinaryWeights


class GradientFactor(enum.Enum):
    """What published code multiplies the gradient with, beyond the formula.

    1 − 1/C is the diagonal of the mean-centring's Jacobian over C input channels, and a constant
    of a layer; n undoes the 1/n of the gradient's size in a filter of n weights; 1e9 came with
    ImageNet training. All are positive constants of a layer: Adam divides them out (apart from its
    epsilon), for SGD they are a learning rate per layer. 1 − 1/C is 0 for C = 1, so such a layer
    never learns.
    """

    ONE = "one"
    CENTRED = "centred"
    """(1 - 1/C) · n"""
    CENTRED_1E9 = "centred_1e9"
    """(1 - 1/C) · n · 1e9"""


Layer = nn.Conv2d | nn.Linear

_ORDER = "the order is binarize, forward and backward, restore, update_gradients"


def inner_convolutions(model: nn.Module) -> list[Layer]:
    """Every `Conv2d` but the first and the last, in the order of `model.modules()`.

    XNOR-Net leaves the first and last convolution in full precision (section 4.1: they have few
    channels, or small filters, to save on).
    """
    layers: list[Layer] = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    return layers[1:-1]


def inner_layers(model: nn.Module) -> list[Layer]:
    """Every `Conv2d` and `Linear` but the first and the last of them all."""
    layers: list[Layer] = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return layers[1:-1]


class BinOp:
    """Binarises some layers' weights for the time of a step.

    Args:
        model: the network; looked at once.
        layers: which of its layers; `inner_convolutions(model)` where not given. Linear layers
            work alike, each row of their weights being a filter.
        factor: a historical factor of the gradients.

    Raises:
        ConfigError: no layer, the same one twice, one that is no float `Conv2d` or `Linear`, or
            one that already binarises by itself.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        layers: Sequence[Layer] | None = None,
        factor: GradientFactor = GradientFactor.ONE,
    ) -> None:
        self.layers = tuple(inner_convolutions(model) if layers is None else layers)
        self.factor = factor
        self._latent: list[Tensor] | None = None
        self._is_update_due = False  # between `restore` and `update_gradients`
        self._guards: list[_Guard] = []  # one per gradient that the last update converted
        if not self.layers:
            raise ConfigError(
                "BinOp: wanted at least one layer, got none",
                remedy="a network of fewer than three convolutions needs `layers`",
            )
        for layer in self.layers:
            if isinstance(layer, BinaryWeights) or not isinstance(layer, nn.Conv2d | nn.Linear):
                raise ConfigError(
                    f"BinOp: wanted float Conv2d or Linear layers, got {type(layer).__name__}"
                )
        self.weights = [layer.weight for layer in self.layers]
        if len({id(weight) for weight in self.weights}) < len(self.weights):
            raise ConfigError("BinOp: wanted layers with weights of their own, got some twice")

    @contextmanager
    def training_step(self) -> Iterator[None]:
        """Around forward and backward. Afterwards weights and gradients are the latent ones.

        One `with` per update: gradients inside may accumulate, but are converted at the end. If
        the body raises, the latent weights are put back and the gradients left alone.

        Raises:
            ConfigError: from `backward`, if the gradients of the step before were not cleared:
                those are converted already, and must not be converted with the new ones again.
        """
        self.binarize()
        try:
            yield
        except BaseException:
            self.restore()
            raise
        self.restore()
        self.update_gradients()

    @contextmanager
    def evaluation(self) -> Iterator[None]:
        """Around forward passes. Afterwards the weights are bit for bit what they were."""
        self._save()
        try:
            self._centre_and_clamp()
            self._replace()
            yield
        finally:
            self.restore()

    @torch.no_grad()
    def binarize(self) -> None:
        """Centre and clamp the latent weights, keep them, and put α · sign in their place.

        A filter with one input channel is not centred: nothing but zeros would be left of it.
        """
        self._require_latent(False, "binarize")
        self._centre_and_clamp()
        self._save()
        self._replace()
        for guard in self._guards:
            guard.open()
        self._is_update_due = True

    @torch.no_grad()
    def restore(self) -> None:
        """Put the latent weights back."""
        self._require_latent(True, "restore")
        assert self._latent is not None
        for weight, latent in zip(self.weights, self._latent, strict=True):
            weight.copy_(latent)
        self._latent = None
        for guard in self._guards:
            guard.close()

    @torch.no_grad()
    def update_gradients(self) -> None:
        """Turn the gradients of the binarised weights into those of the latent ones.

        To be called once, behind `restore`. Layers without a gradient are passed over.

        Raises:
            ConfigError: the weights are still binarised, or were not since the last call.
        """
        self._require_latent(False, "update_gradients")
        if not self._is_update_due:
            raise ConfigError(
                "BinOp: update_gradients wants the gradients of binarised weights, which it is"
                " called for once, got none since the last call",
                remedy=_ORDER,
            )
        self._is_update_due = False
        done = {id(guard.weight) for guard in self._guards if guard.still_holds}
        for weight in self.weights:
            if weight.grad is not None and id(weight) not in done:
                weight.grad = latent_gradient(weight, weight.grad) * self._factor(weight)
        self._guards = [_Guard(weight) for weight in self.weights if weight.grad is not None]

    def _centre_and_clamp(self) -> None:
        for weight in self.weights:
            with torch.no_grad():
                if weight.shape[1] > 1:
                    rows = weight.movedim(1, -1)
                    mean = mean_of_rows(rows.reshape(-1, weight.shape[1]))
                    weight.sub_(mean.reshape(rows.shape[:-1]).unsqueeze(1))
                weight.clamp_(-1.0, 1.0)

    def _save(self) -> None:
        self._require_latent(False, "binarize")
        self._latent = [weight.detach().clone() for weight in self.weights]

    def _replace(self) -> None:
        for weight in self.weights:
            with torch.no_grad():
                weight.copy_(_scale(weight) * sign(weight))

    def _factor(self, weight: Tensor) -> float:
        if self.factor is GradientFactor.ONE:
            return 1.0
        centred = (1 - 1 / weight.shape[1]) * weight[0].numel()
        return centred if self.factor is GradientFactor.CENTRED else centred * 1e9

    def _require_latent(self, wanted: bool, step: str) -> None:
        if wanted != (self._latent is not None):
            state = "latent" if wanted else "binarised"
            raise ConfigError(
                f"BinOp: {step} while the weights are {state}",
                remedy=_ORDER,
            )


class _Guard:
    """Sees to it that a gradient which is converted already is not added to, nor converted again.

    Args:
        weight: has such a gradient.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight
        self._converted, self._has_new = weight.grad, False
        self._handle: RemovableHandle | None = None

    @property
    def still_holds(self) -> bool:
        """Whether the weight's gradient is the converted one, and nothing else."""
        return self.weight.grad is self._converted and not self._has_new

    def open(self) -> None:
        """Watch from now on what backward passes add."""
        if self.weight.requires_grad:
            self._handle = self.weight.register_hook(self._see)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Watch no longer."""
        if self._handle is not None:
            self._handle.remove()

    def _see(self, grad: Tensor) -> None:
        old = self._converted
        if self.still_holds and old is not None and bool(old.any()):
            raise ConfigError(
                "BinOp: wanted cleared gradients in front of backward, got those of the step"
                " before, which are converted already",
                remedy="call zero_grad once a step; to add up several batches, run all their"
                " backward passes inside one training_step",
            )
        self._has_new = True


@torch.no_grad()
def latent_gradient(weight: Tensor, grad: Tensor) -> Tensor:
    """Gradient of α · sign(w) → gradient of w, both (out, …): the formula of this module."""
    signs = sign(weight)
    through_scale = (grad * signs).flatten(1).mean(1).reshape(_column(weight)) * signs
    return through_scale + _scale(weight) * grad * (weight.abs() <= 1)


def _scale(weight: Tensor) -> Tensor:
    """α (out, 1, …)."""
    scale = weight_scale(weight, WeightScale.CHANNEL)
    assert scale is not None
    return scale.reshape(_column(weight))


def _column(weight: Tensor) -> tuple[int, ...]:
    return (-1, *(1,) * (weight.dim() - 1))
