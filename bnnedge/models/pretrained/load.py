"""Loading a pretrained network. torch is imported when one is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING

from bnnedge.arguments import checked
from bnnedge.arrays import read_npz
from bnnedge.artifacts import sha256_of
from bnnedge.errors import ArrayError, CheckpointError
from bnnedge.extras import Extra, require
from bnnedge.models.pretrained.cards import ModelCard, weights_path
from bnnedge.names import trained_name

if TYPE_CHECKING:
    from bnnedge.models.network import Network


@checked
def load_pretrained(network: str, dataset: str, *, folder: Path | None = None) -> "Network":
    """A trained network in evaluation mode.

    Args:
        network: its name, e.g. "lenet5".
        dataset: what it was trained on, e.g. "mnist".
        folder: where weights and cards are; with bnnedge itself by default.

    Raises:
        ConfigError: there is none of that name; lists what there is.
        CheckpointError: its files are damaged.
    """
    require("a pretrained network", Extra.TRAIN)
    return load_card(ModelCard.load(trained_name(network, dataset), folder), folder)


def load_card(card: ModelCard, folder: Path | None = None) -> "Network":
    """The network that a card describes, in evaluation mode. Raises CheckpointError."""
    from bnnedge.models.pretrained.packing import unpack_
    from bnnedge.models.record import network_from_record

    path = weights_path(card.name, folder)
    remedy = "install bnnedge again"
    try:
        if sha256_of(path) != card.weights_sha256:
            raise CheckpointError(f"{path} is not the file that its card describes", remedy=remedy)
        arrays = read_npz(path)
    except (OSError, ArrayError) as error:
        raise CheckpointError(f"{path} is missing or damaged ({error})", remedy=remedy) from error
    model = network_from_record(card.model, str(path))
    unpack_(model, arrays, str(path))
    return model
