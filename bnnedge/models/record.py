"""A network's shape as JSON, beside its weights: in checkpoints and in pretrained models."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bnnedge.config import structure
from bnnedge.data.encodings import (
    Encoding,
    FeatureThermometer,
    IntegerEncoding,
    OneBitThreshold,
    QuantileThermometer,
    ThresholdsEncoding,
)
from bnnedge.errors import CheckpointError, ConfigError
from bnnedge.models.config import MAX_WIDTH, NetworkConfig
from bnnedge.models.network import Network
from bnnedge.models.zoo import build_network
from bnnedge.records import to_json

_ENCODINGS: Mapping[str, type[Encoding]] = {
    "threshold": OneBitThreshold,
    "levels": QuantileThermometer,
    "features": FeatureThermometer,
    "bits": IntegerEncoding,
}
_MAX_BITS = 16


def network_record(model: Network) -> dict[str, Any]:
    """What `network_from_record` needs to make a network of the same shape."""
    return {
        "network": to_json(model.config),
        "input_shape": list(model.input_shape),
        "encoding": to_json(model.input_encoding),
        "outputs": model.classes,
    }


def network_from_record(record: Mapping[str, Any], source: str) -> Network:
    """A network with random weights, of the shape in a record.

    Args:
        record: holds what `network_record` gave, perhaps among other things.
        source: what an error message calls the origin, e.g. the file's path.

    Raises:
        CheckpointError: a value is missing or is none that bnnedge writes.
    """
    try:
        config = structure(record["network"], NetworkConfig, source=source)
        if config.residual is not None and "residual_bits" not in record["network"]:
            # Between residual blocks were real numbers when records did not say.
            config = dataclasses.replace(config, residual_bits=0)
        shape = tuple(int(size) for size in record["input_shape"])
        outputs = int(record["outputs"])
        encoding = _encoding(record["encoding"], source)
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{source}: no usable network shape ({error!r})") from error
    if min(shape, default=0) < 1 or math.prod(shape) > MAX_WIDTH or not 1 <= outputs <= MAX_WIDTH:
        raise CheckpointError(
            f"{source}: wanted 1…{MAX_WIDTH} inputs and outputs, got {shape} and {outputs}"
        )
    try:
        return build_network(config, input_shape=shape, encoding=encoding, classes=outputs)
    except ConfigError as error:
        raise CheckpointError(f"{source}: {error}") from error


def _encoding(record: Mapping[str, Any], source: str) -> Encoding:
    (key,) = set(record) - {"selected"}
    if key not in _ENCODINGS:
        raise ValueError(f"no encoding is described by {key!r}")
    encoding = structure(record, _ENCODINGS[key], source=source)
    if isinstance(encoding, IntegerEncoding):
        if not 1 <= encoding.bits <= _MAX_BITS:
            raise ValueError(f"wanted 1…{_MAX_BITS} bits, got {encoding.bits}")
        return encoding
    assert isinstance(encoding, ThresholdsEncoding)
    thresholds = encoding.thresholds
    steps = np.diff(thresholds)
    rising = (steps >= 0).all() if thresholds.ndim > 1 else (steps > 0).all()
    if not rising or not 1 <= thresholds.size <= MAX_WIDTH or not np.isfinite(thresholds).all():
        raise ValueError(f"wanted finite increasing thresholds, got {thresholds.tolist()}")
    return encoding
