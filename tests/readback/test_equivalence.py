"""Netlists that were read back: equal wherever they are placed, and every change is seen."""

import dataclasses

import pytest

from bnnedge.errors import MismatchError, SynthesisError
from bnnedge.readback.equivalence import require_equivalent
from bnnedge.readback.expected import Placed
from bnnedge.readback.netlist import Cell, Net, Netlist, Signal
from bnnedge.readback.structure import Comparison
from bnnedge.readback.trellis import read_configuration


def toggle(
    place: str, *, init: int = 0x6666, reset: str = "RESET", swapped: bool = False
) -> Netlist:
    """A flip-flop that toggles where its input is 1."""
    lut, register = f"{place}.K0", f"{place}.FF0"
    pins: dict[str, Signal] = {"A": Net("pad", "O"), "B": Net(register, "Q"), "C": True, "D": True}
    if swapped:
        pins["A"], pins["B"] = pins["B"], pins["A"]
    wires: dict[str, Signal] = {
        "DI": Net(lut, "Z"),
        "CE": True,
        "LSR": False,
        "CLK": Net("pad", "O"),
    }
    return Netlist(
        cells={
            lut: Cell(kind="LUT4", parameters={"INIT": init}, inputs=pins, outputs=("Z",)),
            register: Cell(
                kind="TRELLIS_FF", parameters={"REGSET": reset}, inputs=wires, outputs=("Q",)
            ),
        },
        inputs={"in": Net("pad", "O")},
        outputs={"out": Net(register, "Q")},
    )


def test_place_and_order_of_pins_do_not_matter() -> None:
    found = require_equivalent(toggle("X1", swapped=True), toggle("X9"))
    assert (found["cells LUT4"], found["cells TRELLIS_FF"], found["pins"]) == (1, 1, 2)


@pytest.mark.parametrize("bit", range(16))
def test_a_changed_bit_of_a_table_is_seen_where_it_can_be(bit: int) -> None:
    changed = toggle("X1", init=0x6666 ^ 1 << bit)
    if bit < 12:  # C and D are 1
        assert require_equivalent(changed, toggle("X9"))["pins"] == 2
    else:
        with pytest.raises(MismatchError, match=r"X1\.FF0, a TRELLIS_FF, has no equal"):
            require_equivalent(changed, toggle("X9"))


def test_another_first_value_is_seen() -> None:
    with pytest.raises(MismatchError, match="has no equal"):
        require_equivalent(toggle("X1", reset="SET"), toggle("X1"))


def test_an_inverted_pin_is_seen() -> None:
    one = toggle("X1")
    other = dataclasses.replace(one, outputs={"out": Net("X1.FF0", "Q", inverted=True)})
    with pytest.raises(MismatchError, match="pin out"):
        require_equivalent(other, one)


def test_a_register_that_the_netlist_has_not_is_seen_where_it_is_read() -> None:
    one = toggle("X1")
    register = one.cells["X1.FF0"]
    reads = dataclasses.replace(register, inputs={**register.inputs, "DI": Net("X9.FF0", "Q")})
    found = dataclasses.replace(one, cells={**one.cells, "X1.FF0": reads, "X9.FF0": register})
    with pytest.raises(MismatchError, match=r"X9\.FF0 is a TRELLIS_FF that the netlist has not"):
        Comparison(found, Placed(netlist=one, names={})).run()
    assert Comparison(one, Placed(netlist=one, names={})).run()["flip-flops"] == 1


def test_a_line_that_is_not_understood_is_refused() -> None:
    with pytest.raises(SynthesisError, match="line 2 of its text: enam: A B"):
        read_configuration(".tile R1C1:PLC2\nenam: A B\n")
