"""The encoding layer: bit order, edges, agreement with the numpy encodings."""

import dataclasses

import numpy as np
import pytest
import torch
from brevitas.nn import QuantIdentity

from bnnedge.data.encodings import FeatureThermometer, OneBitThreshold, QuantileThermometer
from bnnedge.errors import ConfigError
from bnnedge.ops.encoding import PixelInput, ThresholdEncoding


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


@pytest.mark.parametrize("shape", [(3,), (3, 5), (3, 4, 2)])
@pytest.mark.parametrize("levels", [1, 4])
def test_thermometers_of_features_agree_with_numpy(shape: tuple[int, ...], levels: int) -> None:
    x = np.random.default_rng(6).normal(0, 1, (40, *shape)).astype(np.float32)
    x[:, 1] *= 100
    encoding = FeatureThermometer.fit(x, levels)
    rows = encoding.thresholds.tolist()
    bits = ThresholdEncoding(rows)(torch.from_numpy(x)).numpy() > 0
    assert np.array_equal(bits, encoding.bits(x))
    if len(shape) > 1:
        kept = ThresholdEncoding(rows, keep_shape=True)(torch.from_numpy(x)).numpy() > 0
        planes = np.moveaxis(encoding.bits(x).reshape(*x.shape, levels), -1, 2)
        assert np.array_equal(kept, planes.reshape(kept.shape))
    with pytest.raises(ConfigError, match=r"wanted \(N, 3, …\), got \(40, 2"):
        ThresholdEncoding(rows)(torch.from_numpy(x)[:, :2])


@pytest.mark.parametrize("levels", [1, 4])
def test_selected_bits_are_those_of_all_in_their_order(levels: int) -> None:
    x = np.random.default_rng(7).integers(0, 17, (40, 3, 5)).astype(np.float32)
    for encoding in (QuantileThermometer.fit(x, levels), FeatureThermometer.fit(x, levels)):
        whole = encoding.thresholds.tolist()
        for selected in ((0, 5, 6, 14), tuple(range(15 * levels))):
            layer = ThresholdEncoding(whole, selected=selected)
            bits = layer(torch.from_numpy(x)).numpy() > 0
            assert np.array_equal(bits, encoding.bits(x)[:, selected])
            own = dataclasses.replace(encoding, selected=selected)
            assert np.array_equal(bits, own.bits(x)) and not layer.state_dict()
    with pytest.raises(ConfigError, match="keep their shape, got selected — select bits of flat"):
        ThresholdEncoding([1.0], keep_shape=True, selected=[0])


def test_kept_shapes_have_one_channel_per_threshold_side_by_side() -> None:
    x = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5) % 7
    thresholds = [1.0, 3.0, 6.0]
    planes = ThresholdEncoding(thresholds, keep_shape=True)(x)
    assert planes.shape == (2, 9, 4, 5)
    for channel in range(3):
        for k, threshold in enumerate(thresholds):
            wanted = torch.where(x[:, channel] >= threshold, 1.0, -1.0)
            assert torch.equal(planes[:, channel * 3 + k], wanted)
    single = ThresholdEncoding([3.0], keep_shape=True)(x)
    assert torch.equal(single, planes[:, 1::3])


@pytest.mark.parametrize(
    ("bits", "signed", "wanted"),
    [
        (8, False, [0, 2, 2, 0, 0, 9, 255, 255, 255]),
        (8, True, [0, 2, 2, -2, -3, 9, 127, 127, 127]),
        (4, True, [0, 2, 2, -2, -3, 7, 7, 7, 7]),
        (2, False, [0, 2, 2, 0, 0, 3, 3, 3, 3]),
    ],
)
def test_pixels_round_half_to_even_and_stay_in_their_type(
    bits: int, signed: bool, wanted: list[float]
) -> None:
    x = torch.tensor([0.5, 1.5, 2.5, -2.5, -2.51, 9.0, 255.49, 255.5, 1e9]).reshape(3, 1, 3)
    layer = PixelInput(bits, signed)
    assert layer(x).flatten().tolist() == wanted
    brevitas = QuantIdentity.forward(layer, x)
    assert torch.equal(layer(x), brevitas), "other numbers than the exported quantiser"


@pytest.mark.parametrize("bits", [1, 0, 25])
def test_pixels_refuse_widths_that_float32_or_qonnx_cannot_hold(bits: int) -> None:
    with pytest.raises(ConfigError, match=f"wanted 2…24 bits, got {bits}"):
        PixelInput(bits)


@pytest.mark.parametrize("x", [torch.zeros(2, 5), torch.zeros(2, 5, 4, 3, 2)])
def test_kept_shapes_need_channels(x: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match=r"wanted \(N, C, H, W\) or \(N, C, L\), got \(2, 5"):
        ThresholdEncoding([0.0], keep_shape=True)(x)
