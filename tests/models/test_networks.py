"""Networks of the zoo: published sizes, integers inside, options, and what they refuse."""

import math

import pytest
import torch
from torch import nn

from bnnedge.data.encodings import Encoding, IntegerEncoding, OneBitThreshold, QuantileThermometer
from bnnedge.errors import ConfigError
from bnnedge.models.config import (
    LayerConfig,
    NetworkConfig,
    Neuron,
    PoolConfig,
    PoolKind,
    Precision,
    StageConfig,
    Topology,
)
from bnnedge.models.network import Network
from bnnedge.models.zoo import build_network
from bnnedge.ops.blocks.conv_bn_relu import BinaryConvBNReLU
from bnnedge.ops.blocks.skip import ResNetDownSample
from bnnedge.ops.config import ActivationMethod, PaddingMode, ResidualConfig, WeightScale
from bnnedge.ops.conv import BinaryConv2d
from bnnedge.ops.quantisers import BirealBinaryActivation
from tests.models.networks import random_mlp, random_network

_STACK = (LayerConfig(conv=6, padding=1, pool=PoolConfig(size=2)), LayerConfig(dense=8))
_STAGES = (StageConfig(channels=8), StageConfig(channels=16, blocks=2, stride=2))
_BITS = OneBitThreshold(threshold=127.5)


def _config(topology: str, **options: object) -> NetworkConfig:
    given = {
        "mlp": {"hidden": (9,)},
        "conv": {"layers": _STACK},
        "conv1d": {"layers": _STACK},
        "resnet": {"stages": _STAGES},
    }.get(topology, {})
    return NetworkConfig(topology=Topology(topology), **{**given, **options})


def _build(
    topology: str,
    shape: tuple[int, ...] = (3, 8, 8),
    encoding: Encoding = _BITS,
    classes: int = 10,
    **options: object,
) -> Network:
    config = _config(topology, **options)
    return build_network(config, input_shape=shape, encoding=encoding, classes=classes)


@pytest.mark.parametrize(
    ("topology", "shape", "sizes"),
    [
        ("tfc", (1, 28, 28), [(64, 784), (64, 64), (64, 64), (10, 64)]),
        ("sfc", (1, 28, 28), [(256, 784), (256, 256), (256, 256), (10, 256)]),
        ("lfc", (1, 28, 28), [(1024, 784), (1024, 1024), (1024, 1024), (10, 1024)]),
        ("lenet5", (1, 28, 28), [(20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500)]),
        (
            "cnv",
            (3, 32, 32),
            [
                *((64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3)),
                *((256, 128, 3, 3), (256, 256, 3, 3), (512, 256), (512, 512), (10, 512)),
            ],
        ),
        (
            "vgg-small",
            (3, 32, 32),
            [
                *((128, 3, 3, 3), (128, 128, 3, 3), (256, 128, 3, 3), (256, 256, 3, 3)),
                *((512, 256, 3, 3), (512, 512, 3, 3), (10, 8192)),
            ],
        ),
        (
            "nin",
            (3, 32, 32),
            [
                *((192, 3, 5, 5), (160, 192, 1, 1), (96, 160, 1, 1), (192, 96, 5, 5)),
                *((192, 192, 1, 1), (192, 192, 1, 1), (192, 192, 3, 3), (192, 192, 1, 1)),
                (10, 192, 1, 1),
            ],
        ),
    ],
)
def test_named_topologies_have_their_published_sizes(
    topology: str, shape: tuple[int, ...], sizes: list[tuple[int, ...]]
) -> None:
    model = _build(topology, shape)
    assert [tuple(layer.weights.weight.shape) for layer in model.layers.values()] == sizes


@pytest.mark.parametrize(
    ("topology", "convolutions", "widths"),
    [("resnet18", 17, [64, 128, 256, 512]), ("resnet20", 19, [16, 32, 64])],
)
def test_residual_networks_have_their_published_depth(
    topology: str, convolutions: int, widths: list[int]
) -> None:
    model = _build(topology)
    outputs = [len(layer.weights.weight) for layer in model.layers.values()]
    assert len(outputs) - 1 == convolutions  # and one dense layer: 18 or 20 in all
    assert list(dict.fromkeys(outputs[:-1])) == widths
    streams = model.eval().trace(torch.zeros(1, 3, 7, 8))
    assert streams["sign"].shape[2:] == {18: (1, 1), 20: (2, 2)}[convolutions + 1]


def test_stages_and_stem_are_what_the_recipe_says() -> None:
    stages = (
        StageConfig(channels=8, blocks=2),
        StageConfig(channels=16, stride=2),
        StageConfig(channels=12),
        StageConfig(channels=12, stride=2),
    )
    stem = LayerConfig(conv=8, kernel=5, stride=2, padding=2, pool=PoolConfig(size=2))
    model = _build("resnet", (1, 28, 28), stages=stages, stem=stem).eval()
    sizes = {name: tuple(layer.weights.weight.shape) for name, layer in model.layers.items()}
    assert sizes["first"] == (8, 1, 5, 5) and sizes["output"] == (10, 12)
    streams = model.trace(torch.zeros(1, 1, 28, 28))
    assert [tuple(streams[f"blocks.{i}.quant"].shape[1:]) for i in range(5)] == [
        *[(8, 7, 7), (8, 7, 7), (16, 4, 4), (12, 4, 4), (12, 2, 2)]
    ]
    shortcuts = [type(model.get_submodule(f"blocks.{i}.skip")) for i in range(5)]
    assert shortcuts == [
        *[nn.Identity, nn.Identity, ResNetDownSample, BinaryConvBNReLU, BinaryConvBNReLU]
    ]
    plain = _build("resnet", (1, 9, 7)).layers
    assert tuple(plain["first"].weights.weight.shape) == (8, 1, 3, 3)
    with pytest.raises(ConfigError, match="resnet wants images of at least 4x4, got 3x9: nothing"):
        _build("resnet", (1, 3, 9), stem=LayerConfig(conv=8, kernel=4))


@pytest.mark.smoke
@pytest.mark.parametrize(("bits", "wanted"), [(None, 4), (2, 2), (8, 8)])
def test_between_residual_blocks_flow_integers_of_so_many_bits(
    bits: int | None, wanted: int
) -> None:
    config = _config("resnet", residual_bits=bits)
    model = random_network(config, input_shape=(3, 9, 7), encoding=IntegerEncoding())
    x = torch.randint(0, 256, (20, 3, 9, 7), generator=torch.Generator().manual_seed(1)).float()
    half = 2 ** (wanted - 1)
    streams = {n: s for n, s in model.trace(x).items() if n.endswith("quant")}
    assert len(streams) == 1 + 3 * 4  # behind the stem; of both branches and sums of every block
    for name, stream in streams.items():
        integers = stream * half / 4  # they reach from -4 to almost 4
        assert torch.equal(integers, integers.round()), name
        assert -half <= integers.min() and integers.max() <= half - 1
        assert len(integers.unique()) > min(half, 8), name


def test_residual_numbers_are_real_where_asked_for_or_where_anything_else_is() -> None:
    float_residual = {"residual_bits": 0}
    for options in (
        float_residual,
        {"first_last": Precision.FLOAT},
        {"activations": Precision.FLOAT, "weights": Precision.FLOAT},
        {"activations": Precision.FLOAT, **float_residual},
    ):
        assert _config("resnet18", **options).residual is None
        streams = _build("resnet18", **options).eval().trace(torch.zeros(1, 3, 8, 8))
        assert not [name for name in streams if name.endswith("quant")]
    assert _config("resnet18").residual == ResidualConfig(bits=4, scale=0.5)
    assert _config("cnv").residual is None


_SMALL = {"cnv": (3, 32, 32), "lenet5": (1, 16, 16), "tfc": (5, 5), "mlp": (7,)}


@pytest.mark.parametrize(
    "topology", [t.value for t in Topology if t.value not in ("sfc", "lfc", "lutnet")]
)
@pytest.mark.parametrize(
    "encoding",
    [_BITS, QuantileThermometer(levels=(50.0, 150.0)), IntegerEncoding()],
    ids=lambda encoding: encoding.name,
)
def test_evaluation_computes_with_integers_and_ends_in_the_forward_pass(
    topology: str, encoding: Encoding
) -> None:
    shape = _SMALL.get(topology, (3, 8, 8))
    model = random_network(_config(topology), input_shape=shape, encoding=encoding)
    x = torch.randint(0, 256, (3, *shape), generator=torch.Generator().manual_seed(1)).float()
    streams = model.trace(x)
    for name, stream in streams.items():
        if name.endswith("sign"):
            assert set(stream.unique().tolist()) == {-1, 1}
        if name.endswith(("linear", "conv", "pool", "encoding")):
            assert torch.equal(stream, stream.round())
    *_, (before, sums), (last, logits) = streams.items()
    assert (before.partition(".")[0], last) == ("output", "output.norm")
    with torch.no_grad():
        assert torch.equal(logits, model(x))
        assert torch.equal(model.classify(streams["encoding"]), model(x))
    assert logits.shape == (3, 10)
    assert torch.equal(logits.argmax(1), sums.argmax(1))  # the scalar affine keeps the winner


@pytest.mark.parametrize("topology", ["tfc", "conv", "nin", "resnet20", "resnet"])
def test_accumulators_stay_within_what_is_called_reachable(topology: str) -> None:
    for encoding in (_BITS, IntegerEncoding()):
        for padding in (PaddingMode.ZERO, PaddingMode.MINUS_ONE):
            config = _config(topology, padding=padding)
            model = random_network(config, input_shape=(3, 8, 8), encoding=encoding)
            random = torch.randint(0, 256, (4, 3, 8, 8)).float()
            arriving = _inputs_of_norms(model, torch.cat([random, torch.full((1, 3, 8, 8), 255.0)]))
            assert arriving.keys() == model.layers.keys()
            for name, layer in model.layers.items():
                assert {int(v) for v in arriving[name].unique()} <= set(layer.reachable()), name


def _inputs_of_norms(model: Network, x: torch.Tensor) -> dict[str, torch.Tensor]:
    seen: dict[str, torch.Tensor] = {}
    for name, layer in model.layers.items():
        layer.norm.register_forward_hook(
            lambda _, inputs, __, name=name: seen.__setitem__(name, inputs[0])
        )
    model(x)
    return seen


def test_config_errors_say_what_was_wanted() -> None:
    tables = {"topology": Topology.LUTNET, "hidden": (20,)}
    for options, message in (
        ({"topology": Topology.MLP}, "mlp wants hidden"),
        ({"topology": Topology.LUTNET}, "lutnet wants hidden"),
        (
            {"topology": Topology.TFC, "fan_in": 4},
            "tfc has no neurons of a few inputs, got fan_in 4",
        ),
        (
            {"topology": Topology.TFC, "neuron": Neuron.SUM},
            "tfc has no neurons of a few inputs, got neuron sum — remove neuron, or set topology =",
        ),
        ({"topology": Topology.TFC, "weight_bits": 3}, "weight_bits wants 1…2, got 3"),
        ({"topology": Topology.TFC, "activation_bits": 5}, "activation_bits wants 1…4, got 5"),
        ({"topology": Topology.RESNET20, "activation_bits": 2}, "resnet20 has activation_bits 1"),
        ({**tables, "weight_bits": 2}, "lutnet has weight_bits 1, got 2 — remove weight_bits"),
        (
            {"topology": Topology.TFC, "weight_bits": 2, "first_last": Precision.FLOAT},
            "weight_bits goes with binary weights, activations and first_last, got float",
        ),
        (
            {"topology": Topology.TFC, "weight_bits": 2, "weight_scale": WeightScale.TENSOR},
            'weight_bits 2 goes with weight_scale "sign", got "tensor"',
        ),
        ({**tables, "fan_in": 9}, "fan_in wants 1…8 inputs, got 9"),
        ({**tables, "weights": Precision.FLOAT}, "lutnet has neurons of bits, got float"),
        (
            {**tables, "neuron": Neuron.SUM, "weight_scale": WeightScale.CHANNEL},
            "lutnet has no weights with a scale, got weight_scale channel — remove weight_scale",
        ),
        (
            {**tables, "gradient": ActivationMethod.BIREAL},
            "tables have a gradient of their own, got gradient bireal — remove gradient, or set",
        ),
        ({"topology": Topology.CONV}, r"conv wants layers, e.g. layers = \[\{ conv = 32"),
        ({"topology": Topology.RESNET}, r"resnet wants stages, e.g. stages = \[\{ channels = 64"),
        ({"topology": Topology.RESNET18, "stages": _STAGES}, "resnet18 has fixed layers, got stag"),
        ({"topology": Topology.CNV, "stem": _STACK[0]}, "stem wants to be .* got cnv.*remove stem"),
        (
            {"topology": Topology.RESNET, "stages": _STAGES, "stem": _STACK[1]},
            "stem wants to be the first convolution of topology resnet, got a dense layer",
        ),
        ({"topology": Topology.RESNET20, "residual_bits": 1}, "wants 2…8 bits, got 1"),
        ({"topology": Topology.RESNET20, "residual_bits": -4}, "wants 2…8 bits, got -4"),
        ({"topology": Topology.CNV, "residual_bits": 0}, "cnv has no shortcuts, got residual_bit"),
        (
            {
                "topology": Topology.RESNET20,
                "residual_bits": 4,
                "first_last": Precision.FLOAT,
            },
            "residual_bits goes with binary .* got float.*set residual_bits = 0",
        ),
        ({"topology": Topology.TFC, "hidden": (64,)}, "tfc has fixed layers, got hidden"),
        ({"topology": Topology.NIN, "layers": _STACK}, "nin has fixed layers, got layers"),
        ({"topology": Topology.MLP, "hidden": (64, 0)}, r"widths in 1…65536, got \[64, 0\]"),
        ({"topology": Topology.CONV, "layers": _STACK[::-1]}, "every convolution in front"),
        ({"topology": Topology.TFC, "gradient": ActivationMethod.NONE}, "gradient wants one of"),
        ({"topology": Topology.TFC, "weight_scale": WeightScale.OFF}, 'set weights = "float"'),
    ):
        with pytest.raises(ConfigError, match=message):
            NetworkConfig(**options)
    for options, message in (
        ({}, "either conv or dense"),
        ({"conv": 1, "dense": 1}, "either conv or dense"),
        ({"conv": 0}, "width in 1…65536, got 0"),
        ({"dense": 4, "padding": 1}, "dense layer takes no kernel"),
        ({"conv": 4, "padding": 3}, "padding below the kernel"),
        ({"conv": 4, "kernel": 0}, "at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            LayerConfig(**options)
    for options, message in (
        ({"channels": 0}, "stage wants channels in 1…65536, got 0"),
        ({"channels": 8, "blocks": 0}, "stage wants 1…1024 blocks, got 0"),
        ({"channels": 8, "stride": 3}, "stage wants stride 1 or 2, got 3"),
    ):
        with pytest.raises(ConfigError, match=message):
            StageConfig(**options)
    with pytest.raises(ConfigError, match="size and stride of at least 1"):
        PoolConfig(size=2, stride=0)
    with pytest.raises(ConfigError, match=r"half its size \(1\), got 2"):
        PoolConfig(size=3, padding=2)


def test_images_that_do_not_fit_are_refused_with_the_smallest_that_does() -> None:
    with pytest.raises(
        ConfigError,
        match=r"cnv wants images of at least 32x32, got 28x28: nothing is left of 2x2 behind "
        r"layer 5 \(kernel 3, padding 0\)",
    ):
        _build("cnv", (1, 28, 28))
    assert _build("cnv", (1, 32, 32)).input_shape == (1, 32, 32)
    with pytest.raises(ConfigError, match="lenet5 wants images of at least 16x16, got 30x15"):
        _build("lenet5", (1, 30, 15))
    with pytest.raises(ConfigError, match=r"resnet20 wants images .* got inputs of shape \(64,\)"):
        _build("resnet20", (64,))


def test_average_pools_count_every_pixel_and_padding() -> None:
    pool = PoolConfig(size=3, stride=2, padding=1, kind=PoolKind.AVERAGE)
    model = _build("conv", (1, 5, 6), layers=(LayerConfig(conv=4, kernel=1, pool=pool),)).eval()
    streams = model.trace(torch.randint(0, 256, (2, 1, 5, 6)).float())
    sums = nn.functional.avg_pool2d(streams["hidden.0.conv"], 3, 2, 1) * 9
    assert torch.equal(streams["hidden.0.pool"], sums.round())


def test_precision_options_reach_the_layers() -> None:
    kinds = {
        name: layer.is_binary
        for name, layer in _build("lenet5", (1, 28, 28), first_last=Precision.FLOAT).layers.items()
    }
    assert kinds == {"hidden.0": False, "hidden.1": True, "hidden.2": True, "output": False}
    model = _build("lenet5", (1, 28, 28), first_last=Precision.FLOAT)
    assert [name for name, part in model.named_modules() if isinstance(part, nn.ReLU)] == [
        "hidden.2.relu"  # real numbers reach the float last layer
    ]
    for topology, shape in (("lenet5", (1, 28, 28)), ("resnet20", (3, 8, 8)), ("tfc", (4, 4))):
        for weights in Precision:
            options = {"weights": weights, "activations": Precision.FLOAT}
            model = _build(topology, shape, **options).eval()
            binary = {layer.is_binary for layer in model.layers.values()}
            assert binary == {weights is Precision.BINARY}
            assert not [name for name in model.trace(torch.zeros(1, *shape)) if "sign" in name]
    model = _build("conv", gradient=ActivationMethod.BIREAL, weight_scale=WeightScale.CHANNEL)
    assert isinstance(model.get_submodule("hidden.0.sign"), BirealBinaryActivation)
    scales = [layer.weights.binarize.weight_scale for layer in model.layers.values()]
    assert scales == [WeightScale.CHANNEL, WeightScale.CHANNEL, WeightScale.SIGN]


def test_integers_and_real_numbers_are_padded_with_zero_and_signs_as_asked() -> None:
    def borders(model: Network) -> set[PaddingMode]:
        first, *rest = (m.border for m in model.modules() if isinstance(m, BinaryConv2d))
        return {first} if model.config.topology is Topology.CONV else {first, *rest}

    plus = PaddingMode.PLUS_ONE
    assert borders(_build("conv", padding=plus)) == {plus}
    assert borders(_build("conv", padding=plus, encoding=IntegerEncoding())) == {PaddingMode.ZERO}
    real = {"activations": Precision.FLOAT, "encoding": IntegerEncoding(), "padding": plus}
    for topology in ("vgg-small", "resnet20"):
        assert borders(_build(topology, **real)) == {PaddingMode.ZERO}
        assert borders(_build(topology, padding=plus)) == {plus}


@pytest.mark.parametrize("topology", ["conv", "nin", "resnet20", "resnet"])
@pytest.mark.parametrize("weights", list(Precision))
def test_every_parameter_learns(topology: str, weights: Precision) -> None:
    torch.manual_seed(0)
    model = _build(topology, encoding=IntegerEncoding(), weights=weights)
    x = torch.randint(0, 256, (8, 3, 8, 8)).float()
    nn.functional.cross_entropy(model(x), torch.arange(8)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        assert math.isfinite(float(parameter.grad.abs().sum())), name


def test_predictions_are_the_largest_logits_and_the_first_of_equals() -> None:
    model = random_network(_config("lenet5"), input_shape=(1, 16, 16), encoding=IntegerEncoding())
    images = torch.randint(0, 256, (501, 1, 16, 16), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted = model(images.float()).argmax(1)
        weights = model.layers["output"].weights.weight
        assert model.train().predict(images.byte().numpy()).tolist() == wanted.tolist()
        assert not model.training and len(wanted.unique()) > 2
        weights[:] = weights[0]
    assert set(model.predict(images.byte().numpy())) == {0}


def test_constraining_keeps_the_output_scale_positive() -> None:
    model = _build("lenet5", (1, 28, 28))
    scale = model.get_submodule("output.norm").weight
    with torch.no_grad():
        scale.fill_(-3.0)
    model.constrain_()
    assert float(scale.detach()) > 0


def test_dropout_acts_on_dense_layers_in_training_only() -> None:
    model = random_mlp()
    bits = torch.ones(8, 48)
    with torch.no_grad():
        assert torch.equal(model.classify(bits, dropout=0.5), model.classify(bits))
        model.train()
        assert not torch.equal(model.classify(bits, dropout=0.5), model.classify(bits))
    images = _build("nin").train()  # has no dense layer
    state = {name: tensor.clone() for name, tensor in images.state_dict().items()}
    bits = torch.ones(4, 3, 8, 8)
    with torch.no_grad():
        first = images.classify(bits, dropout=0.5)
        images.load_state_dict(state)
        assert torch.equal(images.classify(bits), first)


def test_sums_are_integers_without_onednn_too() -> None:
    """torch's other library for large batches of convolutions transforms and rounds them."""
    layers = (LayerConfig(conv=64, padding=1), LayerConfig(conv=64, padding=1))
    model = random_network(
        NetworkConfig(topology=Topology.CONV, layers=layers),
        input_shape=(3, 10, 10),
        encoding=IntegerEncoding(),
    )
    images = torch.randint(0, 256, (16, 3, 10, 10), generator=torch.Generator().manual_seed(1))
    wanted, classes = model.trace(images.float()), model.predict(images.numpy())
    with torch.backends.mkldnn.flags(enabled=False):
        for name, stream in model.trace(images.float()).items():
            assert torch.equal(stream, wanted[name]), name
        assert (model.predict(images.numpy()) == classes).all()
