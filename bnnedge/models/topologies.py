"""The layers of the named networks, and what becomes of an image's size in them."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bnnedge.data.encodings import Encoding, FeatureThermometer, ThresholdsEncoding
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
from bnnedge.ops.config import WeightScale

MOST_WEIGHTS = 2**27
"""Of a network: with gradients, Adam's moments and the best epoch's copy some 3 GB."""
_LARGEST_SEARCHED = 1024


def _conv(
    channels: int, kernel: int = 3, padding: int = 0, pool: PoolConfig | None = None
) -> LayerConfig:
    return LayerConfig(conv=channels, kernel=kernel, padding=padding, pool=pool)


def _dense(*widths: int) -> tuple[LayerConfig, ...]:
    return tuple(LayerConfig(dense=width) for width in widths)


def _stages(*widths: int, blocks: int) -> tuple[StageConfig, ...]:
    return tuple(
        StageConfig(channels=width, blocks=blocks, stride=2 if index else 1)
        for index, width in enumerate(widths)
    )


_HALVE = PoolConfig(size=2)
_LAYERS: Mapping[Topology, tuple[LayerConfig, ...]] = {
    # Brevitas' BNN-PYNQ examples.
    Topology.TFC: _dense(64, 64, 64),
    # "FINN" (Umuroglu et al. 2017).
    Topology.SFC: _dense(256, 256, 256),
    Topology.LFC: _dense(1024, 1024, 1024),
    # LeNet-5 as public PyTorch implementations of "XNOR-Net" (Rastegari et al. 2016) have it.
    Topology.LENET5: (_conv(20, 5, pool=_HALVE), _conv(50, 5, pool=_HALVE), *_dense(500)),
    # "FINN", after the VGG-like network of "Binarized Neural Networks" (2016).
    Topology.CNV: (
        *(_conv(64), _conv(64, pool=_HALVE)),
        *(_conv(128), _conv(128, pool=_HALVE)),
        *(_conv(256), _conv(256)),
        *_dense(512, 512),
    ),
    # "LQ-Nets" (Zhang et al. 2018) and most later papers on CIFAR-10.
    Topology.VGG_SMALL: (
        *(_conv(128, padding=1), _conv(128, padding=1, pool=_HALVE)),
        *(_conv(256, padding=1), _conv(256, padding=1, pool=_HALVE)),
        *(_conv(512, padding=1), _conv(512, padding=1, pool=_HALVE)),
    ),
    # "Network in Network" (Lin et al. 2014), as the same implementations have it for CIFAR-10.
    Topology.NIN: (
        _conv(192, 5, padding=2),
        _conv(160, 1),
        _conv(96, 1, pool=PoolConfig(size=3, stride=2, padding=1)),
        _conv(192, 5, padding=2),
        _conv(192, 1),
        _conv(192, 1, pool=PoolConfig(size=3, stride=2, padding=1, kind=PoolKind.AVERAGE)),
        _conv(192, 3, padding=1),
        _conv(192, 1),
    ),
}
_DENSE = (Topology.TFC, Topology.SFC, Topology.LFC, Topology.MLP, Topology.LUTNET)
_ENDS_IN_CONV = {Topology.NIN}
_STAGES: Mapping[Topology, tuple[StageConfig, ...]] = {
    # "Deep Residual Learning" (He et al. 2016), table 1, with the 3×3 first layer of section 4.2.
    Topology.RESNET18: _stages(64, 128, 256, 512, blocks=2),
    # The same, section 4.2, n = 3.
    Topology.RESNET20: _stages(16, 32, 64, blocks=3),
}


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """A layer with the sizes of what goes in and what comes out.

    Attributes:
        layer: its configuration.
        inputs: (C, H, W) or (C, L) for a convolution, (F,) for a dense layer.
        sums: shape of its sums, before pooling.
        outputs: shape after pooling; where nothing is left of an image, with a size below 1.
    """

    layer: LayerConfig
    inputs: tuple[int, ...]
    sums: tuple[int, ...]
    outputs: tuple[int, ...]

    @property
    def weights(self) -> int:
        """How many weights the layer has."""
        return self.inputs[0] * self.taps * self.layer.width

    @property
    def taps(self) -> int:
        """Pixels of a window; 1 for a dense layer."""
        return 1 if self.layer.conv is None else self.layer.kernel ** len(self.inputs[1:])

    @property
    def sums_added(self) -> int:
        """How many sums its pool adds up."""
        pool = self.layer.pool
        averages = pool is not None and pool.kind is PoolKind.AVERAGE
        return pool.size ** len(self.inputs[1:]) if pool is not None and averages else 1

    @property
    def least_cycles(self) -> int:
        """See the function of that name."""
        if self.layer.conv is None:
            return 1
        pixels = math.prod(self.sums[1:])
        return pixels * self.taps if pixels > 1 else 1  # one window may be the image

    @classmethod
    def of(cls, layer: LayerConfig, inputs: tuple[int, ...]) -> "LayerShape":
        """The shape of a layer that gets `inputs`."""
        if layer.dense is not None:
            row = (layer.dense,)
            return cls(layer=layer, inputs=inputs, sums=row, outputs=row)
        sums = _windows(inputs[1:], layer.kernel, layer.stride, layer.padding)
        after, pool = sums, layer.pool
        if pool is not None and min(sums) > 0:
            after = _windows(sums, pool.size, pool.step, pool.padding)
        channels = (layer.width,)
        return cls(layer=layer, inputs=inputs, sums=channels + sums, outputs=channels + after)


def require_summable(layer: LayerConfig, scale: WeightScale) -> None:
    """Raise unless the layer's pool gets sums that it can add without rounding.

    Raises:
        ConfigError: an average pool behind scaled weights.
    """
    averages = layer.pool is not None and layer.pool.kind is PoolKind.AVERAGE
    if averages and scale not in (WeightScale.SIGN, WeightScale.OFF):
        raise ConfigError(
            f"weight_scale {scale.value} does not go with average pools: sums of scaled numbers "
            "round",
            remedy='set weight_scale = "sign"; the BatchNorm behind scales',
        )


def _windows(sizes: tuple[int, ...], window: int, step: int, padding: int) -> tuple[int, ...]:
    return tuple((size + 2 * padding - window) // step + 1 for size in sizes)


def is_convolutional(topology: Topology) -> bool:
    """Whether a network takes images rather than rows of numbers."""
    return topology not in _DENSE


def encoded_shape(
    config: NetworkConfig, input_shape: tuple[int, ...], encoding: Encoding
) -> tuple[int, ...]:
    """Shape of one input of the first layer: (C, H, W), (C, L), or (F,) for dense layers.

    Raises:
        ConfigError: the network wants images, and gets something else, or the encoding is of
            another number of features, or selects bits that there are not.
    """
    if config.topology is Topology.LUTNET and not isinstance(encoding, ThresholdsEncoding):
        raise ConfigError(
            "lutnet takes bits, and got integers",
            remedy='set encoding = "threshold" or "thermometer" in [data]',
        )
    levels = encoding.bits_each if isinstance(encoding, ThresholdsEncoding) else 1
    rows = row_shape(input_shape) if config.topology is Topology.CONV1D else input_shape
    if isinstance(encoding, FeatureThermometer) and len(encoding.features) != rows[0]:
        raise ConfigError(
            f"{config.topology.value} takes inputs of {rows[0]} features, and got thermometers of"
            f" {len(encoding.features)}",
            remedy="one thermometer for all of them takes inputs of any shape",
        )
    if isinstance(encoding, ThresholdsEncoding) and encoding.selected is not None:
        _require_selectable(config, math.prod(input_shape) * levels, encoding.selected)
        return (len(encoding.selected),)
    if config.topology is Topology.CONV1D:
        return (rows[0] * levels, rows[1])
    if not is_convolutional(config.topology):
        return (math.prod(input_shape) * levels,)
    if len(input_shape) != 3:
        raise ConfigError(
            f"{config.topology.value} wants images (channels, height, width), "
            f"got inputs of shape {input_shape}",
            remedy="choose an mlp, or data with images",
        )
    return (input_shape[0] * levels, *input_shape[1:])


def _require_selectable(config: NetworkConfig, bits: int, selected: tuple[int, ...]) -> None:
    if is_convolutional(config.topology):
        raise ConfigError(
            f"{config.topology.value} takes whole inputs, and got {len(selected)} selected bits",
            remedy="remove inputs from [data], or choose a dense network or a lutnet",
        )
    if selected[-1] >= bits:
        raise ConfigError(
            f"wanted at most the {bits} bits of an input, got"
            f" {max(len(selected), selected[-1] + 1)}",
            remedy="lower inputs in [data]",
        )


def require_tables(config: NetworkConfig, classes: int) -> None:
    """Raise unless every class gets as many outputs of the last layer of a "lutnet".

    Raises:
        ConfigError: they do not divide evenly.
    """
    if config.topology is Topology.LUTNET and config.hidden[-1] % classes:
        raise ConfigError(
            f"lutnet counts the outputs of its last layer by class: wanted a multiple of {classes},"
            f" got {config.hidden[-1]}",
            remedy="change the last width in hidden",
        )


def _require_inputs(config: NetworkConfig, shapes: Sequence[LayerShape]) -> None:
    """Raise unless every layer sees as many inputs as a sum adds up, for none is taken twice."""
    least = min(shape.inputs[0] for shape in shapes)
    if least < config.neuron_inputs:
        raise ConfigError(
            f"neurons of sums take each input once: wanted fan_in of at most {least}, got"
            f" {config.neuron_inputs}",
            remedy='set fan_in lower, widths in hidden higher, or neuron = "table"',
        )


def row_shape(input_shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and length of the rows that an input is to "conv1d".

    Numbers (L,) are one channel; of images (C, H, W), such as spectrograms, every row of pixels is
    a channel, and the network goes along W.
    """
    return math.prod(input_shape[:-1]), input_shape[-1]


def hidden_layers(config: NetworkConfig) -> tuple[LayerConfig, ...]:
    """The hidden layers of a network that is a chain."""
    if config.topology in (Topology.MLP, Topology.LUTNET):
        return _dense(*config.hidden)
    return config.layers or _LAYERS[config.topology]


def output_layer(config: NetworkConfig, classes: int) -> LayerConfig:
    """The last layer of a chain; behind a convolution every channel is summed up."""
    if config.topology in _ENDS_IN_CONV:
        return _conv(classes, 1)
    return LayerConfig(dense=classes)


def residual_stages(config: NetworkConfig) -> tuple[StageConfig, ...]:
    """The stages of a residual network."""
    return config.stages if config.topology is Topology.RESNET else _STAGES[config.topology]


def stem_shape(config: NetworkConfig, encoded: tuple[int, ...]) -> LayerShape:
    """The convolution in front of a residual network's blocks, with its sizes.

    Args:
        config: the network.
        encoded: what `encoded_shape` gave.

    Raises:
        ConfigError: the image is too small; names the smallest that fits.
    """
    stem = config.stem or _conv(residual_stages(config)[0].channels, padding=1)
    (shape,) = _shapes(config.topology, (stem,), encoded)
    return shape


def chain_shapes(
    config: NetworkConfig, encoded: tuple[int, ...], classes: int
) -> tuple[LayerShape, ...]:
    """Every layer of a chain with its sizes, the output last.

    Args:
        config: the network.
        encoded: what `encoded_shape` gave.
        classes: number of outputs.

    Raises:
        ConfigError: the image is too small; names the smallest that fits.
    """
    layers = (*hidden_layers(config), output_layer(config, classes))
    return _shapes(config.topology, layers, encoded)


def require_fit(
    config: NetworkConfig, input_shape: tuple[int, ...], encoding: Encoding, classes: int
) -> None:
    """Raise unless the layers fit each other and their input; no network is made.

    Raises:
        ConfigError: they do not, or have more than `MOST_WEIGHTS` weights.
    """
    shapes = layer_shapes(config, input_shape, encoding, classes)
    require_tables(config, classes)
    if config.neuron is Neuron.SUM:
        _require_inputs(config, shapes[:-1])
    if not config.topology.is_residual:
        real = config.weights is Precision.FLOAT
        real_first = real or config.first_last is Precision.FLOAT
        for index, layer in enumerate(hidden_layers(config)):
            floating = real if index else real_first
            require_summable(layer, WeightScale.OFF if floating else config.weight_scale)
    weights = sum(shape.weights for shape in shapes)
    if weights > MOST_WEIGHTS:
        raise ConfigError(f"wanted at most {MOST_WEIGHTS:,} weights, got {weights:,}")


def layer_shapes(
    config: NetworkConfig, input_shape: tuple[int, ...], encoding: Encoding, classes: int
) -> tuple[LayerShape, ...]:
    """Every layer of a network with its sizes, but for shortcuts.

    Raises:
        ConfigError: the input does not suit the network.
    """
    encoded = encoded_shape(config, input_shape, encoding)
    if not config.topology.is_residual:
        return chain_shapes(config, encoded, classes)
    shapes = [stem_shape(config, encoded)]
    for stage in residual_stages(config):
        for stride in (stage.stride, *[1] * (2 * stage.blocks - 1)):
            layer = LayerConfig(conv=stage.channels, stride=stride, padding=1)
            shapes.append(LayerShape.of(layer, shapes[-1].outputs))
    shapes.append(LayerShape.of(LayerConfig(dense=classes), shapes[-1].outputs[:1]))
    return tuple(shapes)


def least_cycles(shapes: Sequence[LayerShape]) -> int:
    """Clock cycles per image that the hardware of these layers takes at least.

    A sliding window gives its taps one after the other, all channels at a time at most.
    """
    return max(shape.least_cycles for shape in shapes)


def _shapes(
    topology: Topology, layers: tuple[LayerConfig, ...], encoded: tuple[int, ...]
) -> tuple[LayerShape, ...]:
    shapes: list[LayerShape] = []
    before = encoded
    for index, layer in enumerate(layers):
        shape = LayerShape.of(layer, (math.prod(before),) if layer.conv is None else before)
        if min(shape.outputs) < 1:
            small = _smallest_edge(layers, encoded)
            axes = len(encoded[1:])
            wanted = (
                "of another shape" if small is None else f"of at least {_size(*[small] * axes)}"
            )
            pooled = "" if layer.pool is None else f", pool {layer.pool.size}"
            raise ConfigError(
                f"{topology.value} wants {'rows' if axes == 1 else 'images'} {wanted},"
                f" got {_size(*encoded[1:])}: "
                f"nothing is left of {_size(*before[1:])} behind layer {index} "
                f"(kernel {layer.kernel}, padding {layer.padding}{pooled})"
            )
        shapes.append(shape)
        before = shape.outputs
    return tuple(shapes)


def _size(*sizes: int) -> str:
    return "x".join(map(str, sizes))


def _smallest_edge(layers: tuple[LayerConfig, ...], encoded: tuple[int, ...]) -> int | None:
    for edge in range(1, _LARGEST_SEARCHED):
        shape: tuple[int, ...] = (encoded[0], *[edge] * len(encoded[1:]))
        for layer in itertools.takewhile(lambda layer: layer.conv is not None, layers):
            shape = LayerShape.of(layer, shape).outputs
            if min(shape) < 1:
                break
        else:
            return edge
    return None
