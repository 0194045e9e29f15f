"""Networks as few bytes: one bit per binary weight or table entry, everything else as it is.

Packing loses only what an evaluation does not see: latent weights beyond their sign and the scale
that follows from them, which is kept. The unpacked network gives the same bits.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bnnedge.errors import CheckpointError
from bnnedge.models.network import Network
from bnnedge.models.numbers import REMEDY, wrong_number
from bnnedge.ops.config import WeightScale
from bnnedge.ops.lut_layer import LutLayer
from bnnedge.ops.sparse_linear import SparseLinear
from bnnedge.ops.weights import BinaryWeights

_COUNTER = "num_batches_tracked"  # BatchNorm counts steps, and never reads it with a momentum


def pack(model: Network) -> dict[str, NDArray[np.generic]]:
    """Arrays by name: "<layer>.weight" uint8 with 8 weights a byte (lowest bit first, 1 is +1),
    "<layer>.counted" likewise where weights may be 0, 1 where one is not, "<layer>.frozen_scale"
    float32 where weights have one; of tables "<layer>.wiring" int32 (tables,
    inputs) and "<layer>.tables" uint8 with 8 entries a byte; of sparse sums "<layer>.wiring" int32
    (neurons, inputs), and "<layer>.weight" of these alone; and every other tensor of the network.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        name: tensor.numpy()
        for name, tensor in model.state_dict().items()
        if not name.endswith(_COUNTER)
    }
    with torch.no_grad():
        for name, layer in _binary_layers(model).items():
            values = layer.bipolar_weight().numpy().reshape(-1)
            arrays[f"{name}.weight"] = np.packbits(values > 0, bitorder="little")
            if layer.is_ternary:
                arrays[f"{name}.counted"] = np.packbits(values != 0, bitorder="little")
            scale = layer.weight_scale()
            if scale is not None:
                arrays[f"{name}.frozen_scale"] = scale.numpy()
        for name, tables in _table_layers(model).items():
            del arrays[f"{name}.wires"]
            arrays[f"{name}.wiring"] = tables.wiring().numpy().astype(np.int32)
            entries = tables.contents().numpy() > 0
            arrays[f"{name}.tables"] = np.packbits(entries, axis=1, bitorder="little")
        for name, sums in _sparse_layers(model).items():
            taken = sums.bipolar_weight()
            wiring = taken.nonzero()[:, 1].reshape(-1, sums.fan_in)
            arrays[f"{name}.wiring"] = wiring.numpy().astype(np.int32)
            positive = taken.gather(1, wiring).numpy().reshape(-1) > 0
            arrays[f"{name}.weight"] = np.packbits(positive, bitorder="little")
    return arrays


def unpack_(model: Network, arrays: Mapping[str, NDArray[np.generic]], source: str) -> None:
    """Give a network of the same shape what `pack` took; it is in evaluation mode afterwards.

    Latent weights become ±1, times the scale where there is one: training goes on from there.

    Raises:
        CheckpointError: an array is missing, spare, not of the network's shape, or holds NaN or
            infinity; names it.
    """
    given = dict(arrays)
    model.eval()
    binary = _binary_layers(model)
    for layer in binary.values():
        layer.freeze_()
    state = model.state_dict()
    tables = _table_layers(model)
    packed_names = {f"{name}.{part}" for name in tables for part in ("wires", "tables")}
    sparse = _sparse_layers(model)
    packed_names |= {f"{name}.weight" for name in (*binary, *sparse)}
    for name, tensor in state.items():
        if name not in packed_names and not name.endswith(_COUNTER):
            taken = _take(given, name, tuple(tensor.shape), np.float32, source)
            state[name] = torch.from_numpy(taken)
    for name, layer in binary.items():
        shape = tuple(layer.weight.shape)
        latent = _unpacked_signs(given, f"{name}.weight", shape, source)
        if layer.is_ternary:
            latent *= _unpacked_signs(given, f"{name}.counted", shape, source).clamp(min=0)
        scale = state.get(f"{name}.frozen_scale")
        if scale is not None:
            magnitude = torch.where(scale > 0, scale, 1.0)
            latent *= magnitude.reshape(-1, *(1,) * (latent.dim() - 1))
        state[f"{name}.weight"] = latent
    for name, layer_of_tables in tables.items():
        wires, entries = _unpacked_tables(given, name, layer_of_tables, source)
        state[f"{name}.wires"], state[f"{name}.tables"] = wires, entries
    for name, sums in sparse.items():
        state[f"{name}.weight"] = _unpacked_sums(given, name, sums, source)
    for name in given:
        raise CheckpointError(f"{source}: array {name} is not part of the network")
    wrong = wrong_number(model, state)
    if wrong is not None:
        raise CheckpointError(f"{source}: {wrong}", remedy=REMEDY)
    model.load_state_dict(state)


def _unpacked_tables(
    given: dict[str, NDArray[np.generic]], name: str, layer: LutLayer, source: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latent wires, 1 at the input that is taken, and latent entries, ±1."""
    wiring, entries = _unpacked_wiring(given, name, layer, source), 1 << layer.fan_in
    size = (layer.out_features, math.ceil(entries / 8))
    packed = _take(given, f"{name}.tables", size, np.uint8, source).astype(np.uint8)
    bits = np.unpackbits(packed, axis=1, count=entries, bitorder="little")
    wires = torch.zeros_like(layer.wires)
    wires.scatter_(1, wiring.reshape(-1, 1), 1.0)
    return wires, torch.from_numpy(2 * bits.astype(np.float32) - 1)


def _unpacked_sums(
    given: dict[str, NDArray[np.generic]], name: str, layer: SparseLinear, source: str
) -> torch.Tensor:
    """Latent weights, ±1 where an input is taken, else 0."""
    wiring = _unpacked_wiring(given, name, layer, source)
    if (wiring.sort(1).values.diff(dim=1) == 0).any():
        raise CheckpointError(f"{source}: array {name}.wiring takes an input twice in a row")
    signs = _unpacked_signs(given, f"{name}.weight", tuple(wiring.shape), source)
    return torch.zeros_like(layer.weight).scatter_(1, wiring, signs)


def _unpacked_wiring(
    given: dict[str, NDArray[np.generic]], name: str, layer: LutLayer | SparseLinear, source: str
) -> torch.Tensor:
    shape = (layer.out_features, layer.fan_in)
    wiring = _take(given, f"{name}.wiring", shape, np.int32, source).astype(np.int64)
    if wiring.min() < 0 or wiring.max() >= layer.in_features:
        raise CheckpointError(
            f"{source}: array {name}.wiring wanted 0 to {layer.in_features - 1}, got"
            f" {wiring.min()} to {wiring.max()}"
        )
    return torch.from_numpy(wiring)


def _unpacked_signs(
    given: dict[str, NDArray[np.generic]], name: str, shape: tuple[int, ...], source: str
) -> torch.Tensor:
    """±1 of a shape, from the bits of an array."""
    count = math.prod(shape)
    packed = _take(given, name, (math.ceil(count / 8),), np.uint8, source)
    bits = np.unpackbits(packed.astype(np.uint8), count=count, bitorder="little")
    return torch.from_numpy(2 * bits.astype(np.float32) - 1).reshape(shape)


def _table_layers(model: nn.Module) -> dict[str, LutLayer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, LutLayer)}


def _sparse_layers(model: nn.Module) -> dict[str, SparseLinear]:
    return {
        name: module for name, module in model.named_modules() if isinstance(module, SparseLinear)
    }


def _binary_layers(model: nn.Module) -> dict[str, BinaryWeights]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, BinaryWeights)
        and not isinstance(module, SparseLinear)
        and module.binarize.weight_scale is not WeightScale.OFF
    }


def _take(
    given: dict[str, NDArray[np.generic]],
    name: str,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    source: str,
) -> NDArray[np.generic]:
    array = given.pop(name, None)
    if array is None:
        raise CheckpointError(f"{source}: array {name} is missing")
    if array.shape != shape or array.dtype != dtype:
        raise CheckpointError(
            f"{source}: array {name} wanted {shape} {np.dtype(dtype)}, "
            f"got {array.shape} {array.dtype}"
        )
    return array
