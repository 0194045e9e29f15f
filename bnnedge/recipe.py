"""A recipe: everything that one build needs, from a TOML file that can be read at a glance."""

import contextlib
import dataclasses
import enum
import functools
import math
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnnedge.arguments import checked
from bnnedge.boards import find_board, is_board_file, link_of
from bnnedge.changes import changed
from bnnedge.config import structure_parts
from bnnedge.data.config import DataConfig, EncodingKind
from bnnedge.data.datasets import require_data
from bnnedge.data.encodings import (
    Encoding,
    FeatureThermometer,
    IntegerEncoding,
    QuantileThermometer,
    ThresholdsEncoding,
)
from bnnedge.errors import BnnEdgeError, ConfigError, DataError, SynthesisError
from bnnedge.files import located, read_toml
from bnnedge.hardware.config import RtlConfig
from bnnedge.hardware.folding import load_folding
from bnnedge.lowering.config import LoweringConfig
from bnnedge.models.config import NetworkConfig
from bnnedge.models.topologies import layer_shapes, least_cycles, require_fit
from bnnedge.names import check_network_name
from bnnedge.options import options_of
from bnnedge.recipes import find_recipe
from bnnedge.simulation.config import SimulationConfig
from bnnedge.synthesis.config import SynthesisConfig
from bnnedge.synthesis.plan import require_clock, require_effect
from bnnedge.training.config import TeacherConfig, TrainingConfig
from bnnedge.training.stage import require_checkpoint

_REQUIRED = {"clock_mhz"}  # which stages by themselves have defaults for
_CLASSES = 10  # few enough to say nothing about whether a network fits its input
_NO_BOARD = (
    "[hardware], which says what to build for, is missing"
    " — add it, or run `bnnedge train`, `export` and `lower`"
)


class Use(enum.Enum):
    """What a recipe is loaded for, and so how much has to be there: see `Recipe.load`."""

    READ = "read"
    TRAIN = "train"
    BUILD = "build"


@dataclass(frozen=True, kw_only=True)
class HardwareConfig:
    """The `[hardware]` section: keys are those options of these stages that say so.

    `clock_mhz` is the accelerator's, for folding and for place and route, which has to reach it.

    Attributes:
        lower: how the graph ends.
        rtl: throughput or folding; a file of it is relative to the recipe.
        synth: the board, by name or by a TOML file relative to the recipe, see
            docs/reference/boards.md.
    """

    lower: LoweringConfig
    rtl: RtlConfig
    synth: SynthesisConfig


_STAGES: Mapping[str, type[Any]] = typing.get_type_hints(HardwareConfig)


def section_keys(section: str, *configs: type[Any]) -> type[Any]:
    """A dataclass of the options of a section of a recipe: each once, as its field is."""
    fields: dict[str, tuple[str, Any, Any]] = {}
    for config in configs:
        types = typing.get_type_hints(config)
        for declared in options_of(config):
            field = config.__dataclass_fields__[declared.name]
            if declared.option.section == section and declared.name not in fields:
                fields[declared.name] = (declared.name, types[declared.name], _like(field))
    return dataclasses.make_dataclass(section, fields.values(), frozen=True, kw_only=True)


def _like(field: "dataclasses.Field[Any]") -> Any:
    """A field with the same default; where both are wanted of a clock, there is none."""
    required = field.name in _REQUIRED
    return dataclasses.field(default=dataclasses.MISSING if required else field.default)


def _hardware(values: Mapping[str, Any]) -> HardwareConfig:
    """The section of its values: each stage gets those that it declares."""
    made = {}
    for name, config in _STAGES.items():
        own = {each.name for each in options_of(config) if each.option.section == "hardware"}
        made[name] = config(**{key: value for key, value in values.items() if key in own})
    return HardwareConfig(**made)


def _faults_of_hardware(values: Mapping[str, Any]) -> Iterator[ConfigError]:
    clock_mhz, target_fps = values["clock_mhz"], values.get("target_fps")
    if (target_fps is None) == (values.get("folding") is None):
        yield ConfigError("wanted either target_fps or folding")
    if not clock_mhz > 0:
        yield ConfigError(f"clock_mhz wants a number above 0, got {clock_mhz}")
    most = clock_mhz * 1e6
    if target_fps is not None and not 0 < target_fps <= most:
        yield ConfigError(
            f"target_fps wants a number above 0 and up to an image in every cycle"
            f" ({most:g}), got {target_fps:g}"
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One build, from data to bitstream.

    Attributes:
        name: of the network, see `bnnedge.names`.
        network: the layers.
        data: the data set and the input encoding.
        training: the optimiser.
        hardware: the board; a recipe without it can be trained, but not built.
        teacher: the network to learn from.
        simulation: simulated are the first `images` of the test set.
    """

    name: str
    network: NetworkConfig
    data: DataConfig
    training: TrainingConfig
    hardware: HardwareConfig | None = None
    teacher: TeacherConfig | None = None
    simulation: SimulationConfig = field(default_factory=SimulationConfig)

    def __post_init__(self) -> None:
        check_network_name(self.name, raises=ConfigError)

    @classmethod
    @checked
    def load(
        cls, path: Path, use: Use = Use.READ, changes: Mapping[str, Any] | None = None
    ) -> "Recipe":
        """Read a recipe and check it as a whole; paths in it are relative to its folder.

        Args:
            path: TOML file, or the name of a recipe that comes with bnnedge.
            use: to `TRAIN`, the files that it names have to be there; to `BUILD`, it also has to
                be one of hardware.
            changes: values in place of the file's, by their keys, e.g. "training.epochs"; paths
                among them are relative to the current folder.

        Raises:
            ConfigError: not readable, or wrong somewhere: a key, a value, a board, a clock, layers
                that do not fit each other or the data, …; names everything that is.
        """
        path = find_recipe(path)
        record = changed(read_toml(path), _from_here(changes or {}))
        others = {key: value for key, value in record.items() if key != "hardware"}
        parts, faults = structure_parts(others, cls)
        # What of an otherwise wrong section is right.
        hardware: dict[str, Any] = {}
        wrong: list[str] = []
        if "hardware" in record:
            keys = section_keys("hardware", *_STAGES.values())
            hardware, wrong = structure_parts(record["hardware"], keys, "hardware")
            if not wrong:
                wrong = [f"hardware: {fault}" for fault in _faults_of_hardware(hardware)]
            if not wrong:
                wrong = _tried(lambda: parts.update(hardware=_hardware(hardware)), "hardware")
        faults += wrong
        parts = {name: _located(part, path.parent) for name, part in parts.items()}
        if "name" in parts:
            faults += _tried(lambda: check_network_name(parts["name"], raises=ConfigError))
        faults += _misfits(parts)
        faults += _misfits_of_board(hardware, parts, path.parent)
        if {"network", "data", "hardware"} <= parts.keys():
            faults += _out_of_reach(parts["network"], parts["data"], parts["hardware"])
        if use is not Use.READ:
            faults += _one_without_the_other(parts, taught="teacher" in record)
            faults += _missing(parts, hardware.get("folding"), path.parent)
        if use is Use.BUILD and "hardware" not in record:
            faults.append(_NO_BOARD)
        if use is Use.BUILD and "network" in parts:
            faults += _no_hardware(parts["network"])
        if faults:
            raise ConfigError.of(faults, source=str(path))
        return cls(**parts)


def _from_here(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, with whole paths."""
    texts = {key: value for key, value in changes.items() if isinstance(value, str)}
    paths = {key: Path(value) for key, value in texts.items() if _names_file(key, value)}
    return {**changes, **{key: str(located(path, Path.cwd())) for key, path in paths.items()}}


def _names_file(key: str, value: str) -> bool:
    """Whether a value of a recipe is the path of a file or a folder."""
    kind: Any = Recipe
    for name in map(str.strip, key.split(".")):
        if kind is HardwareConfig:
            kind = section_keys("hardware", *_STAGES.values())
        hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
        kinds = typing.get_args(hints.get(name)) or (hints.get(name),)
        kind = next((each for each in kinds if each is not type(None)), None)
        if str in kinds:
            return Path in kinds and is_board_file(value)
    return kind is Path


def _located(part: Any, folder: Path) -> Any:
    """A section with its paths looked for in `folder`."""
    if isinstance(part, HardwareConfig):
        folding = None if part.rtl.folding is None else located(part.rtl.folding, folder)
        return dataclasses.replace(
            part,
            rtl=dataclasses.replace(part.rtl, folding=folding),
            synth=dataclasses.replace(part.synth, board=_board(part.synth.board, folder)),
        )
    if isinstance(part, DataConfig):
        inside, file = (p and located(p, folder) for p in (part.folder, part.file))
        return dataclasses.replace(part, folder=inside, file=file)
    return part.relative_to(folder) if isinstance(part, TeacherConfig) else part


def _board(name: Any, folder: Path) -> str:
    return str(located(Path(name), folder)) if is_board_file(name) else str(name)


def _tried(check: Callable[[], object], where: str = "") -> list[str]:
    """What `check` raises, as faults of what is at `where`."""
    try:
        check()
    except BnnEdgeError as error:
        faults = error.faults if isinstance(error, ConfigError) else (str(error),)
        return [f"{where}: {fault}" if where else fault for fault in faults]
    return []


def _one_without_the_other(parts: Mapping[str, Any], *, taught: bool) -> Iterator[str]:
    """Whether there is a teacher and nothing to learn from it, or the other way round."""
    training: TrainingConfig | None = parts.get("training")
    if training is not None and taught != (training.distill is not None):
        got = "[teacher]" if taught else "[training.distill]"
        yield f"[teacher] and [training.distill] go together, got only {got}"


def _misfits(parts: Mapping[str, Any]) -> Iterator[str]:
    """What does not go together, of the sections that are right by themselves."""
    data: DataConfig | None = parts.get("data")
    if data is None:
        return
    with contextlib.suppress(DataError):  # which is said where files have to be there
        yield from _misfits_of(parts, data, data.input_shape)


def _misfits_of(
    parts: Mapping[str, Any], data: DataConfig, shape: tuple[int, ...]
) -> Iterator[str]:
    training: TrainingConfig | None = parts.get("training")
    teacher: TeacherConfig | None = parts.get("teacher")
    taught = None if teacher is None else teacher.network
    for where, network, encoding in (
        ("network", parts.get("network"), _encoding(data)),
        ("teacher.network", taught, IntegerEncoding()),
    ):
        if network is not None:
            fit = functools.partial(require_fit, network, shape, encoding, _CLASSES)
            yield from _tried(fit, where)
    own = None if teacher is None else teacher.training
    for where, config in (("training", training), ("teacher.training", own)):
        if config is not None:
            images = functools.partial(config.augment.require_images, shape)
            yield from _tried(images, f"{where}.augment")


def _encoding(data: DataConfig) -> Encoding:
    """An encoding with as many bits as the one that will be fitted."""
    if data.encoding is EncodingKind.INTEGER:
        return IntegerEncoding()
    levels = tuple(map(float, range(data.levels or 1)))
    selected = None if data.inputs is None else tuple(range(data.inputs))
    if data.encoding is EncodingKind.FEATURE_THERMOMETER:
        features = (levels,) * data.input_shape[0]
        return FeatureThermometer(features=features, selected=selected)
    return QuantileThermometer(levels=levels, selected=selected)


def _out_of_reach(
    network: NetworkConfig, data: DataConfig, hardware: HardwareConfig
) -> Iterator[str]:
    """Whether the network is slower than its target in any folding, as far as shapes say."""
    with contextlib.suppress(ConfigError, DataError):  # which is said elsewhere
        shapes = layer_shapes(network, data.input_shape, _encoding(data), _CLASSES)
        most_fps = hardware.rtl.clock_mhz * 1e6 / least_cycles(shapes)
        target_fps = hardware.rtl.target_fps
        if target_fps is not None and target_fps > most_fps * (1 + 1e-9):
            yield (
                f"hardware.target_fps: wanted at most {most_fps:g} images/s, which the network does"
                f" at {hardware.rtl.clock_mhz:g} MHz, got {target_fps:g}"
            )


def _misfits_of_board(
    hardware: Mapping[str, Any], parts: Mapping[str, Any], folder: Path
) -> Iterator[str]:
    """What a board does not do, of the values that are right by themselves."""
    name, clock_mhz = hardware.get("board"), hardware.get("clock_mhz", 0.0)
    if name is None:
        return
    try:
        board = find_board(_board(name, folder))
    except (SynthesisError, ConfigError) as error:
        yield f"hardware.board: {error}"
        return
    data: DataConfig | None = parts.get("data")
    if data is not None:
        with contextlib.suppress(DataError):  # which is said where files have to be there
            elements, encoding = math.prod(data.input_shape), _encoding(data)
            bits = 8 * elements
            if isinstance(encoding, ThresholdsEncoding):
                bits = encoding.width(elements)
            frame = functools.partial(link_of(board).require_frame, "an image", bits // 8)
            yield from _tried(frame, "hardware.board")
    if clock_mhz > 0:
        yield from _tried(lambda: require_clock(board, clock_mhz), "hardware.clock_mhz")
    if "hardware" in parts:
        yield from _tried(lambda: require_effect(board, parts["hardware"].synth), "hardware")


def _missing(parts: Mapping[str, Any], folding: Path | None, folder: Path) -> Iterator[str]:
    """Which files are not there, or not what they should be."""
    data: DataConfig | None = parts.get("data")
    if data is not None:
        own = data
        yield from _tried(lambda: require_data(own), "data")
    teacher: TeacherConfig | None = parts.get("teacher")
    if teacher is not None and teacher.checkpoint is not None:
        checkpoint = teacher.checkpoint
        yield from _tried(lambda: require_checkpoint(checkpoint), "teacher.checkpoint")
    if folding is not None:
        yield from _tried(lambda: load_folding(located(folding, folder)), "hardware.folding")


def _no_hardware(network: NetworkConfig) -> Iterator[str]:
    """Why a network cannot be built."""
    if not network.is_binary:
        yield "network: hardware wants binary weights, activations and first_last, got float"
    elif network.topology.is_residual and network.residual is None:
        yield "network: hardware wants integers between the blocks, got residual_bits 0"
