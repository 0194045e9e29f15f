"""Layers of tables: each output looks a few of its inputs up, and training chooses which ones."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from bnnedge.errors import ConfigError
from bnnedge.names import CUSTOM_OPS
from bnnedge.ops.config import MOST_TABLE_INPUTS
from bnnedge.ops.surrogates import sign

_SPREAD = 0.1  # of the wires' weights at the start: any other wire may soon be the heaviest


class LookedUp(torch.autograd.Function):
    """Tables of ±1 inputs, with the gradients that stand in for those of choice and look-up.

    With a[m, j] = argmax_i wires[m·k + j, i] (the lowest of equals), i[m] = Σ_j 2^j · [x[a[m, j]] >
    0] and y[m] = sign(tables[m, i[m]]), and with g the gradient of y:

    * d tables[m, i] = g[m] where i = i[m], else 0: the sign is passed straight through;
    * d z[m, j] = g[m] · (tables[m, i[m] with bit j] − tables[m, i[m] without]) / 2, the slope of
      the table between the two values of an input: the finite difference of "Differentiable
      Weightless Neural Networks" (Bacellar et al. 2024, section 3.1), at Hamming distance 1;
    * d x[i] = Σ of d z[m, j] over the wires that chose i;
    * d wires[m·k + j, i] = d z[m, j] · x[i]: what another choice would have given, straight
      through the arg-max (section 3.2 there, which learns the mapping).

    "LogicNets" (Umuroglu et al. 2020) has such tables with fixed wires, "Deep Differentiable Logic
    Gate Networks" (Petersen et al. 2022) those of two inputs, as mixtures of gates.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, wires: Tensor, tables: Tensor) -> Tensor:
        """±1 (N, C), real (M · k, C) and (M, 2^k) → ±1 (N, M)."""
        rows, chosen = x.t().contiguous(), _heaviest(wires)
        index = _index(rows[chosen], len(tables))
        ctx.save_for_backward(rows, chosen, index, tables)
        return sign(tables.gather(1, index)).t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """See the class."""
        rows, chosen, index, tables = ctx.saved_tensors
        own = grad.t().contiguous()
        d_tables = torch.zeros_like(tables).scatter_add_(1, index, own)
        fan_in = len(chosen) // len(tables)
        slopes = torch.stack(
            [
                tables.gather(1, index | bit) - tables.gather(1, index & ~bit)
                for bit in (1 << place for place in range(fan_in))
            ],
            dim=1,
        )
        d_chosen = slopes.mul_(own.unsqueeze(1)).mul_(0.5).flatten(0, 1)
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = torch.zeros_like(rows).index_add_(0, chosen, d_chosen).t()
        return d_x, d_chosen @ rows.t(), d_tables


def _heaviest(wires: Tensor) -> Tensor:
    """Arg-max of every row, the first of equals: four times as fast as torch's own on a CPU."""
    return wires.max(1).indices


def _index(chosen: Tensor, tables: int) -> Tensor:
    """±1 (M · k, N) → which entry each of M tables looks up, int64 (M, N)."""
    bits = (chosen > 0).reshape(tables, -1, chosen.shape[1]).long()
    powers = 1 << torch.arange(bits.shape[1], device=chosen.device)
    return (bits * powers.unsqueeze(1)).sum(1)


class FrozenTables(nn.Module):
    """What a `LutLayer` is after training; exports as the op `LutLayer` of `bnnedge.custom_op`."""

    wiring: Tensor
    tables: Tensor

    def __init__(self, layer: "LutLayer") -> None:
        super().__init__()
        self.register_buffer("wiring", layer.wiring().to(torch.int32))
        self.register_buffer("tables", (layer.contents() > 0).to(torch.uint8))

    def forward(self, x: Tensor) -> Tensor:
        """±1 (N, C) → ±1 (N, M)."""
        tables = len(self.tables)
        if torch.compiler.is_exporting():
            out: Tensor = torch.onnx.ops.symbolic(
                f"{CUSTOM_OPS}::LutLayer",
                (x, self.wiring, self.tables),
                dtype=torch.float32,
                shape=(x.shape[0], tables),
                version=1,
            )
            return out
        index = _index(x.t()[self.wiring.flatten()], tables)
        return (2.0 * self.tables.gather(1, index) - 1).t()


class LutLayer(nn.Module):
    """±1 inputs (N, in_features) → ±1 (N, out_features): a table of `fan_in` inputs each.

    `wires` (out_features · fan_in, in_features) says by its largest weight which input a wire
    takes; `tables` (out_features, 2^fan_in) holds latent entries, whose signs are what is looked
    up. They start uniformly in [−1, 1], where training keeps them. See `LookedUp` for the
    gradients. In evaluation the layer is exactly `wiring` and `contents`.

    Args:
        in_features: inputs to choose from.
        out_features: tables.
        fan_in: inputs of each, 1 to 8. Tables of up to 4 take one LUT4, of 6 four of them.

    Raises:
        ConfigError: sizes out of range; when called, inputs of another shape.
    """

    def __init__(self, in_features: int, out_features: int, fan_in: int = 4) -> None:
        super().__init__()
        if min(in_features, out_features) < 1 or not 1 <= fan_in <= MOST_TABLE_INPUTS:
            raise ConfigError(
                f"LutLayer: wanted sizes of at least 1 and 1 to {MOST_TABLE_INPUTS} inputs each,"
                f" got {in_features}, {out_features} and {fan_in}"
            )
        self.in_features, self.out_features, self.fan_in = in_features, out_features, fan_in
        self.wires = nn.Parameter(_SPREAD * torch.randn(out_features * fan_in, in_features))
        self.tables = nn.Parameter(torch.rand(out_features, 1 << fan_in) * 2 - 1)

    @torch.no_grad()
    def wiring(self) -> Tensor:
        """int64 (out_features, fan_in): the input that every wire takes."""
        return _heaviest(self.wires).reshape(self.out_features, self.fan_in)

    @torch.no_grad()
    def contents(self) -> Tensor:
        """±1 float32 (out_features, 2^fan_in): what is looked up; input j is bit j of the index."""
        return sign(self.tables)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if x.dim() != 2 or x.shape[1] != self.in_features:
            raise ConfigError(f"LutLayer: wanted (N, {self.in_features}), got {tuple(x.shape)}")
        if self.training:
            self.tables.detach().clamp_(-1.0, 1.0)
        out: Tensor = LookedUp.apply(x, self.wires, self.tables)  # type: ignore[no-untyped-call]
        return out
