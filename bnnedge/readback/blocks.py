"""Block RAMs and the PLL: cells whose settings lie in several tiles."""

from collections.abc import Mapping, Sequence

from bnnedge.errors import SynthesisError
from bnnedge.readback.fabric import Fabric
from bnnedge.readback.netlist import Cell, Signal, inverted, used_address
from bnnedge.readback.reader import Reader

_PINS = (
    *(f"{bus}{bit}" for bus, bits in (("ADA", 14), ("DIA", 18)) for bit in range(bits)),
    *(f"{bus}{bit}" for bus, bits in (("ADB", 14), ("DIB", 18)) for bit in range(bits)),
    *(f"{pin}{port}" for port in "AB" for pin in ("CE", "OCE", "CLK", "WE", "RST")),
    *(f"CS{port}{bit}" for port in "AB" for bit in range(3)),
)
_OUTPUTS = tuple(f"DO{port}{bit}" for port in "AB" for bit in range(18))
_INVERTIBLE = [f"{pin}{port}" for port in "AB" for pin in ("CE", "OCE", "CLK", "WE", "RST")]
_OF_BOTH = ("REGMODE_A", "REGMODE_B", "RESETMODE", "ASYNC_RESET_RELEASE", "GSR")
_DUAL = ("DP16KD.DATA_WIDTH_A", "DP16KD.DATA_WIDTH_B", "DP16KD.WRITEMODE_A", "DP16KD.WRITEMODE_B")
_SIMPLE = ("PDPW16KD.DATA_WIDTH_R",)
_LEFT_OPEN = ("ADA4", "WEA", "WEB")  # in mode PDPW16KD, where they have no effect
_WORDS = 1024  # of 18 bits
_WIDE = 36


def read_block(reader: Reader, site: str, row: int, column: int) -> Cell:
    """A block RAM.

    In mode PDPW16KD port A writes 36 bits whenever it is enabled, and port B reads; its write
    enables have no inverters, and the bits of theirs belong to the mode.

    Raises:
        SynthesisError: no settings, or several ones, explain its bits.
    """
    fabric, name = reader.fabric, f"EBR{reader.block(row, column)}"
    tiles = [
        tile
        for right in range(3)
        for tile in fabric.device.tiles.get((row, column + right), ())
        if any(each.startswith(f"{name}.") for each in fabric.device.kind(tile).enums)
    ]
    simple = all(
        "PDPW16KD" in fabric.device.kind(tile).values(f"{name}.MODE", fabric.bits(tile))
        for tile in tiles
        if f"{name}.MODE" in fabric.device.kind(tile).enums
    )
    mode = "PDPW16KD" if simple else "DP16KD"
    muxes = [pin for pin in _INVERTIBLE if not (simple and pin.startswith("WE"))]
    names = (*(_SIMPLE if simple else _DUAL), *_OF_BOTH, *(f"{pin}MUX" for pin in muxes))
    found = {each: _value(fabric, tiles, f"{name}.{each}", site) for each in names}
    _claim_settings(fabric, tiles, name, found | {"MODE": mode})
    pins = [pin for pin in _PINS if not (simple and pin in _LEFT_OPEN)]
    inputs = {pin: reader.signal(row, column, f"J{pin}_EBR") for pin in pins}
    for pin in muxes:
        if found[f"{pin}MUX"] == "INV":
            inputs[pin] = inverted(inputs[pin])
    if simple:
        inputs["WEA"], inputs["WEB"] = True, False
    for port in "AB":
        _require_selected(fabric, tiles, name, port, inputs, site)
    number = int(_word(fabric, tiles, f"{name}.WID")[::-1], 2)
    content = fabric.configuration.memories.get(number, (0,) * (2 * _WORDS))
    if len(content) != 2 * _WORDS:
        raise SynthesisError(f"bitstream: {site}: contents of {len(content)} words")
    if simple:
        widths = {"A": _WIDE, "B": int(found["PDPW16KD.DATA_WIDTH_R"])}
    else:
        widths = {port: int(found[f"DP16KD.DATA_WIDTH_{port}"]) for port in "AB"}
    return Cell(
        kind="DP16KD",
        parameters={
            **{f"DATA_WIDTH_{port}": width for port, width in widths.items()},
            **({} if simple else {f"WRITEMODE_{p}": found[f"DP16KD.WRITEMODE_{p}"] for p in "AB"}),
            **{each: found[each] for each in _OF_BOTH},
            "INIT": tuple(content[2 * n] | content[2 * n + 1] << 9 for n in range(_WORDS)),
            "WID": number,
        },
        inputs=used_address(inputs, widths),
        outputs=_OUTPUTS,
    )


def _value(fabric: Fabric, tiles: Sequence[str], name: str, site: str) -> str:
    """The one value of an enum that explains its bits in all tiles."""
    possible: set[str] | None = None
    default = ""
    for tile in tiles:
        kind = fabric.device.kind(tile)
        if name in kind.enums:
            values = kind.values(name, fabric.bits(tile))
            possible = values if possible is None else possible & values
            default = kind.defaults.get(name, default)
    found = sorted(possible or ())
    if len(found) != 1:
        raise SynthesisError(f"bitstream: {site}: {name} may be {' or '.join(found) or 'nothing'}")
    return found[0]


def _claim_settings(
    fabric: Fabric, tiles: Sequence[str], name: str, found: Mapping[str, str]
) -> None:
    for tile in tiles:
        kind = fabric.device.kind(tile)
        for each, value in found.items():
            if f"{name}.{each}" in kind.enums:
                fabric.claim_bits(tile, kind.bits(("enum", f"{name}.{each}", value)))


def _word(fabric: Fabric, tiles: Sequence[str], name: str) -> str:
    """A word of which each tile has a part: the others' digits are 1 in all but one of them."""
    digits: list[str] | None = None
    for tile in tiles:
        kind = fabric.device.kind(tile)
        if name not in kind.words:
            continue
        text = fabric.word(tile, name)
        own = ["" if not bits else digit for (bits, _), digit in _places(kind.words[name], text)]
        digits = [a or b for a, b in zip(digits or [""] * len(own), own, strict=True)]
    return "".join(reversed(digits or []))


def _places(
    bits: Sequence[tuple[frozenset[str], bool]], text: str
) -> list[tuple[tuple[frozenset[str], bool], str]]:
    return list(zip(bits, reversed(text), strict=True))


def _require_selected(
    fabric: Fabric,
    tiles: Sequence[str],
    name: str,
    port: str,
    inputs: dict[str, Signal],
    site: str,
) -> None:
    """Raise unless the chip selects, which are left out then, are always those that are decoded."""
    decoded = _word(fabric, tiles, f"{name}.CSDECODE_{port}")
    pins = [inputs.pop(f"CS{port}{bit}") for bit in range(3)]
    if [digit == "1" for digit in reversed(decoded)] != pins:
        raise SynthesisError(f"bitstream: {site}: port {port} is not always selected")


_OF_OTHER_OUTPUTS = ("ENCLKOS", "ENCLKOS2", "ENCLKOS3")
_PLL_PINS = (
    *("CLKI", "CLKFB", "RST", "STDBY", "ENCLKOP", "PLLWAKESYNC"),
    *("PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP", "PHASELOADREG"),
    *_OF_OTHER_OUTPUTS,
)
_WITHOUT_J = ("CLKI", "CLKFB")
_LESS_ONE = ("CLKI_DIV", "CLKFB_DIV", "CLKOP_DIV", "CLKOS_DIV", "CLKOS2_DIV", "CLKOS3_DIV")


def read_pll(reader: Reader, site: str, row: int, column: int) -> Cell:
    """The PLL: all its settings by name, those of divisors as they divide."""
    fabric = reader.fabric
    tiles = [
        tile
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        for tile in fabric.device.tiles.get((row + down, column + right), ())
        if any("_DIV" in each for each in fabric.device.kind(tile).words)
    ]
    parameters: dict[str, str | int | tuple[int, ...]] = {}
    for tile in tiles:
        kind = fabric.device.kind(tile)
        parameters |= {each: fabric.enum(tile, each) for each in kind.enums if "." not in each}
    for each in sorted({each for tile in tiles for each in fabric.device.kind(tile).words}):
        if "." not in each:
            parameters[each] = int(_word(fabric, tiles, each), 2) + (each in _LESS_ONE)
    inputs: dict[str, Signal] = {}
    for pin in _PLL_PINS:
        wire = f"{'' if pin in _WITHOUT_J else 'J'}{pin}_PLL"
        inputs[pin] = reader.signal(row, column, wire, open_=pin in _OF_OTHER_OUTPUTS)
    return Cell(kind="EHXPLLL", parameters=parameters, inputs=inputs, outputs=("CLKOP", "LOCK"))
