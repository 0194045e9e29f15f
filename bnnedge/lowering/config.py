"""What a user can choose about a lowering."""

from dataclasses import dataclass
from enum import Enum

from bnnedge.dataflow.sign_zero import SignZero
from bnnedge.dataflow.streams import BIPOLAR, ElementType
from bnnedge.errors import ConfigError
from bnnedge.names import check_network_name
from bnnedge.options import option
from bnnedge.records import later


class InputKind(Enum):
    """What the values of the network's input are, where the file does not say it.

    UINT8, INT8: integers of 8 bits, such as pixels.
    BIPOLAR: −1 and +1.
    """

    UINT8 = "uint8"
    INT8 = "int8"
    BIPOLAR = "bipolar"

    @property
    def element(self) -> ElementType:
        """Of the values."""
        if self is InputKind.BIPOLAR:
            return BIPOLAR
        return ElementType(width_bits=8, signed=self is InputKind.INT8)


@dataclass(frozen=True, kw_only=True)
class LoweringConfig:
    """Choices of a lowering.

    Attributes:
        name: of the network, see `bnnedge.names`; None: as the exporter calls it, else the file's.
        classify: end in an arg-max in hardware even where the graph ends in logits.
        sign_zero: what an exact 0 at a `Sign` means.
        input: what the input holds; None: what the file says.
        classes: names, by class; None: what the file says.
        check_images: random inputs to check against the original graph, beside adversarial ones.
        seed: of those inputs.
    """

    name: str | None = option(
        None, help="Name of the network; by default the exported one's, or the file's."
    )
    classify: bool = option(False, help="End in an arg-max in hardware.", section="hardware")
    sign_zero: SignZero = option(
        SignZero.REFUSE, help="What an exact 0 at an ONNX Sign becomes: an error, +1 or -1."
    )
    input: InputKind | None = option(
        None, help="What the input holds, where the file does not say it.", section="hardware"
    )
    classes: tuple[str, ...] | None = later()
    check_images: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name is not None:
            check_network_name(self.name, raises=ConfigError)
        if self.check_images < 1:
            raise ConfigError(f"check_images: wanted at least 1, got {self.check_images}")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a user can ask to see of a lowering.

    Attributes:
        explain: where the network is refused, the error says of every node of the graph what became
            of it (`bnnedge.lowering.fates.RefusedError`), as the facts do of one that is lowered.
        until: the last step to do on the graph, which is then written in place of a Dataflow;
            `lowered`: all of them, but no comparison.
    """

    explain: bool = option(False, help="Tell what became of every node, refused or not.")
    until: str | None = option(
        None, help="Write the graph as it is behind this step, and no Dataflow: fold_constants, …"
    )
