"""Every op's QONNX graph gives PyTorch's numbers, bit for bit unless a test says otherwise."""

import itertools

import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn

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
from bnnedge.ops.conv import BinaryConv1d, BinaryConv2d, BinaryConvolution
from bnnedge.ops.encoding import PixelInput, ThresholdEncoding
from bnnedge.ops.linear import BinaryLinear
from bnnedge.ops.normalisation import AffineBatchNorm, ScalarNorm
from bnnedge.ops.pools import GlobalSumPool, SumPool1d, SumPool2d
from bnnedge.ops.quantisers import (
    BirealBinaryActivation,
    ResidualQuantiser,
    Sign,
    StraightThroughBinaryActivation,
)
from tests.ops.exporting import awkward, export_and_run, settle_norms

Cases = dict[str, tuple[nn.Module, Tensor]]


def _config(
    scale: WeightScale, activation: ActivationMethod = ActivationMethod.CLIPPED
) -> BinarizeConfig:
    return BinarizeConfig(activation=activation, weight_scale=scale)


def _settled(cases: Cases) -> Cases:
    for seed, (module, _) in enumerate(cases.values()):
        settle_norms(module, seed)
    return cases


def test_activations_encodings_norms_and_pools_export_exactly() -> None:
    integers = torch.randint(-40, 41, (3, 4, 9, 7), generator=torch.Generator().manual_seed(1))
    pixels = torch.tensor([-1e9, -3.5, -0.5, -0.0, 0.5, 1.5, 2.5, 254.5, 255.5, 1e9])
    edges = torch.tensor([1.0, 1.0000001, 0.99999994, -0.0, 0.0, 2.5]).reshape(1, 1, 2, 3)
    cases: Cases = {
        "Sign": (Sign(), awkward(5, 7)),
        "BirealBinaryActivation": (BirealBinaryActivation(), awkward(5, 7)),
        "straight through": (StraightThroughBinaryActivation(clip=1.3), awkward(5, 7)),
        "float": (StraightThroughBinaryActivation(ActivationMethod.FLOAT, clip=1.0), awkward(5, 7)),
        "unsigned pixels": (PixelInput(), pixels.reshape(1, 2, 5)),
        "residual integers": (ResidualQuantiser(ResidualConfig()), awkward(5, 70) * 3),
        "residual of 8 bits": (ResidualQuantiser(ResidualConfig(bits=8)), awkward(5, 70) * 40),
        "signed pixels": (PixelInput(4, signed=True), pixels.reshape(1, 2, 5)),
        "flat thresholds": (ThresholdEncoding([0.0, 1.0, 2.5]), edges),
        "selected thresholds": (ThresholdEncoding([0.0, 1.0, 2.5], selected=[1, 4, 5]), edges),
        "thresholds in channels": (ThresholdEncoding([0.0, 1.0, 2.5], keep_shape=True), edges),
        "thresholds of rows": (ThresholdEncoding([0.0, 2.5], keep_shape=True), edges[:, :, 0]),
        "one threshold": (ThresholdEncoding([1.0], keep_shape=True), edges),
        "norm of images": (AffineBatchNorm(4), integers.float()),
        "norm of rows": (AffineBatchNorm(7), awkward(5, 7)),
        "scalar norm": (ScalarNorm(), awkward(5, 7)),
        "sum pool": (SumPool2d(3, 2, 1), integers.float()),
        "sum pool of rows": (SumPool1d(3, 2, 1), integers.float()[:, :, 0]),
        "norm of channels of rows": (AffineBatchNorm(4), integers.float()[:, :, 0]),
        "global sum pool": (GlobalSumPool(), integers.float()),
        "max pool": (nn.MaxPool2d(2), integers.float()),
    }
    exported = export_and_run(_settled(cases))
    exported.assert_equal()
    assert "AveragePool" not in exported.op_types()
    assert "BatchNormalization" not in exported.op_types()


def test_binary_layers_export_exactly_with_the_scale_behind_the_sum() -> None:
    torch.manual_seed(2)
    x = awkward(3, 4, 7, 6)
    bits = torch.where(x >= 0, 1.0, -1.0)
    cases: Cases = {}
    for scale in WeightScale:
        if scale is not WeightScale.OFF:
            cases[f"linear {scale}"] = (BinaryLinear(9, 5, binarize=_config(scale)), awkward(4, 9))
            conv = BinaryConv2d(4, 6, 3, padding=1, stride=2, binarize=_config(scale))
            cases[f"conv {scale}"] = (conv, x)
    for mode in PaddingMode:
        cases[f"padding {mode}"] = (BinaryConv2d(4, 4, 3, padding=1, padding_mode=mode), bits)
    cases["depthwise"] = (BinaryConv2d(4, 8, 3, padding=1, groups=4), bits)
    cases["dilated groups"] = (BinaryConv2d(4, 6, (3, 1), dilation=2, groups=2), bits)
    cases["rows"] = (BinaryConv1d(4, 6, 3, padding=1, stride=2), bits[:, :, 0])
    cases["pixels"] = (
        nn.Sequential(
            PixelInput(), BinaryConv2d(4, 6, 3, padding=1, padding_mode=PaddingMode.ZERO)
        ),
        x * 300,
    )
    for module, _ in cases.values():
        for layer in module.modules():
            if isinstance(layer, BinaryConvolution | BinaryLinear):
                layer.weight.data.view(-1)[:3] = torch.tensor([0.0, -0.0, 1.5])
    exported = export_and_run(cases)
    exported.assert_equal()
    kinds = exported.op_types()
    assert kinds.count("Mul") == 6, "one per scaled layer: none inside the weights"
    producers = {o: node for node in exported.graph.graph.node for o in node.output}
    for node in exported.graph.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            assert producers[node.input[1]].op_type == "BipolarQuant"


def test_blocks_without_average_pools_export_exactly() -> None:
    torch.manual_seed(3)
    even, odd = awkward(2, 4, 8, 6), awkward(2, 4, 7, 5)
    cases: Cases = {
        "conv-bn-relu": (BinaryConvBNReLU(4, 6, 3, relu=True), even),
        "bn-conv-relu": (BinaryConvBNReLU(4, 4, 3, order=LayerOrder.BN_CONV_RELU, relu=True), odd),
        "identity": (BinaryConvBNReLU(4, 4, 1, shortcut=True), odd),
        "factorized": (BinaryConvBNReLU(4, 6, 3, stride=2, reduction=Reduction.FACTORIZED), even),
        "odd": (BinaryConvBNReLU(4, 6, 3, stride=2, reduction=Reduction.FACTORIZED), odd),
        "ResNetDownSample": (ResNetDownSample(), odd),
        "SkipConnectV2": (SkipConnectV2(4, 4), odd),
        "identity block": (BinaryResNetBlock(4, 4), odd),
        "avgpool block": (BinaryResNetBlock(4, 8, stride=2, downsample=Downsample.AVGPOOL), odd),
        "binary block": (BinaryResNetBlock(4, 6, stride=2, downsample=Downsample.BINARY_CONV), odd),
        "BinaryVggBlock": (BinaryVggBlock(4, 6, order=LayerOrder.BN_CONV_RELU), even),
    }
    export_and_run(_settled(cases)).assert_equal()


def test_residual_blocks_of_integers_export_exactly_with_integers_into_every_sum() -> None:
    torch.manual_seed(7)
    config = ResidualConfig(bits=4, scale=0.5)

    def block(channels: int, *, order: LayerOrder = LayerOrder.CONV_BN_RELU) -> nn.Module:
        return BinaryResNetBlock(4, channels, order=order, residual=config)

    def halving(channels: int, downsample: Downsample, relu: bool = False) -> nn.Module:
        return BinaryResNetBlock(
            4, channels, stride=2, downsample=downsample, relu=relu, residual=config
        )

    even, odd = (
        torch.randint(config.low, config.high + 1, (2, 4, *size)) * config.scale
        for size in ((8, 6), (7, 5))
    )
    pooled = SkipConnectV2(4, 6, stride=2, conv_downsample=True, residual=config)
    cases: Cases = {
        "identity": (block(4), even),
        "bn first": (block(4, order=LayerOrder.BN_CONV_RELU), odd),
        "every second pixel": (halving(8, Downsample.AVGPOOL), odd),
        "binary shortcut": (halving(6, Downsample.BINARY_CONV, relu=True), odd),
        "mean": (halving(8, Downsample.MEAN), even),
        "mean of odd sizes": (halving(4, Downsample.MEAN), odd),
        "convolution of means": (pooled, odd),
    }
    # One input for each: what two blocks do to the same one is exported once.
    cases = {name: (module, x.clone()) for name, (module, x) in cases.items()}
    exported = export_and_run(_settled(cases))
    exported.assert_equal()
    for name, out in exported.torch.items():
        integers = set((out / config.scale).unique().tolist())
        assert integers <= set(range(config.low, config.high + 1)) and len(integers) > 7, name
    kinds = exported.op_types()
    # A block has four, three of them one more on the shortcut; SkipConnectV2 has one.
    assert (kinds.count("Quant"), kinds.count("AveragePool")) == (6 * 4 + 3 + 1, 3)
    constants = {t.name: numpy_helper.to_array(t) for t in exported.graph.graph.initializer}
    for node in exported.graph.graph.node:
        if node.op_type == "Quant":
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            assert attributes == {"signed": 1, "narrow": 0, "rounding_mode": b"ROUND"}
            assert [float(constants[name]) for name in node.input[1:]] == [0.5, 0, 4]
    assert _real_inputs_of_sums(exported.graph) == []


def _real_inputs_of_sums(graph: onnx.ModelProto) -> list[str]:
    """What enters an Add of two streams, or a Concat, and is no integer of a residual stream."""
    producers = {output: node for node in graph.graph.node for output in node.output}
    given = {value.name for value in graph.graph.input}
    constants = {tensor.name for tensor in graph.graph.initializer}

    def is_integer(tensor: str) -> bool:
        if tensor in given:
            return True
        node = producers[tensor]
        only_moves = node.op_type in ("Slice", "Pad", "Concat")
        return node.op_type == "Quant" or (only_moves and is_integer(node.input[0]))

    return [
        tensor
        for node in graph.graph.node
        if node.op_type in ("Add", "Concat") and not constants & set(node.input)
        for tensor in node.input
        if not is_integer(tensor)
    ]


def test_blocks_with_float_sums_export_within_1e_5_of_the_largest_output() -> None:
    """Average pools and float convolutions add in the runtime's order."""
    torch.manual_seed(4)
    even, odd = torch.randn(2, 4, 8, 6), torch.randn(2, 4, 7, 5)
    cases: Cases = {
        "pooled": (SkipConnectV2(4, 4, stride=2), even),
        "pooled odd": (SkipConnectV2(4, 8, stride=2), odd),
        "pooled shortcut": (BinaryConvBNReLU(4, 8, 3, stride=2, shortcut=True), odd),
        "float shortcut": (BinaryResNetBlock(4, 6, stride=2), odd),
        "vgg": (BinaryVggBlock(4, 6, stride=2, relu=True), odd),
        "float weights": (BinaryConv2d(4, 6, 3, binarize=_config(WeightScale.OFF)), odd),
    }
    exported = export_and_run(_settled(cases))
    for name, wanted in exported.torch.items():
        assert torch.allclose(exported.onnx[name], wanted, rtol=0, atol=1e-5 * wanted.abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("order", LayerOrder)
@pytest.mark.parametrize("mode", PaddingMode)
@pytest.mark.parametrize("shortcut", [False, True])
def test_every_combination_of_the_basic_block_exports(
    order: LayerOrder, mode: PaddingMode, shortcut: bool
) -> None:
    torch.manual_seed(5)
    cases: Cases = {}
    exact = set()
    flags = (False, True)
    for relu, scale, odd in itertools.product(
        flags, (WeightScale.SIGN, WeightScale.CHANNEL), flags
    ):
        x = awkward(2, 4, 7, 5) if odd else awkward(2, 4, 8, 6)
        for stride, channels, reduction in (
            (1, 4, Reduction.CONV),
            (2, 4, Reduction.CONV),
            (2, 8, Reduction.CONV),
            (2, 4, Reduction.FACTORIZED),
            (2, 8, Reduction.FACTORIZED),
        ):
            name = f"{relu} {scale} {odd} {stride} {channels} {reduction}"
            block = BinaryConvBNReLU(
                4,
                channels,
                3,
                stride=stride,
                order=order,
                relu=relu,
                shortcut=shortcut,
                reduction=reduction,
                padding_mode=mode,
                binarize=_config(scale, ActivationMethod.BIREAL),
            )
            cases[name] = (block, x)
            if stride == 1 or not shortcut:
                exact.add(name)
    exported = export_and_run(_settled(cases))
    for name, wanted in exported.torch.items():
        if name in exact:
            assert torch.equal(exported.onnx[name], wanted), name
        else:
            close = 1e-5 * wanted.abs().max()
            assert torch.allclose(exported.onnx[name], wanted, rtol=0, atol=close), name


@pytest.mark.slow
def test_nin_exports_within_1e_4_of_its_largest_logit_where_no_sign_is_a_tie() -> None:
    torch.manual_seed(6)
    network = NIN()
    x = torch.randn(2, 3, 32, 32)
    network(x)
    exported = export_and_run({"NIN": (network, x)})
    wanted = exported.torch["NIN"]
    assert torch.allclose(exported.onnx["NIN"], wanted, rtol=0, atol=1e-4 * wanted.abs().max())
