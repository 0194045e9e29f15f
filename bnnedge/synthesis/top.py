"""The top module of a board, written from the roles of its pins."""

from collections.abc import Iterator

from bnnedge.design import Design
from bnnedge.families.placed import CLOCK_ROLE, FpgaBoard, Pll
from bnnedge.links import Device
from bnnedge.verilog import Direction, Port, instance, module_text

BOARD_TOP = "board_top"
_LEVELS = {"high": "1", "low": "0"}
# Released 8 clocks after the PLL has locked.
_RESET = """
  logic [7:0] reset_q;
  logic       rst_n;
  assign rst_n = reset_q[7];
  always_ff @(posedge clk or negedge locked) begin
    if (!locked) reset_q <= '0;
    else reset_q <= {reset_q[6:0], 1'b1};
  end"""


def board_top(board: FpgaBoard, pll: Pll, device: Device, design: Design) -> str:
    """SystemVerilog of `board_top`: the oscillator through a PLL, the device, the lights.

    Lights are, in this order: out of reset, then what the link shows; there may be fewer or more
    of them.
    """
    inputs = {CLOCK_ROLE, *(pin for pin, port in device.roles.items() if port.endswith("_i"))}
    return module_text(
        BOARD_TOP,
        [
            Port(
                direction=Direction.INPUT if role in inputs else Direction.OUTPUT,
                name=board.port(role),
                width_bits=len(pins) if len(pins) > 1 else None,
            )
            for role, pins in board.pins.items()
        ],
        [
            "  logic clk, locked;",
            *board.family.pll_lines(pll, board.port(CLOCK_ROLE)),
            _RESET,
            *instance(
                device.top,
                "device",
                {
                    **{"clk_i": "clk", "rst_ni": "rst_n"},
                    **{port: board.port(role) for role, port in device.roles.items()},
                },
                parameters=device.parameters(design),
            ),
            "",
            *_levels(board, device),
        ],
        comment=f"Top of {board.name}: its oscillator through a PLL, {device.top}, its lights.",
    )


def _levels(board: FpgaBoard, device: Device) -> Iterator[str]:
    """What the pins that neither the clock nor the link has are driven with."""
    for role, pins in board.pins.items():
        if role == "led":
            shown = (f"~{board.port(role)}" for role in device.activity)
            lights = ["rst_n", *shown, *("1'b0" for _ in pins)][: len(pins)]
            yield f"  assign {board.port(role)} = {{{', '.join(reversed(lights))}}};"
        elif role in _LEVELS:
            yield f"  assign {board.port(role)} = {{{len(pins)}{{1'b{_LEVELS[role]}}}}};"
