"""A recipe: everything that one build needs, from a TOML file that can be read at a glance."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from bnnedge.config import load_toml
from bnnedge.data.config import DataConfig
from bnnedge.errors import ConfigError
from bnnedge.models.config import NetworkConfig
from bnnedge.names import check_network_name
from bnnedge.simulation.config import SimulationConfig
from bnnedge.training.config import TeacherConfig, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class HardwareConfig:
    """The `[hardware]` section.

    Attributes:
        board: name of a board, see docs/boards.md.
        clock_mhz: clock of the accelerator; place and route has to reach it.
        target_fps: images/s that the folding is chosen for, or
        folding: a JSON file {"<node>": {"PE": p, "SIMD": s}}, relative to the recipe.
        classify: end in an arg-max in hardware, so that the board answers with a class.
    """

    board: str
    clock_mhz: float
    target_fps: float | None = None
    folding: Path | None = None
    classify: bool = False

    def __post_init__(self) -> None:
        if (self.target_fps is None) == (self.folding is None):
            raise ConfigError("wanted either target_fps or folding")


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
    def load(cls, path: Path) -> "Recipe":
        """Read a recipe; paths in it are relative to its folder.

        Raises:
            ConfigError: not readable, or a key or value is wrong; names it.
        """
        recipe = load_toml(path, cls)
        hardware, data = recipe.hardware, recipe.data
        if hardware is not None and hardware.folding is not None:
            hardware = dataclasses.replace(hardware, folding=path.parent / hardware.folding)
        if data.folder is not None:
            data = dataclasses.replace(data, folder=path.parent / data.folder.expanduser())
        teacher = recipe.teacher and recipe.teacher.relative_to(path.parent)
        return dataclasses.replace(recipe, hardware=hardware, data=data, teacher=teacher)
