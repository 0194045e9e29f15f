"""How the engine makes the first stream of a network from its inputs: the fields of a `plan`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnedge.dataflow import IntegerEncoding, ThresholdEncoding
from bnnedge.emulator.library import Variant
from bnnedge.emulator.packed import pack_words

_EXACT_FLOAT = 1 << 23


def bits(encoding: ThresholdEncoding, variant: Variant) -> dict[str, Any]:
    """For inputs that become bits, which are padded to whole units."""
    stream = encoding.stream
    pixels, channels = stream.pixels, stream.channels
    units, unit_bits = variant.units(channels), variant.unit_bits

    def padded(values: NDArray[Any], padding: Any) -> NDArray[Any]:
        each = np.full((pixels, units * unit_bits), padding, values.dtype)
        each[:, :channels] = values.reshape(pixels, channels)
        flat = each.reshape(-1)
        return np.pad(flat, (0, -len(flat) % 64), constant_values=padding)

    source = padded(encoding.source, 0)
    dense = pixels == 1 or channels % unit_bits == 0
    straight = np.array_equal(encoding.source, np.arange(encoding.features))
    return {
        "bits": 1,
        "features": len(source),
        "identity": int(dense and straight),
        "source": source,
        "thresholds": padded(encoding.threshold, np.float32(np.nan)),
        "flips": pack_words(padded(encoding.invert.astype(np.uint8), 0)),
        "units": pixels * units,
    }


def integers(encoding: IntegerEncoding, variant: Variant, *, planar: bool) -> dict[str, Any]:
    """For inputs that become integers; `planar` is as in `Buffer`."""
    steps, smallest = encoding.steps, encoding.element.smallest
    ramp = np.isfinite(steps).all() and np.abs(steps).max(initial=0) < _EXACT_FLOAT
    ramp = ramp and len(steps) == 1 and bool((steps[0] == np.floor(steps[0])).all())
    bytes_ = np.arange(256, dtype=np.float32)
    table = [smallest + np.searchsorted(row, bytes_, side="right") for row in steps]
    return {
        "features": encoding.features,
        "source": encoding.source,
        "steps": steps,
        "rows": steps.shape[0],
        "count": steps.shape[1],
        "smallest": smallest,
        "integral": int(ramp and bool((np.diff(steps[0]) == 1).all())),
        "table": np.array(table, np.int32),
        "element_stride": 1 if planar else variant.lanes,
        "lane_stride": encoding.features if planar else 1,
    }
