"""Thresholds by enumeration: a layer of MW synapses has MW + 1 accumulators, so try them all.

The original float nodes are run on every accumulator that can occur, in float32 and in their order.
Whatever they round, the threshold that comes out is theirs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qonnx.core.modelwrapper import ModelWrapper

from bnnedge.errors import LoweringError
from bnnedge.lowering.execute import Runner, Tensors


def accumulators(synapses: int) -> NDArray[np.float32]:
    """Every ±1 dot product of `synapses` pairs, (MW + 1,): −MW, −MW + 2, …, MW."""
    return np.arange(-synapses, synapses + 1, 2).astype(np.float32)


def enumerate_region(
    model: ModelWrapper, runner: Runner, layer: Any, region: tuple[Any, ...]
) -> Tensors:
    """Run `region` on every accumulator of `layer` in all channels at once.

    Returns:
        Every tensor of the region by name; row p of each belongs to popcount p.
    """
    synapses, channels = model.get_initializer(layer.input[1]).shape
    shape = model.get_tensor_shape(layer.output[0])
    grid = np.repeat(accumulators(synapses)[:, None], channels, axis=1)
    return runner.run(region, {layer.output[0]: grid.reshape(-1, *shape[1:])})


def two_levels(values: NDArray[Any], where: str) -> tuple[float, float]:
    """The two values that a binarised tensor takes, lower first.

    Raises:
        LoweringError: it takes more, or not ±s nor 0 and s.
    """
    finite = np.isfinite(values)
    levels = np.unique(values[finite])
    if not finite.all() and len(levels) <= 2:
        raise LoweringError(f"{where}: gives NaN or infinity")
    if len(levels) == 1:  # constant: any second level will do
        level = float(levels[0])
        return (-abs(level), abs(level)) if level else (0.0, 1.0)
    if len(levels) != 2:
        shown = ", ".join(f"{level:.4g}" for level in levels[:4])
        raise LoweringError(
            f"{where}: not binarised, it takes {len(levels)} or more values ({shown}, …)",
            remedy="put one binariser (BipolarQuant, MultiThreshold, Sign) before every MatMul",
        )
    low, high = float(levels[0]), float(levels[1])
    if low not in (-high, 0.0) and high != 0.0:
        raise LoweringError(f"{where}: takes {low:.6g} and {high:.6g}, wanted ±s or 0 and s")
    return low, high


def threshold_of(
    bits: NDArray[np.bool_], where: str
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Bits (MW + 1, MH) by popcount → thresholds int32 (MH,) in [0, MW + 1] and invert (MH,).

    Raises:
        LoweringError: names the channel that switches more than once.
    """
    synapses = len(bits) - 1
    switches = bits[1:] != bits[:-1]
    twice = np.flatnonzero(switches.sum(axis=0) > 1)
    if twice.size:
        channel = int(twice[0])
        at = [2 * (int(p) + 1) - synapses for p in np.flatnonzero(switches[:, channel])[:3]]
        raise LoweringError(
            f"{where}: channel {channel} is not monotone, it switches at the accumulators"
            f" {', '.join(map(str, at))}",
            remedy="one threshold cannot express it",
        )
    invert = bits[0] & ~bits[-1]
    first = switches.argmax(axis=0) + 1
    constant = np.where(bits[0], 0, synapses + 1)
    thresholds = np.where(switches.any(axis=0), first, constant)
    return thresholds.astype(np.int32), invert.astype(np.bool_)
