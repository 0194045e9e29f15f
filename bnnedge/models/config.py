"""What a network looks like, as a recipe writes it. Needs no torch."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from bnnedge.errors import ConfigError, raise_faults
from bnnedge.ops.config import (
    MOST_TABLE_INPUTS,
    ActivationMethod,
    PaddingMode,
    ResidualConfig,
    WeightLevels,
    WeightScale,
)
from bnnedge.records import later

MAX_WIDTH = 65536
_MOST_BLOCKS = 1024
_RESIDUAL_BITS = 4
_FAN_IN = 4
_MOST_ACTIVATION_BITS = 4


class Topology(enum.Enum):
    """Named network shapes; docs/reference/zoo.md lists their layers and papers."""

    TFC = "tfc"
    SFC = "sfc"
    LFC = "lfc"
    MLP = "mlp"
    LUTNET = "lutnet"
    CONV = "conv"
    CONV1D = "conv1d"
    LENET5 = "lenet5"
    CNV = "cnv"
    VGG_SMALL = "vgg-small"
    NIN = "nin"
    RESNET18 = "resnet18"
    RESNET20 = "resnet20"
    RESNET = "resnet"

    @property
    def is_residual(self) -> bool:
        """Whether there are shortcuts around the convolutions."""
        return self in (Topology.RESNET18, Topology.RESNET20, Topology.RESNET)


class Precision(enum.Enum):
    """What a weight or an activation is: ±1, or a real number."""

    BINARY = "binary"
    FLOAT = "float"


class Neuron(enum.Enum):
    """What a neuron of a few inputs is."""

    TABLE = "table"
    """Any function of them, learnt entry by entry."""
    SUM = "sum"
    """The sign of a sum of them, added or subtracted, behind a BatchNorm."""


class PoolKind(enum.Enum):
    """How a window becomes one number."""

    MAX = "max"
    AVERAGE = "average"
    """The window's sum: the normalisation behind it absorbs the divisor."""


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """Pooling behind a convolution.

    Attributes:
        size: edge of the square window, or along rows its length.
        stride: step between windows; the window's edge if not given.
        padding: rows and columns added on each side.
        kind: maximum or average.

    Raises:
        ConfigError: a value is out of range.
    """

    size: int
    stride: int | None = None
    padding: int = 0
    kind: PoolKind = PoolKind.MAX

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        if self.size < 1 or self.step < 1:
            yield ConfigError(f"pool wants size and stride of at least 1, got {self}")
        if not 0 <= self.padding <= self.size // 2:
            yield ConfigError(
                f"pool wants a padding from 0 to half its size ({self.size // 2}), "
                f"got {self.padding}"
            )

    @property
    def step(self) -> int:
        """Step between windows."""
        return self.size if self.stride is None else self.stride


@dataclass(frozen=True, kw_only=True)
class LayerConfig:
    """One hidden layer: a convolution, or a dense (fully connected) layer.

    Attributes:
        conv: output channels of a convolution, or
        dense: neurons of a dense layer.
        kernel: edge of a convolution's square window, or along rows its length.
        stride: its step.
        padding: rows and columns added on each side of its input.
        pool: pooling of its sums, in front of the normalisation.

    Raises:
        ConfigError: neither or both of conv and dense, or a value out of range.
    """

    conv: int | None = None
    dense: int | None = None
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    pool: PoolConfig | None = None

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        if (self.conv is None) == (self.dense is None):
            yield ConfigError("a layer wants either conv or dense, e.g. { conv = 64 }")
            return
        if not 1 <= self.width <= MAX_WIDTH:
            yield ConfigError(f"a layer wants a width in 1…{MAX_WIDTH}, got {self.width}")
        window = (self.kernel, self.stride, self.padding, self.pool)
        if self.dense is not None and window != (3, 1, 0, None):
            yield ConfigError("a dense layer takes no kernel, stride, padding or pool")
        if self.kernel < 1 or self.stride < 1 or not 0 <= self.padding < self.kernel:
            yield ConfigError(
                "conv wants kernel and stride of at least 1 and a padding below the kernel, got "
                f"kernel {self.kernel}, stride {self.stride}, padding {self.padding}"
            )

    @property
    def width(self) -> int:
        """Output channels or neurons."""
        width = self.dense if self.conv is None else self.conv
        assert width is not None  # __post_init__
        return width


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """Residual blocks of one width; each has two 3×3 convolutions with a shortcut around each.

    Attributes:
        channels: output channels of every convolution.
        blocks: how many blocks.
        stride: 2 halves the image in the first of them.

    Raises:
        ConfigError: a value is out of range.
    """

    channels: int
    blocks: int = 1
    stride: int = 1

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        if not 1 <= self.channels <= MAX_WIDTH:
            yield ConfigError(f"a stage wants channels in 1…{MAX_WIDTH}, got {self.channels}")
        if not 1 <= self.blocks <= _MOST_BLOCKS:
            yield ConfigError(f"a stage wants 1…{_MOST_BLOCKS} blocks, got {self.blocks}")
        if self.stride not in (1, 2):
            yield ConfigError(f"a stage wants stride 1 or 2, got {self.stride}")


_GRADIENTS = (ActivationMethod.SIGN, ActivationMethod.CLIPPED, ActivationMethod.BIREAL)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The `[network]` section.

    Attributes:
        topology: a named shape, "mlp" for any widths, "lutnet" for neurons of a few inputs, "conv"
            for any small stack, "conv1d" for one along rows, or "resnet" for any residual blocks.
        hidden: neurons of each hidden layer; for "mlp" and "lutnet" only.
        layers: hidden layers, convolutions before dense ones; for "conv" and "conv1d" only.
        stages: residual blocks; for "resnet" only.
        stem: the convolution in front of them; for "resnet" only. If not given, 3×3 to the
            channels of the first stage, with a padding of 1.
        weights: of all layers; "float" with float activations is a full-precision teacher.
        activations: signs, or ReLUs.
        first_last: weights of the first and the last layer where the others are binary. "float"
            also feeds the last layer with ReLUs, as the papers on convolutional networks do, and
            cannot become hardware.
        gradient: what the sign's gradient is taken to be.
        weight_scale: scale of the hidden layers' binary weights.
        padding: what surrounds ±1 images; real numbers and integers are padded with zero.
        residual_bits: width of the integers between the blocks of a residual network; 0: real
            numbers, which cannot become hardware. If not given, 4 where weights, activations, the
            first and the last layer are binary, else 0.

        weight_bits: 1: ±1, 2: −1, 0 and 1; of all layers of a chain. If not given, 1.
        activation_bits: of what hidden layers of a chain give: 1: ±1; 2 to 4: signed integers. If
            not given, 1.
        fan_in: inputs of a neuron, 1 to 8; for "lutnet" only. If not given, 4.
        neuron: what a neuron makes of them; for "lutnet" only. If not given, a table.

    Raises:
        ConfigError: `hidden`, `layers` or `stages` missing, given for a named shape, or out of
            range; a gradient or a scale that is none; residual integers in a network that has
            none.
    """

    topology: Topology
    hidden: tuple[int, ...] = ()
    layers: tuple[LayerConfig, ...] = ()
    stages: tuple[StageConfig, ...] = ()
    stem: LayerConfig | None = None
    weights: Precision = Precision.BINARY
    activations: Precision = Precision.BINARY
    first_last: Precision = Precision.BINARY
    gradient: ActivationMethod = ActivationMethod.CLIPPED
    weight_scale: WeightScale = WeightScale.SIGN
    padding: PaddingMode = PaddingMode.MINUS_ONE
    residual_bits: int | None = None
    fan_in: int | None = later()
    neuron: Neuron | None = later()
    weight_bits: int | None = later()
    activation_bits: int | None = later()

    def __post_init__(self) -> None:
        raise_faults(self._faults())

    def _faults(self) -> Iterator[ConfigError]:
        stacks = (Topology.CONV, Topology.CONV1D)
        for takers, key, example in (
            ((Topology.MLP, Topology.LUTNET), "hidden", "[64, 64]"),
            (stacks, "layers", "[{ conv = 32, pool = { size = 2 } }, { dense = 128 }]"),
            ((Topology.RESNET,), "stages", "[{ channels = 64 }, { channels = 128, stride = 2 }]"),
        ):
            given, name = bool(getattr(self, key)), self.topology.value
            if self.topology in takers and not given:
                yield ConfigError(f"topology {name} wants {key}, e.g. {key} = {example}")
            if self.topology not in takers and given:
                yield ConfigError(
                    f"{name} has fixed layers, got {key}",
                    remedy=f'remove {key}, or set topology = "{takers[0].value}"',
                )
        blocks = sum(stage.blocks for stage in self.stages)
        if max(len(self.hidden), len(self.layers), len(self.stages), blocks) > _MOST_BLOCKS:
            yield ConfigError(f"{self.topology.value} wants at most {_MOST_BLOCKS} hidden layers")
        if any(not 1 <= width <= MAX_WIDTH for width in self.hidden):
            yield ConfigError(f"hidden wants widths in 1…{MAX_WIDTH}, got {list(self.hidden)}")
        kinds = [layer.conv is None for layer in self.layers]
        if kinds != sorted(kinds):
            yield ConfigError("layers wants every convolution in front of the dense layers")
        if self.stem is not None and (self.topology is not Topology.RESNET or not self.stem.conv):
            yield ConfigError(
                "stem wants to be the first convolution of topology resnet, got "
                f"{'a dense layer' if self.stem.conv is None else self.topology.value}",
                remedy="remove stem",
            )
        yield from self._residual_faults()
        yield from self._table_faults()
        yield from self._bit_faults()
        if self.gradient not in _GRADIENTS:
            wanted = ", ".join(method.value for method in _GRADIENTS)
            yield ConfigError(f"gradient wants one of {wanted}, got {self.gradient.value}")
        if self.weight_scale is WeightScale.OFF:
            yield ConfigError(
                "weight_scale off is no binary weight", remedy='set weights = "float"'
            )

    def _residual_faults(self) -> Iterator[ConfigError]:
        if self.residual_bits is not None and not self.topology.is_residual:
            yield ConfigError(
                f"{self.topology.value} has no shortcuts, got residual_bits {self.residual_bits}",
                remedy="remove residual_bits",
            )
        if self.residual_bits and not self.is_binary:
            yield ConfigError(
                "residual_bits goes with binary weights, activations and first_last, got float",
                remedy="set residual_bits = 0 for real numbers between the blocks",
            )
        if self.residual_bits:
            try:
                ResidualConfig(bits=self.residual_bits)
            except ConfigError as error:
                yield error

    def _table_faults(self) -> Iterator[ConfigError]:
        is_lutnet, neuron = self.topology is Topology.LUTNET, self.neuron and self.neuron.value
        for key, value in (("fan_in", self.fan_in), ("neuron", neuron)):
            if value is not None and not is_lutnet:
                yield ConfigError(
                    f"{self.topology.value} has no neurons of a few inputs, got {key} {value}",
                    remedy=f'remove {key}, or set topology = "lutnet"',
                )
        if not is_lutnet:
            return
        if self.fan_in is not None and not 1 <= self.fan_in <= MOST_TABLE_INPUTS:
            yield ConfigError(f"fan_in wants 1…{MOST_TABLE_INPUTS} inputs, got {self.fan_in}")
        if not self.is_binary:
            yield ConfigError(
                "lutnet has neurons of bits, got float",
                remedy='set weights, activations and first_last = "binary"',
            )
        if self.weight_scale is not WeightScale.SIGN:
            yield ConfigError(
                f"lutnet has no weights with a scale, got weight_scale {self.weight_scale.value}",
                remedy="remove weight_scale",
            )
        if self.neuron is not Neuron.SUM and self.gradient is not ActivationMethod.CLIPPED:
            yield ConfigError(
                f"tables have a gradient of their own, got gradient {self.gradient.value}",
                remedy='remove gradient, or set neuron = "sum"',
            )

    def _bit_faults(self) -> Iterator[ConfigError]:
        for key, bits, most in (
            ("weight_bits", self.weight_bits, 2),
            ("activation_bits", self.activation_bits, _MOST_ACTIVATION_BITS),
        ):
            if bits is None:
                continue
            if not 1 <= bits <= most:
                yield ConfigError(f"{key} wants 1…{most}, got {bits}")
            elif bits > 1 and (self.topology.is_residual or self.topology is Topology.LUTNET):
                yield ConfigError(
                    f"{self.topology.value} has {key} 1, got {bits}", remedy=f"remove {key}"
                )
            elif bits > 1 and not self.is_binary:
                yield ConfigError(
                    f"{key} goes with binary weights, activations and first_last, got float",
                    remedy=f"remove {key}",
                )
        if self.weight_bits == 2 and self.weight_scale is not WeightScale.SIGN:
            yield ConfigError(
                f'weight_bits 2 goes with weight_scale "sign", got "{self.weight_scale.value}"',
                remedy="remove weight_scale; the BatchNorm behind scales",
            )

    @property
    def levels(self) -> WeightLevels:
        """Which values weights take."""
        return WeightLevels.TERNARY if self.weight_bits == 2 else WeightLevels.BINARY

    @property
    def integers(self) -> ResidualConfig | None:
        """What hidden layers of a chain give, where that is not ±1."""
        bits = self.activation_bits or 1
        return ResidualConfig(bits=bits, scale=1.0) if bits > 1 else None

    @property
    def neuron_inputs(self) -> int:
        """Of a neuron of a few inputs."""
        return _FAN_IN if self.fan_in is None else self.fan_in

    @property
    def is_binary(self) -> bool:
        """Whether all weights and activations are ±1; other networks cannot become hardware."""
        kinds = (self.weights, self.activations, self.first_last)
        return all(kind is Precision.BINARY for kind in kinds)

    @property
    def residual(self) -> ResidualConfig | None:
        """The integers between residual blocks, which reach from −4 to almost 4; None: none."""
        bits = self.residual_bits
        if bits is None and self.topology.is_residual and self.is_binary:
            bits = _RESIDUAL_BITS
        return ResidualConfig(bits=bits, scale=2.0 ** (3 - bits)) if bits else None
