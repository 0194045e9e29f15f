"""Binary layers: integer sums, padding, scales, latent weights, and Brevitas as the reference."""

import itertools

import numpy as np
import pytest
import torch
from brevitas.nn import QuantConv2d, QuantLinear
from torch import Tensor
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.binarize import Binarize
from bnnedge.ops.config import ActivationMethod, BinarizeConfig, PaddingMode, WeightScale
from bnnedge.ops.conv import BinaryConv1d, BinaryConv2d
from bnnedge.ops.exact import mean_of_rows
from bnnedge.ops.frozen import frozen
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.normalisation import AffineBatchNorm
from bnnedge.ops.quantisers import BipolarWeight

BORDER = {PaddingMode.MINUS_ONE: -1, PaddingMode.PLUS_ONE: 1, PaddingMode.ZERO: 0}
SCALED = (WeightScale.TENSOR, WeightScale.CHANNEL, WeightScale.BIREAL)


def _bits(*shape: int, seed: int = 1) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.tensor(rng.choice([-1.0, 1.0], shape), dtype=torch.float32)


def _config(scale: WeightScale, activation: ActivationMethod = ActivationMethod.NONE):
    return BinarizeConfig(activation=activation, weight_scale=scale)


def _naive_conv(x: np.ndarray, weight: np.ndarray, layer: BinaryConv2d) -> np.ndarray:
    """Integer convolution, one multiplication at a time in numpy int64."""
    (rows, columns), (ph, pw) = layer.kernel_size, layer.padding
    (sh, sw), (dh, dw), groups = layer.stride, layer.dilation, layer.groups
    border = BORDER[layer.border]
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=border)
    high = (x.shape[2] - dh * (rows - 1) - 1) // sh + 1
    wide = (x.shape[3] - dw * (columns - 1) - 1) // sw + 1
    out = np.zeros((len(x), len(weight), high, wide), np.int64)
    share_in, share_out = x.shape[1] // groups, len(weight) // groups
    for o, r, c in itertools.product(range(len(weight)), range(high), range(wide)):
        first = o // share_out * share_in
        window = x[
            :,
            first : first + share_in,
            r * sh : r * sh + dh * (rows - 1) + 1 : dh,
            c * sw : c * sw + dw * (columns - 1) + 1 : dw,
        ]
        out[:, o, r, c] = (window * weight[o]).sum((1, 2, 3))
    return out


@pytest.mark.parametrize("mode", PaddingMode)
@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 1, "stride": 2, "groups": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "padding": 1, "groups": 4},
        {"kernel_size": (1, 3), "padding": (0, 1), "stride": (2, 1)},
        {"kernel_size": 5, "padding": 2, "stride": 3, "dilation": (1, 2)},
        {"kernel_size": 2},
    ],
    ids=lambda arguments: "-".join(f"{k}{v}" for k, v in arguments.items()).replace(" ", ""),
)
def test_convolution_gives_exact_integers(mode: PaddingMode, arguments: dict) -> None:
    torch.manual_seed(2)
    layer = BinaryConv2d(4, 8, padding_mode=mode, **arguments)
    layer.weight.data[0] = 0.0  # sign(0) = +1
    x = _bits(2, 4, 9, 8)
    weight = layer.bipolar_weight().numpy().astype(np.int64)
    wanted = _naive_conv(x.numpy().astype(np.int64), weight, layer)
    for training in (True, False):
        out = layer.train(training)(x)
        assert np.array_equal(out.detach().numpy(), wanted)


@pytest.mark.parametrize("mode", PaddingMode)
@pytest.mark.parametrize("scale", [WeightScale.SIGN, WeightScale.CHANNEL])
def test_along_one_axis_it_is_the_convolution_of_images_of_one_row(
    mode: PaddingMode, scale: WeightScale
) -> None:
    torch.manual_seed(2)
    config = _config(scale, ActivationMethod.CLIPPED)
    options = {"stride": 2, "dilation": 2, "groups": 2, "padding_mode": mode, "binarize": config}
    rows = BinaryConv1d(4, 6, 3, padding=3, **options)
    images = BinaryConv2d(4, 6, (1, 3), padding=(0, 3), **options)
    images.load_state_dict({k: v.unsqueeze(2) for k, v in rows.state_dict().items()})
    x = torch.randn(5, 4, 11)
    for training in (True, False):
        wanted = images.train(training)(x.unsqueeze(2)).squeeze(2)
        assert torch.equal(rows.train(training)(x), wanted)


def test_ones_around_an_image_keep_every_accumulator_at_the_parity_of_its_window() -> None:
    """Odd windows of ±1 have odd sums; zeros around the image break that at its border."""
    x = _bits(1, 3, 6, 6)
    torch.manual_seed(3)
    for mode in PaddingMode:
        out = BinaryConv2d(3, 4, 3, padding=1, padding_mode=mode)(x)
        assert bool((out % 2 == 1).all()) is (mode is not PaddingMode.ZERO)


def test_padding_comes_behind_the_binarisation() -> None:
    x = torch.full((1, 1, 1, 1), -0.3)
    config = _config(WeightScale.SIGN, ActivationMethod.CLIPPED)
    sums = {}
    for mode in PaddingMode:
        layer = BinaryConv2d(1, 1, 3, padding=1, padding_mode=mode, binarize=config)
        layer.weight.data.fill_(0.5)
        sums[mode] = layer(x).item()
    assert sums == {PaddingMode.MINUS_ONE: -9, PaddingMode.PLUS_ONE: 7, PaddingMode.ZERO: -1}


def _pair(kind: str) -> tuple[torch.nn.Module, torch.nn.Module, Tensor]:
    """One of our layers, Brevitas' own with the same weights, and an input."""
    torch.manual_seed(4)
    if kind == "linear":
        ours: torch.nn.Module = BinaryLinear(40, 24)
        theirs: torch.nn.Module = QuantLinear(40, 24, bias=False, weight_quant=BipolarWeight)
        x = _bits(16, 40)
    else:
        ours = BinaryConv2d(6, 8, 3, stride=2, padding=1, padding_mode=PaddingMode.ZERO, groups=2)
        theirs = QuantConv2d(
            6, 8, 3, stride=2, padding=1, groups=2, bias=False, weight_quant=BipolarWeight
        )
        x = _bits(5, 6, 7, 7)
    assert isinstance(ours.weight, Tensor)
    with torch.no_grad():
        ours.weight.mul_(1.5)
        flat = ours.weight.view(-1)
        flat[:6] = torch.tensor([0.0, -0.0, 1.0, -1.0, 1.0000001, -7.0])
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs, x


@pytest.mark.parametrize("kind", ["linear", "conv"])
def test_training_equals_brevitas_bit_for_bit(kind: str) -> None:
    ours, theirs, x = _pair(kind)
    results = []
    for layer in (ours, theirs):
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.3)
        steps = []
        for _ in range(5):
            leaf = x.clone().requires_grad_()
            optimizer.zero_grad()
            out = layer(leaf)
            (out.tanh() * out).sum().backward()
            assert leaf.grad is not None and layer.weight.grad is not None
            clamped = layer.weight.detach().clone()
            steps.append((out.detach(), leaf.grad, layer.weight.grad.clone(), clamped))
            optimizer.step()
        results.append(steps)
    for ours_step, theirs_step in zip(*results, strict=True):
        for a, b in zip(ours_step, theirs_step, strict=True):
            assert torch.equal(a, b)
    assert any((step[3].abs() == 1).any() for step in results[0])
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("scale", SCALED)
def test_scaled_layers_multiply_exact_sums_once(kind: str, scale: WeightScale) -> None:
    torch.manual_seed(5)
    if kind == "linear":
        layer, x, shape = BinaryLinear(64, 5, binarize=_config(scale)), _bits(9, 64), (1, -1)
    else:
        layer = BinaryConv2d(6, 5, 3, padding=1, binarize=_config(scale))
        x, shape = _bits(3, 6, 5, 5), (1, -1, 1, 1)
    rows = 1 if scale is WeightScale.TENSOR else 5
    alpha = mean_of_rows(layer.weight.detach().reshape(rows, -1).abs())
    weight = layer.bipolar_weight()
    if kind == "linear":
        sums = x.double() @ weight.double().T
    else:
        padded = functional.pad(x, (1, 1, 1, 1), value=-1.0)
        sums = functional.conv2d(padded.double(), weight.double())
    for training in (True, False):
        out = layer.train(training)(x)
        assert torch.equal(out, sums.float() * alpha.reshape(shape))


@pytest.mark.parametrize("kind", ["linear", "conv"])
@pytest.mark.parametrize("scale", WeightScale)
@pytest.mark.parametrize("activation", ActivationMethod)
def test_layer_gradients_are_those_of_binarize(
    kind: str, scale: WeightScale, activation: ActivationMethod
) -> None:
    torch.manual_seed(6)
    config = _config(scale, activation)
    if kind == "linear":
        layer, x = BinaryLinear(12, 5, binarize=config), torch.randn(9, 12)
    else:
        layer = BinaryConv2d(4, 6, 3, stride=2, padding=1, groups=2, binarize=config)
        x = torch.randn(3, 4, 6, 5)
    layer = layer.double()
    x = x.double().requires_grad_()
    layer.weight.data.view(-1)[:3] = torch.tensor([0.0, 1.0, -1.0])

    weight = layer.weight.detach().clone().requires_grad_()
    bits, binary = Binarize(config)(x, weight)
    if kind == "linear":
        wanted = bits @ binary.T
    else:
        padded = functional.pad(bits, (1, 1, 1, 1), value=-1.0)
        wanted = functional.conv2d(padded, binary, stride=2, groups=2)
    incoming = torch.randn(wanted.shape, dtype=torch.float64)
    references = torch.autograd.grad(wanted, (x, weight), incoming)
    for training in (True, False):
        out = layer.train(training)(x)
        assert torch.allclose(out, wanted, rtol=1e-12)
        grads = torch.autograd.grad(out, (x, layer.weight), incoming)
        for ours, reference in zip(grads, references, strict=True):
            assert torch.allclose(ours, reference, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", SCALED)
def test_evaluation_changes_no_weight_and_foresees_the_clamp(scale: WeightScale) -> None:
    torch.manual_seed(7)
    layer = BinaryLinear(10, 4, binarize=_config(scale)).eval()
    layer.weight.data.mul_(4)
    before = layer.weight.detach().clone()
    evaluated = layer(_bits(3, 10))
    assert torch.equal(layer.weight, before)
    trained = layer.train()(_bits(3, 10))
    assert layer.weight.abs().max() == 1
    assert torch.equal(evaluated, trained)


def test_latent_weights_start_spread_and_are_clamped_in_training() -> None:
    torch.manual_seed(0)
    layer = BinaryLinear(64, 64)
    assert layer.weight.abs().max() <= 1 and layer.weight.std() > 0.5
    layer.weight.data[0, :2] = torch.tensor([7.0, -7.0])
    layer(torch.ones(1, 64))
    assert layer.weight[0, :2].tolist() == [1, -1]


@pytest.mark.parametrize("scale", WeightScale)
def test_one_layer_may_be_used_twice_in_a_network(scale: WeightScale) -> None:
    layer = BinaryLinear(6, 6, binarize=_config(scale, ActivationMethod.CLIPPED))
    layer(layer(torch.randn(4, 6))).sum().backward()
    assert layer.weight.grad is not None


def test_float_weights_are_left_alone() -> None:
    layer = BinaryLinear(3, 1, binarize=_config(WeightScale.OFF))
    layer.weight.data = torch.tensor([[3.0, -0.5, 0.0]])
    assert layer(torch.tensor([[1.0, 1.0, 1.0]])).item() == 2.5
    assert layer.weight.tolist() == [[3, -0.5, 0]]
    with pytest.raises(ConfigError, match="wanted a binary layer, got weight scale off"):
        layer.bipolar_weight()


@pytest.mark.parametrize("scale", SCALED)
def test_frozen_networks_compute_the_same_numbers(scale: WeightScale) -> None:
    torch.manual_seed(8)
    network = torch.nn.Sequential(
        BinaryConv2d(2, 3, 3, binarize=_config(scale)), AffineBatchNorm(3)
    )
    for _ in range(3):
        network(_bits(4, 2, 6, 6))
    network.eval()
    constant = frozen(network)
    x = _bits(7, 2, 6, 6, seed=9)
    assert torch.equal(constant(x), network(x))
    assert not any(isinstance(module, AffineBatchNorm) for module in constant.modules())
    assert network[0].frozen_scale is None
    assert "0.frozen_scale" not in network.state_dict()


def test_mistakes_name_what_was_wanted() -> None:
    with pytest.raises(ConfigError, match="wanted channels that 3 groups divide, got 4 and 6"):
        BinaryConv2d(4, 6, 3, groups=3)
    with pytest.raises(ConfigError, match="wanted sizes of at least 1"):
        BinaryConv2d(4, 6, 3, stride=0)
    with pytest.raises(ConfigError, match=r"wanted \(N, 4, H, W\), got \(1, 3, 5, 5\)"):
        BinaryConv2d(4, 6, 3)(torch.zeros(1, 3, 5, 5))
    with pytest.raises(
        ConfigError, match=r"wanted images of at least 5 pixels, got \(1, 4, 3, 9\)"
    ):
        BinaryConv2d(4, 6, 3, dilation=2)(torch.zeros(1, 4, 3, 9))
    with pytest.raises(ConfigError, match=r"BinaryConv1d: wanted \(N, 4, L\), got \(1, 4, 5, 5\)"):
        BinaryConv1d(4, 6, 3)(torch.zeros(1, 4, 5, 5))
    with pytest.raises(ConfigError, match="BinaryConv1d: wanted rows of at least 3 pixels, got"):
        BinaryConv1d(4, 6, 5, padding=1)(torch.zeros(1, 4, 2))
    with pytest.raises(ConfigError, match="BinaryConv1d: wanted sizes of at least 1"):
        BinaryConv1d(4, 6, 0)
    with pytest.raises(ConfigError, match=r"BinaryLinear: wanted \(N, 4\), got \(2, 5\)"):
        BinaryLinear(4, 3)(torch.zeros(2, 5))
