"""What passes have to tell: which steps were exact by arithmetic, and what a user should know."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Lift:
    """A float factor or bias taken out of a sum.

    Attributes:
        layer: the MatMul's node name.
        what: "weight scale", "activation scale", "alpha", "bias", "scale before a
            sum" or "shift before a sum".
    """

    layer: str
    what: str


@dataclass
class Notes:
    """Collected while passes run.

    Attributes:
        lifted: where the original rounds inside its sums, in an order that is the runtime's own;
            only there may it differ from its own exact value, in the last bit.
        biases: the tensor behind a bias that the original adds inside a sum, by its layer's name.
            Whether that rounds is known when the layer's input is.
        signs: what the Sign nodes, by name, give for an exact 0 where ONNX's 0 would be no bit.
        remarks: anything else that a user should know, one line each.
    """

    lifted: list[Lift] = field(default_factory=list)
    biases: dict[str, str] = field(default_factory=dict)
    signs: dict[str, float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def is_exact_factor(values: NDArray[np.float32]) -> bool:
    """Whether products and sums with these factors do not round: powers of two of one size."""
    mantissas, exponents = np.frexp(np.abs(values))
    return bool((mantissas == 0.5).all() and (np.abs(exponents) < 64).all())
