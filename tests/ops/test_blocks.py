"""Blocks: every documented combination, what they compute, what they refuse."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from bnnedge.errors import ConfigError
from bnnedge.ops.blocks.config import Downsample, LayerOrder, Reduction
from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU
from bnnedge.ops.blocks.nin import NIN
from bnnedge.ops.blocks.resnet import BinaryResNetBlock
from bnnedge.ops.blocks.skip import ResNetDownSample, SkipConnectV2
from bnnedge.ops.blocks.vgg import BinaryVggBlock
from bnnedge.ops.config import (
    ActivationMethod,
    BinarizeConfig,
    PaddingMode,
    ResidualConfig,
    WeightScale,
)
from bnnedge.ops.conv import BinaryConv2d
from bnnedge.ops.normalisation import AffineBatchNorm
from tests.ops.exporting import awkward, settle_norms

SIZES = [(8, 6), (7, 8), (7, 5), (1, 1)]
SLOW = pytest.mark.slow


def _check(block: nn.Module, channels: int, stride: int) -> None:
    """Shapes, a gradient for every parameter, finite numbers, no state changed in evaluation."""
    for size in SIZES:
        x = torch.randn(2, 4, *size)
        out = block.train()(x)
        assert out.shape == (2, channels, *(math.ceil(length / stride) for length in size))
        out.square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in block.parameters())
        block.zero_grad()
    block.eval()
    before = {name: value.clone() for name, value in block.state_dict().items()}
    block(x)
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


@pytest.mark.parametrize("order", LayerOrder)
@pytest.mark.parametrize("reduction", Reduction)
@pytest.mark.parametrize("shortcut", [False, True])
@pytest.mark.parametrize("kernel", [3, pytest.param(1, marks=SLOW), pytest.param(5, marks=SLOW)])
@pytest.mark.parametrize("relu", [True, pytest.param(False, marks=SLOW)])
def test_basic_block_for_every_combination(
    order: LayerOrder, reduction: Reduction, shortcut: bool, kernel: int, relu: bool
) -> None:
    torch.manual_seed(1)
    widths = ((1, 4), (2, 4), (2, 8)) if reduction is Reduction.CONV else ((2, 4), (2, 8))
    if not shortcut:
        widths = (*widths, (2, 6)) if reduction is Reduction.FACTORIZED else (*widths, (1, 5))
    for stride, channels in widths:
        block = BinaryConvBNReLU(
            4,
            channels,
            kernel,
            stride=stride,
            order=order,
            relu=relu,
            shortcut=shortcut,
            reduction=reduction,
        )
        _check(block, channels, stride)


def _binarisations() -> list[object]:
    """All of them; quick are those where no two choices are both unusual."""
    usual = (PaddingMode.MINUS_ONE, WeightScale.SIGN, ActivationMethod.CLIPPED)
    cases: list[object] = []
    for case in itertools.product(PaddingMode, WeightScale, ActivationMethod):
        unusual = sum(a is not b for a, b in zip(case, usual, strict=True))
        cases.append(pytest.param(*case, marks=SLOW if unusual > 1 else ()))
    return cases


@pytest.mark.parametrize(("mode", "scale", "activation"), _binarisations())
def test_blocks_for_every_binarisation(
    mode: PaddingMode, scale: WeightScale, activation: ActivationMethod
) -> None:
    config = BinarizeConfig(activation=activation, weight_scale=scale)
    for reduction in Reduction:
        block = BinaryConvBNReLU(
            4, 4, 3, stride=2, reduction=reduction, padding_mode=mode, binarize=config
        )
        _check(block, 4, 2)
    _check(BinaryResNetBlock(4, 4, padding_mode=mode, binarize=config), 4, 1)
    _check(BinaryVggBlock(4, 6, stride=2, padding_mode=mode, binarize=config), 6, 2)


@pytest.mark.parametrize("downsample", Downsample)
@pytest.mark.parametrize("order", LayerOrder)
@pytest.mark.parametrize("kernel", [3, pytest.param(1, marks=SLOW)])
@pytest.mark.parametrize("relu", [False, pytest.param(True, marks=SLOW)])
def test_residual_block_for_every_combination(
    downsample: Downsample, order: LayerOrder, kernel: int, relu: bool
) -> None:
    cases = [(1, 4), (2, 8)]
    if downsample in (Downsample.CONV, Downsample.BINARY_CONV):
        cases += [(2, 4), (2, 5), (1, 6)]
    for residual in (None, ResidualConfig(scale=0.25)):
        for stride, channels in cases:
            is_identity = (stride, channels) == (1, 4)
            if residual is not None and downsample is Downsample.CONV and not is_identity:
                continue  # refused: it gives real numbers
            block = BinaryResNetBlock(
                4,
                channels,
                stride=stride,
                kernel_size=kernel,
                downsample=downsample,
                order=order,
                relu=relu,
                residual=residual,
            )
            _check(block, channels, stride)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("order", LayerOrder)
@pytest.mark.parametrize("relu", [False, True])
def test_vgg_block_for_every_combination(stride: int, order: LayerOrder, relu: bool) -> None:
    _check(BinaryVggBlock(4, 6, stride=stride, order=order, relu=relu), 6, stride)


@pytest.mark.parametrize("order", LayerOrder)
@pytest.mark.parametrize("relu", [False, True])
def test_basic_block_computes_what_its_formula_says(order: LayerOrder, relu: bool) -> None:
    torch.manual_seed(2)
    x = awkward(2, 4, 7, 6)
    block = BinaryConvBNReLU(4, 8, 3, stride=2, order=order, relu=relu, shortcut=True).eval()
    settle_norms(block)
    conv, norm = block.conv, block.norm
    assert isinstance(conv, BinaryConv2d)

    def convolve(y: Tensor) -> Tensor:
        bits = functional.pad(torch.where(y >= 0, 1.0, -1.0), (1, 1, 1, 1), value=-1.0)
        return functional.conv2d(bits, conv.bipolar_weight(), stride=2)

    pooled = functional.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
    shortcut = torch.cat((pooled, pooled), 1)
    if order is LayerOrder.CONV_BN_RELU:
        wanted = norm(convolve(x) + shortcut)
    else:
        wanted = convolve(norm(x)) + shortcut
    assert torch.equal(block(x), wanted.clamp(min=0) if relu else wanted)


@pytest.mark.parametrize("mode", PaddingMode)
@pytest.mark.parametrize("size", SIZES)
def test_factorized_reduction_sees_every_pixel_between_its_halves(
    mode: PaddingMode, size: tuple[int, int]
) -> None:
    torch.manual_seed(3)
    block = BinaryConvBNReLU(
        3, 4, 1, stride=2, reduction=Reduction.FACTORIZED, padding_mode=mode
    ).eval()
    border = {PaddingMode.MINUS_ONE: -1.0, PaddingMode.PLUS_ONE: 1.0, PaddingMode.ZERO: 0.0}
    x = awkward(2, 3, *size)
    bits = torch.where(x >= 0, 1.0, -1.0)
    rows, columns = (n % 2 for n in size)
    padded = functional.pad(bits, (columns, 0, rows, 0), value=border[mode])
    assert padded.shape[2] % 2 == 0 and padded.shape[3] % 2 == 0
    first, second = block.conv.convs  # type: ignore[union-attr, misc]
    wanted = torch.cat(
        (
            functional.conv2d(padded[:, :, ::2, ::2], first.bipolar_weight()),
            functional.conv2d(padded[:, :, 1::2, 1::2], second.bipolar_weight()),
        ),
        1,
    )
    assert torch.equal(block.conv(x), wanted)


def test_skip_connections_compute_what_they_say() -> None:
    x = torch.arange(2 * 2 * 3 * 4, dtype=torch.float32).reshape(2, 2, 3, 4)
    assert SkipConnectV2(2, 2)(x) is x
    pooled = SkipConnectV2(2, 2, stride=2)(x)
    assert pooled[0, 0].tolist() == [[2.5, 4.5], [8.5, 10.5]]  # the last row: two pixels each
    twice = SkipConnectV2(2, 4, stride=2)(x)
    assert torch.equal(twice, torch.cat((pooled, pooled), 1))
    assert SkipConnectV2(2, 7, stride=2, conv_downsample=True)(x).shape == (2, 7, 2, 2)
    sampled = ResNetDownSample()(x)
    assert torch.equal(sampled[:, :2], x[:, :, ::2, ::2])
    assert torch.count_nonzero(sampled[:, 2:]) == 0 and sampled.shape == (2, 4, 2, 2)


def test_residual_block_adds_each_residual_once() -> None:
    block = BinaryResNetBlock(4, 4).eval()
    for norm in block.modules():
        if isinstance(norm, AffineBatchNorm):
            nn.init.zeros_(norm.weight)
    x = torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("downsample", Downsample)
def test_residual_block_computes_what_its_formula_says(downsample: Downsample) -> None:
    torch.manual_seed(4)
    block = BinaryResNetBlock(4, 8, stride=2, downsample=downsample).eval()
    settle_norms(block)
    x = awkward(2, 4, 7, 5)
    inner = block.first(x) + block.skip(x)
    assert torch.equal(block(x), block.second(inner) + inner)
    assert block.first.shortcut is None and block.second.shortcut is None
    kind = {
        Downsample.CONV: nn.Sequential,
        Downsample.AVGPOOL: ResNetDownSample,
        Downsample.BINARY_CONV: BinaryConvBNReLU,
        Downsample.MEAN: SkipConnectV2,
    }
    assert type(block.skip) is kind[downsample]


@pytest.mark.parametrize("order", LayerOrder)
@pytest.mark.parametrize("downsample", [d for d in Downsample if d is not Downsample.CONV])
def test_residual_block_of_integers_rounds_what_it_adds_and_its_sums(
    downsample: Downsample, order: LayerOrder
) -> None:
    torch.manual_seed(8)
    config = ResidualConfig(bits=4, scale=0.5)
    options = {"stride": 2, "downsample": downsample, "order": order}
    block = BinaryResNetBlock(4, 8, **options, residual=config).eval()
    real = BinaryResNetBlock(4, 8, **options).eval()
    real.load_state_dict(block.state_dict())
    for module in (block, real):
        settle_norms(module, seed=9)
    x = torch.randint(-8, 8, (2, 4, 7, 5)) / 2

    def integers(y: Tensor) -> Tensor:
        return (2 * y).round().clamp(-8, 7) / 2

    inner = integers(integers(real.first(x)) + integers(real.skip(x)))
    wanted = integers(integers(real.second(inner)) + inner)
    assert torch.equal(block(x), wanted)
    plain = real(x)
    assert not torch.equal(block(x), plain) and not torch.equal(plain, integers(plain))


def test_a_mean_as_shortcut_keeps_or_doubles_the_channels() -> None:
    for channels in (4, 8):
        block = BinaryResNetBlock(
            4, channels, stride=2, downsample=Downsample.MEAN, residual=ResidualConfig()
        )
        _check(block, channels, 2)


def test_blocks_share_neither_parameters_nor_anything_that_can_change() -> None:
    blocks = [BinaryResNetBlock(4, 4), BinaryResNetBlock(4, 4)]
    parameters = [{id(p) for p in block.parameters()} for block in blocks]
    assert not parameters[0] & parameters[1]
    config = blocks[0].first.conv.binarize  # type: ignore[union-attr]
    with pytest.raises(AttributeError):
        config.weight_scale = WeightScale.OFF  # type: ignore[misc, union-attr]


def test_a_relu_in_front_of_a_sign_leaves_nothing_so_it_is_off_unless_asked_for() -> None:
    x = torch.randn(2, 4, 6, 6)
    quiet = nn.Sequential(BinaryConvBNReLU(4, 4, 3, relu=True), BinaryConvBNReLU(4, 4, 3))
    middle = quiet[0](x)
    assert bool((quiet[1].conv(middle) == quiet[1].conv(torch.ones_like(middle))).all())
    assert BinaryConvBNReLU(4, 4, 3).relu is None


def test_nin_is_network_in_network_with_float_ends() -> None:
    torch.manual_seed(5)
    network = NIN()
    binary = [m for m in network.modules() if isinstance(m, BinaryConv2d)]
    shapes = [(m.in_channels, m.out_channels, m.kernel_size[0]) for m in binary]
    assert shapes == [
        (192, 160, 1),
        (160, 96, 1),
        (96, 192, 5),
        (192, 192, 1),
        (192, 192, 1),
        (192, 192, 3),
        (192, 192, 1),
    ]
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    floats = [m for m in convolutions if not isinstance(m, BinaryConv2d)]
    assert floats == [convolutions[0], convolutions[-1]]
    x = torch.randn(2, 3, 32, 32)
    assert network.layers[:-1](x).shape == (2, 10, 8, 8)
    out = network(x)
    assert out.shape == (2, 10)
    out.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    norms = [m for m in network.modules() if isinstance(m, AffineBatchNorm)]
    assert len(norms) == 9
    norms[3].weight.data[:3] = torch.tensor([-1.0, 0.0, 0.5])
    network.constrain_()
    assert norms[3].weight[:3].tolist() == [pytest.approx(0.01), pytest.approx(0.01), 0.5]


def test_mistakes_name_what_was_wanted() -> None:
    with pytest.raises(ConfigError, match="with stride 1 and 4 input channels wanted 4 output"):
        SkipConnectV2(4, 8)
    with pytest.raises(ConfigError, match="with stride 2 and 4 input channels wanted 4 or 8"):
        SkipConnectV2(4, 6, stride=2)
    with pytest.raises(ConfigError, match="wanted stride 2 with conv_downsample, got 1"):
        SkipConnectV2(4, 4, conv_downsample=True)
    for block in (SkipConnectV2, BinaryResNetBlock, BinaryVggBlock):
        with pytest.raises(ConfigError, match="wanted stride 1 or 2, got 3"):
            block(4, 4, stride=3)
    with pytest.raises(ConfigError, match="wanted stride 1 or 2, got 0"):
        BinaryConvBNReLU(4, 4, 3, stride=0)
    with pytest.raises(ConfigError, match="wanted an odd kernel_size, got 2"):
        BinaryConvBNReLU(4, 4, 2)
    with pytest.raises(ConfigError, match="wanted stride 2 with a factorized reduction"):
        BinaryConvBNReLU(4, 4, 3, reduction=Reduction.FACTORIZED)
    with pytest.raises(ConfigError, match="wanted an even number of output channels, got 5"):
        BinaryConvBNReLU(4, 5, 3, stride=2, reduction=Reduction.FACTORIZED)
    with pytest.raises(ConfigError, match="wanted stride 2 and 8 output channels, got stride 2"):
        BinaryResNetBlock(4, 4, stride=2, downsample=Downsample.AVGPOOL)
    residual = ResidualConfig()
    with pytest.raises(ConfigError, match="downsample conv gives no integers.*choose .* mean or"):
        BinaryResNetBlock(4, 8, stride=2, residual=residual)
    with pytest.raises(ConfigError, match="wanted no shortcut with a residual stream of integers"):
        BinaryConvBNReLU(4, 4, 3, shortcut=True, residual=residual)
    for module in (SkipConnectV2(4, 4), BinaryConvBNReLU(4, 4, 3), BinaryResNetBlock(4, 4)):
        with pytest.raises(ConfigError, match=r"wanted \(N, 4, H, W\), got \(2, 3, 8, 8\)"):
            module(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ConfigError, match=r"ResNetDownSample: wanted \(N, C, H, W\), got \(2, 3\)"):
        ResNetDownSample()(torch.zeros(2, 3))
    with pytest.raises(ConfigError, match=r"NIN: wanted \(N, 3, H, W\), got \(2, 1, 28, 28\)"):
        NIN()(torch.zeros(2, 1, 28, 28))
