"""What a sign of an exact 0 becomes: torch and ONNX say 0, which is no bit."""

from enum import Enum


class SignZero(Enum):
    """What an exact 0 in front of a sign becomes.

    REFUSE: a 0 that is reachable between two layers is an error. At the network's input, where the
        data alone decide, it counts as +1 and the facts say so.
    PLUS: +1, as in QONNX, Brevitas and FINN.
    MINUS: −1.
    """

    REFUSE = "refuse"
    PLUS = "plus"
    MINUS = "minus"

    @property
    def bit(self) -> int | None:
        """1 or −1; None: it is no bit."""
        return {SignZero.PLUS: 1, SignZero.MINUS: -1}.get(self)
