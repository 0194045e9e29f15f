"""The encoding layer: bit order, edges, agreement with the numpy encodings."""

import numpy as np
import torch

from bnnedge.data.encodings import OneBitThreshold, QuantileThermometer
from bnnedge.ops.encoding import ThresholdEncoding


def test_thermometer_bits_are_element_major_lowest_threshold_first() -> None:
    layer = ThresholdEncoding([1.0, 2.0, 3.0])
    out = layer(torch.tensor([[2.0, 0.0]]))
    assert out.tolist() == [[1, 1, -1, -1, -1, -1]]


def test_threshold_itself_counts_as_reached_and_its_neighbour_below_does_not() -> None:
    threshold = np.float32(127.3)
    x = [np.nextafter(threshold, -np.inf), threshold, np.nextafter(threshold, np.inf)]
    layer = ThresholdEncoding([float(threshold)])
    assert layer(torch.tensor(np.array([x], np.float32))).tolist() == [[-1, 1, 1]]
    assert ThresholdEncoding([0.0])(torch.tensor([[0.0, -0.0, -1e-45]])).tolist() == [[1, 1, -1]]


def test_layer_and_numpy_encoding_agree() -> None:
    x = np.random.default_rng(5).integers(0, 17, (20, 1, 4, 4)).astype(np.float32)
    for encoding in (
        OneBitThreshold(threshold=7.5),
        QuantileThermometer.fit(x, 4),
        QuantileThermometer.fit(x, 1),
    ):
        layer = ThresholdEncoding(encoding.thresholds.tolist())
        bits = (layer(torch.from_numpy(x)).numpy() > 0).astype(np.uint8)
        assert np.array_equal(bits, encoding.bits(x))
