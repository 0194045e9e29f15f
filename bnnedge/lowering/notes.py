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
        signs: what the Sign nodes, by name, give for an exact 0 where ONNX's 0 would be no bit.
        offset: what the graph adds to each element of the integers that the first layer sees,
            (F,); None where that is nothing.
        remarks: anything else that a user should know, one line each.
    """

    lifted: list[Lift] = field(default_factory=list)
    signs: dict[str, float] = field(default_factory=dict)
    offset: NDArray[np.float64] | None = None
    remarks: list[str] = field(default_factory=list)


def is_exact_factor(values: NDArray[np.float32]) -> bool:
    """Whether products and sums with these factors do not round: powers of two of one size."""
    mantissas, exponents = np.frexp(np.abs(values))
    return bool((mantissas == 0.5).all() and (np.abs(exponents) < 64).all())
