"""Lookup tables of five to seven inputs: read back with multiplexers, and every change is seen."""

import collections
import dataclasses
import itertools
import random
from collections.abc import Iterator
from typing import Any

import pytest

from bnnedge.errors import MismatchError
from bnnedge.readback.equivalence import require_equivalent
from bnnedge.readback.expected import placed_netlist
from bnnedge.readback.verilog import verilog_text
from tests.readback.mutations import (
    Placed,
    cell,
    document,
    lut,
    mutants,
    place,
    register,
    without_effect,
)

CHANGES = 60
CLOCK, RX, FIVE, SIX, SEVEN, KEPT = 2, 3, 4, 5, 6, 7
ADDRESS = (RX, *range(10, 16))
PORTS: dict[str, tuple[str, list[int | str]]] = {
    "clk_25mhz": ("input", [CLOCK]),
    "ftdi_txd": ("input", [RX]),
    "ftdi_rxd": ("output", [KEPT]),
    "wifi_gpio0": ("output", ["1"]),
    "led": ("output", [FIVE, SIX, "0"]),
}
_CHOOSES = {4: ("PFUMX", "BLUT", "ALUT", "C0"), 5: ("L6MUX21", "D0", "D1", "SD")}


def table(name: str, inputs: int, out: int, nets: Iterator[int]) -> dict[str, Any]:
    """A random table of the first bits of the address, as Yosys maps it."""
    chance = random.Random(name)
    if inputs == 4:
        return {
            name: lut(chance.getrandbits(16), **dict(zip("ABCD", ADDRESS, strict=False)), Z=out)
        }
    kind, *data, chooses = _CHOOSES[min(inputs - 1, 5)]
    halves = [next(nets), next(nets)]
    pins = dict(zip(data, halves, strict=True)) | {chooses: ADDRESS[inputs - 1], "Z": out}
    below = [table(f"{name}_{half}", inputs - 1, net, nets) for half, net in enumerate(halves)]
    return {f"{name}": cell(kind, "Z", {}, **pins)} | below[0] | below[1]


def wide() -> dict[str, Any]:
    nets = itertools.count(20)
    shifted = {
        f"address_{bit}": register(CLOCK, *ADDRESS[bit - 1 : bit + 1])
        for bit in range(1, len(ADDRESS))
    }
    found = {"five": FIVE, "six": SIX, "seven": SEVEN}
    tables = [table(name, bits, net, nets) for bits, (name, net) in enumerate(found.items(), 5)]
    return shifted | tables[0] | tables[1] | tables[2] | {"kept": register(CLOCK, SEVEN, KEPT)}


CELLS = wide()


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Placed:
    return place(document(CELLS, PORTS), tmp_path_factory.mktemp("placed"))


def test_wide_tables_are_read_back(placed: Placed) -> None:
    counts = placed.compare()
    assert counts["functions of lookup tables"] == 2 + 4 + 8
    assert counts["multiplexers of lookup tables"] == 1 + 3 + 7
    text = verilog_text(placed.read(placed.configuration).netlist, "top")
    assert (text.count("PFUMX"), text.count("L6MUX21")) == (1 + 2 + 4, 1 + 3)


def test_they_are_equal_wherever_they_are_placed(placed: Placed) -> None:
    netlist = placed.read(placed.configuration).netlist
    anywhere = placed_netlist(placed.synthesised, None).netlist
    assert require_equivalent(netlist, anywhere)["cells L6MUX21"] == 4


@pytest.mark.parametrize("name", [name for name in CELLS if CELLS[name]["type"] == "LUT4"])
def test_every_bit_of_every_table_is_compared(name: str, placed: Placed) -> None:
    tile, part = placed.site(name)
    setting = f"{part}.INIT"
    word = placed.configuration.tiles[tile].words[setting]
    bit = random.Random(name).randrange(16)
    flipped = word[:bit] + str(1 - int(word[bit])) + word[bit + 1 :]
    changed = placed.with_setting(tile, "word", setting, flipped)
    with pytest.raises(MismatchError, match=f"{name} at .*{part} computes another Z"):
        placed.compare(changed)
    netlist = placed.read(changed).netlist
    with pytest.raises(MismatchError):
        require_equivalent(netlist, placed_netlist(placed.synthesised, None).netlist)


@pytest.mark.parametrize(
    "name", [name for name in CELLS if CELLS[name]["type"] not in ("LUT4", "TRELLIS_FF")]
)
def test_another_net_at_a_multiplexer_is_seen(name: str, placed: Placed) -> None:
    pins = CELLS[name]["connections"]
    first, second, chooses = (pin for pin in pins if pin != "Z")
    swapped = {**pins, first: pins[second], second: pins[first]}
    other = {**pins, chooses: [ADDRESS[0]]}
    for changed in (swapped, other):
        cells = {**CELLS, name: {**CELLS[name], "connections": changed}}
        beside = dataclasses.replace(placed, synthesised=document(cells, PORTS))
        with pytest.raises(MismatchError, match="bitstream differs from the netlist"):
            beside.compare()


def test_random_changes_are_seen_or_without_effect(placed: Placed) -> None:
    sound = placed.read(placed.configuration).netlist
    found: collections.Counter[str] = collections.Counter()
    for what, changed in itertools.islice(mutants(placed, seed=3), CHANGES):
        if placed.fault(changed) is None:
            assert without_effect(sound, placed.read(changed).netlist), what
            found["without effect"] += 1
        else:
            found["seen"] += 1
    assert found["seen"] > CHANGES // 2
