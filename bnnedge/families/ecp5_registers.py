"""Registers behind an ECP5's block RAMs, moved into these: a pass over Yosys' netlist.

A DP16KD has a register behind each port's outputs (REGMODE=OUTREG), which Yosys does not use: an
output comes 0.6 ns instead of 5.7 ns after the clock's edge. OCE enables it, whatever CE is. A
port of 36 bits has both ports' outputs and registers, all of them with port B's clock and OCE
(Lattice FPGA-TN-02204, ECP5 memory usage guide; nextpnr makes the same of a PDPW16KD).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_WIDE = 36
# Of a register that an output register can be: nothing resets it, it begins with 0.
_PLAIN = {"REGSET": "RESET", "LSRMUX": "LSR", "CLKMUX": "CLK"}


@dataclass(frozen=True, kw_only=True)
class _Port:
    """Outputs with one clock, and the letters of the ports whose registers they have."""

    outputs: tuple[str, ...]
    letters: str
    clock: str


def move_registers(module: dict[str, Any]) -> int:
    """Move registers into the block RAMs of a flattened module, in place.

    A port's registers move if nothing else reads its outputs, and if all are enabled alike.

    Returns:
        How many registers moved.
    """
    cells = module["cells"]
    readers: dict[int | str, list[tuple[str, str]]] = {}
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input":
                for bit in bits:
                    readers.setdefault(bit, []).append((name, pin))
    shown = {bit for port in module["ports"].values() for bit in port["bits"]}
    moved = 0
    for block in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        pins = block["connections"]
        for port in _ports(block):
            used = [pin for pin in port.outputs if readers.get(pins[pin][0])]
            behind = [readers[pins[pin][0]] for pin in used]
            if any(len(each) != 1 or each[0][1] != "DI" for each in behind):
                continue
            names = [each[0][0] for each in behind]
            enable = _common_enable([cells[name] for name in names], pins[port.clock][0])
            taken = shown.intersection(pins[pin][0] for pin in port.outputs)
            if enable is None or taken or pins[f"RST{port.letters[-1]}"] != ["0"]:
                continue
            for pin, name in zip(used, names, strict=True):
                pins[pin] = cells.pop(name)["connections"]["Q"]
            for letter in port.letters:
                block["parameters"][f"REGMODE_{letter}"] = "OUTREG"
                pins[f"OCE{letter}"] = [enable]
            moved += len(names)
    return moved


def _ports(block: Mapping[str, Any]) -> Iterator[_Port]:
    outputs = {letter: [f"DO{letter}{bit}" for bit in range(18)] for letter in "AB"}
    if int(block["parameters"]["DATA_WIDTH_B"], 2) == _WIDE:
        yield _Port(outputs=(*outputs["A"], *outputs["B"]), letters="AB", clock="CLKB")
    else:
        for letter in "AB":
            yield _Port(outputs=tuple(outputs[letter]), letters=letter, clock=f"CLK{letter}")


def _common_enable(registers: Iterable[Mapping[str, Any]], clock: int | str) -> int | str | None:
    """What enables all of them; None if they differ, or are not what an output register can be."""
    enables = set()
    for cell in registers:
        pins = cell["connections"]
        settings = {name: value.strip() for name, value in cell["parameters"].items()}
        plain = all(settings.get(name, value) == value for name, value in _PLAIN.items())
        if not plain or pins.get("LSR", ["0"]) != ["0"] or pins["CLK"] != [clock]:
            return None
        mux = settings.get("CEMUX", "1")
        enables.add(pins["CE"][0] if mux == "CE" else "1" if mux == "1" else None)
    return enables.pop() if len(enables) == 1 else None
