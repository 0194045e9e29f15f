"""The streams of a module that a harness drives: widths and names of their ports."""

from collections.abc import Mapping
from dataclasses import dataclass

from bnnedge.verilog import Direction, Stream


@dataclass(frozen=True, kw_only=True)
class StreamPort:
    """A stream that the module takes or gives.

    Attributes:
        name: an identifier, in messages.
        signals: names of its ports.
        width_bits: of a beat; None: as many as the compiled port has, in whole bytes or words.
        last: name of the port that marks the last beat of an output's frame; None: there is none.
    """

    name: str
    signals: Stream
    width_bits: int | None = None
    last: str | None = None


@dataclass(frozen=True, kw_only=True)
class StreamPorts:
    """The ports of a module.

    Attributes:
        inputs: streams that it takes.
        outputs: streams that it gives.
        clock: name of its clock.
        reset: name of its reset, active low.
        identity: name of a 32-bit output that is constant; None: there is none.
        tied: names of inputs that stay 0.
    """

    inputs: tuple[StreamPort, ...]
    outputs: tuple[StreamPort, ...]
    clock: str = "clk_i"
    reset: str = "rst_ni"
    identity: str | None = None
    tied: tuple[str, ...] = ()

    @classmethod
    def kernel(
        cls,
        *,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        last: str | None = None,
    ) -> "StreamPorts":
        """Those of a kernel of ours: widths in bits by the names of its streams."""

        def side(widths: Mapping[str, int], direction: Direction) -> tuple[StreamPort, ...]:
            return tuple(
                StreamPort(
                    name=name if len(widths) > 1 else direction.value,
                    signals=Stream.port(name, direction),
                    width_bits=bits,
                    last=last if direction is Direction.OUTPUT else None,
                )
                for name, bits in widths.items()
            )

        return cls(inputs=side(inputs, Direction.INPUT), outputs=side(outputs, Direction.OUTPUT))

    @classmethod
    def axi(cls, *, in_bits: int, out_bits: int) -> "StreamPorts":
        """The AXI4-Stream ports of `bnnedge_core`."""
        return cls(
            inputs=(StreamPort(name="input", signals=Stream.axis("s_axis"), width_bits=in_bits),),
            outputs=(
                StreamPort(
                    name="output",
                    signals=Stream.axis("m_axis"),
                    width_bits=out_bits,
                    last="m_axis_tlast",
                ),
            ),
            identity="id_o",
        )

    @property
    def macros(self) -> dict[str, str]:
        """What harness/stream.cpp knows them by."""
        macros = {
            "BNNEDGE_CLOCK": self.clock,
            "BNNEDGE_RESET": self.reset,
            "BNNEDGE_INPUTS": " ".join(f"INPUT({_names(port)})" for port in self.inputs),
            "BNNEDGE_OUTPUTS": " ".join(
                f"OUTPUT({_names(port)}, {f'&m.{port.last}' if port.last else 'nullptr'})"
                for port in self.outputs
            ),
            "BNNEDGE_TIED": " ".join(f"TIED({name})" for name in self.tied),
        }
        return macros | ({"BNNEDGE_IDENTITY": self.identity} if self.identity else {})


def _names(port: StreamPort) -> str:
    signals = port.signals
    names = (port.name, signals.valid, signals.ready, signals.data)
    return f"{', '.join(names)}, {port.width_bits or 0}"
