"""What Vivado's catalog knows: parts, and the IPs that the block design uses.

Pins and parameters of our IP are read from its Verilog by Yosys. Those of vendors' IPs are tables,
from PG021 (AXI DMA), PG247 (SmartConnect), PG164 (reset), PG082 and UG585 (Zynq-7000), PG201 and
UG1085 (Zynq UltraScale+).
"""

import functools
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnnedge import tools


class VivadoError(Exception):
    """What Vivado would report as an error."""


PARTS = {
    "xc7z020clg400-1",
    "xczu7ev-ffvc1156-2-e",
    "xck26-sfvc784-2LV-c",
    "xczu3eg-sbva484-1-i",
    "xczu3eg-sfvc784-2-e",
}
AXI, AXIS = "aximm", "axis"
_LITE = [
    *("awaddr", "awprot", "awvalid", "awready", "wdata", "wstrb", "wvalid", "wready"),
    *("bresp", "bvalid", "bready"),
    *("araddr", "arprot", "arvalid", "arready", "rdata", "rresp", "rvalid", "rready"),
]
_STREAM = ["tdata", "tkeep", "tvalid", "tready", "tlast"]


@dataclass(kw_only=True)
class Pin:
    """A pin: `kind` is "clock", "reset" (active low), "reset_high" or "data"."""

    out: bool
    kind: str
    required: bool = True


@dataclass(kw_only=True)
class Interface:
    """An interface pin or port.

    Attributes:
        kind: AXI, AXIS, or another interface's name.
        master: whether it begins transfers.
        bits: of its data.
        clock: pin that it runs on.
        signals: of a stream.
        segments: name → (base, bytes) of what an AXI slave offers; base None: anywhere.
        space: address space of an AXI master.
        aperture: first address of an AXI master, and the first behind its last.
        through: interfaces of the same cell that an AXI slave passes on to.
    """

    kind: str
    master: bool
    bits: int = 0
    clock: str = ""
    signals: frozenset[str] = frozenset(_STREAM)
    segments: dict[str, tuple[int | None, int]] = field(default_factory=dict)
    space: str = ""
    aperture: tuple[int, int] = (0, 1 << 32)
    through: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Ip:
    """A kind of cell: its properties with what they may be, and what it looks like with them."""

    properties: dict[str, Callable[[str], bool]]
    defaults: dict[str, str]
    shape: Callable[[dict[str, str]], tuple[dict[str, Pin], dict[str, Interface]]]
    check: Callable[[dict[str, str]], None] = lambda values: None
    parts: str = "*"


def _among(*values: Any) -> Callable[[str], bool]:
    return lambda text: text in {str(value) for value in values}


def _within(low: float, high: float) -> Callable[[str], bool]:
    return lambda text: low <= float(text) <= high


def _clock(*, out: bool = False) -> Pin:
    return Pin(out=out, kind="clock")


def _reset(*, out: bool = False) -> Pin:
    return Pin(out=out, kind="reset")


_FLAG = _among(0, 1)
_MM_WIDTHS = _among(*(1 << n for n in range(5, 11)))
_STREAM_WIDTHS = _among(*(1 << n for n in range(3, 11)))
_BURSTS = _among(*(1 << n for n in range(1, 9)))
_SOURCE = _among("USER", "PROPAGATED")


def _ps7(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
    pins, interfaces = (
        {},
        {
            "DDR": Interface(kind="ddrx", master=True),
            "FIXED_IO": Interface(kind="fixedio", master=True),
        },
    )
    if values["PCW_FPGA_FCLK0_ENABLE"] == "1":
        pins |= {"FCLK_CLK0": _clock(out=True), "FCLK_RESET0_N": _reset(out=True)}
    if values["PCW_USE_M_AXI_GP0"] == "1":
        pins["M_AXI_GP0_ACLK"] = _clock()
        interfaces["M_AXI_GP0"] = Interface(
            kind=AXI, master=True, bits=32, clock="M_AXI_GP0_ACLK", space="Data",
            aperture=(0x40000000, 0x80000000),
        )  # fmt: skip
    if values["PCW_USE_S_AXI_HP0"] == "1":
        pins["S_AXI_HP0_ACLK"] = _clock()
        interfaces["S_AXI_HP0"] = Interface(
            kind=AXI, master=False, bits=int(values["PCW_S_AXI_HP0_DATA_WIDTH"]),
            clock="S_AXI_HP0_ACLK", segments={"S_AXI_HP0/HP0_DDR_LOWOCM": (0, 1 << 30)},
        )  # fmt: skip
    return pins, interfaces


def _psu(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
    pins: dict[str, Pin] = {}
    interfaces: dict[str, Interface] = {}
    if values["PSU__FPGA_PL0_ENABLE"] == "1":
        pins |= {"pl_clk0": _clock(out=True), "pl_resetn0": _reset(out=True)}
    masters = {"GP0": ("hpm0_fpd", 0xA0000000), "GP1": ("hpm1_fpd", 0xB0000000)}
    masters["GP2"] = ("hpm0_lpd", 0x80000000)
    for port, (name, base) in masters.items():
        if values[f"PSU__USE__M_AXI_{port}"] == "1":
            pins[f"maxi{name}_aclk"] = _clock()
            interfaces[f"M_AXI_{name.upper()}"] = Interface(
                kind=AXI, master=True, bits=128, clock=f"maxi{name}_aclk", space="Data",
                aperture=(base, base + (1 << 28)),
            )  # fmt: skip
    if values["PSU__USE__S_AXI_GP2"] == "1":
        pins["saxihp0_fpd_aclk"] = _clock()
        interfaces["S_AXI_HP0_FPD"] = Interface(
            kind=AXI, master=False, bits=int(values["PSU__SAXIGP2__DATA_WIDTH"]),
            clock="saxihp0_fpd_aclk",
            segments={
                "SAXIGP2/HP0_DDR_LOW": (0, 1 << 31),
                "SAXIGP2/HP0_QSPI": (0xC0000000, 1 << 29),
                "SAXIGP2/HP0_LPS_OCM": (0xFF000000, 1 << 24),
            },
        )  # fmt: skip
    return pins, interfaces


def _dma(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
    pins = {"s_axi_lite_aclk": _clock(), "axi_resetn": _reset()}
    interfaces = {
        "S_AXI_LITE": Interface(
            kind=AXI, master=False, bits=32, clock="s_axi_lite_aclk",
            segments={"S_AXI_LITE/Reg": (None, 1 << 16)},
        )
    }  # fmt: skip
    if values["c_include_sg"] == "1":
        pins["m_axi_sg_aclk"] = _clock()
        interfaces["M_AXI_SG"] = Interface(
            kind=AXI, master=True, bits=32, clock="m_axi_sg_aclk", space="Data_SG"
        )
    for channel, stream, master in (("mm2s", "M_AXIS_MM2S", True), ("s2mm", "S_AXIS_S2MM", False)):
        if values[f"c_include_{channel}"] == "1":
            pins[f"m_axi_{channel}_aclk"] = _clock()
            pins[f"{channel}_introut"] = Pin(out=True, kind="data")
            interfaces[f"M_AXI_{channel.upper()}"] = Interface(
                kind=AXI, master=True, bits=int(values[f"c_m_axi_{channel}_data_width"]),
                clock=f"m_axi_{channel}_aclk", space=f"Data_{channel.upper()}",
            )  # fmt: skip
            width = f"c_{'m' if master else 's'}_axis_{channel}_tdata_width"
            interfaces[stream] = Interface(
                kind=AXIS, master=master, bits=int(values[width]), clock=f"m_axi_{channel}_aclk"
            )
    return pins, interfaces


def _check_dma(values: dict[str, str]) -> None:
    for channel, side in (("mm2s", "m"), ("s2mm", "s")):
        memory = int(values[f"c_m_axi_{channel}_data_width"])
        stream = int(values[f"c_{side}_axis_{channel}_tdata_width"])
        if stream > memory:
            raise VivadoError(f"axi_dma: {channel} stream of {stream} bits, memory of {memory}")
        if memory // 8 * int(values[f"c_{channel}_burst_size"]) > 4096:
            raise VivadoError(f"axi_dma: {channel} bursts cross 4 KiB")
        if side == "s":
            for width in (f"c_m_axi_{channel}_data_width", f"c_s_axis_{channel}_tdata_width"):
                if values[f"{width}.VALUE_SRC"] != "USER":
                    raise VivadoError(f"axi_dma: {width} is propagated, not the user's")


def _smartconnect(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
    slaves = [f"S{n:02}_AXI" for n in range(int(values["NUM_SI"]))]
    masters = [f"M{n:02}_AXI" for n in range(int(values["NUM_MI"]))]
    interfaces = {
        name: Interface(kind=AXI, master=False, clock="aclk", through=tuple(masters))
        for name in slaves
    }
    interfaces |= {name: Interface(kind=AXI, master=True, clock="aclk") for name in masters}
    return {"aclk": _clock(), "aresetn": _reset()}, interfaces


def _reset_block(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
    kind = "reset_high" if values["C_EXT_RESET_HIGH"] == "1" else "reset"
    return {
        "slowest_sync_clk": _clock(),
        "ext_reset_in": Pin(out=False, kind=kind),
        "dcm_locked": Pin(out=False, kind="data", required=False),
        "interconnect_aresetn": _reset(out=True),
        "peripheral_aresetn": _reset(out=True),
        "peripheral_reset": Pin(out=True, kind="reset_high"),
    }, {}


VENDOR_IPS = {
    "xilinx.com:ip:processing_system7:5.5": Ip(
        parts="xc7z*",
        shape=_ps7,
        properties={
            "PCW_CRYSTAL_PERIPHERAL_FREQMHZ": _within(30, 60),
            "PCW_FPGA_FCLK0_ENABLE": _FLAG,
            "PCW_FPGA0_PERIPHERAL_FREQMHZ": _within(0.1, 250),
            "PCW_USE_M_AXI_GP0": _FLAG,
            "PCW_USE_S_AXI_HP0": _FLAG,
            "PCW_S_AXI_HP0_DATA_WIDTH": _among(32, 64),
        },
        defaults={
            "PCW_CRYSTAL_PERIPHERAL_FREQMHZ": "33.333333",
            "PCW_FPGA_FCLK0_ENABLE": "1",
            "PCW_FPGA0_PERIPHERAL_FREQMHZ": "50",
            "PCW_USE_M_AXI_GP0": "1",
            "PCW_USE_S_AXI_HP0": "0",
            "PCW_S_AXI_HP0_DATA_WIDTH": "64",
        },
    ),
    "xilinx.com:ip:zynq_ultra_ps_e:3.5": Ip(
        parts="xc[zk]*",
        shape=_psu,
        properties={
            "PSU__PSS_REF_CLK__FREQMHZ": _within(27, 60),
            "PSU__FPGA_PL0_ENABLE": _FLAG,
            "PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": _among("IOPLL", "RPLL", "DPLL"),
            "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": _within(0, 400),
            "PSU__USE__M_AXI_GP0": _FLAG,
            "PSU__USE__M_AXI_GP1": _FLAG,
            "PSU__USE__M_AXI_GP2": _FLAG,
            "PSU__USE__S_AXI_GP2": _FLAG,
            "PSU__SAXIGP2__DATA_WIDTH": _among(32, 64, 128),
        },
        defaults={
            "PSU__PSS_REF_CLK__FREQMHZ": "33.333",
            "PSU__FPGA_PL0_ENABLE": "1",
            "PSU__CRL_APB__PL0_REF_CTRL__SRCSEL": "IOPLL",
            "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": "100",
            "PSU__USE__M_AXI_GP0": "1",
            "PSU__USE__M_AXI_GP1": "1",
            "PSU__USE__M_AXI_GP2": "0",
            "PSU__USE__S_AXI_GP2": "0",
            "PSU__SAXIGP2__DATA_WIDTH": "128",
        },
    ),
    "xilinx.com:ip:axi_dma:7.1": Ip(
        shape=_dma,
        check=_check_dma,
        properties={
            "c_include_sg": _FLAG,
            "c_sg_include_stscntrl_strm": _FLAG,
            "c_sg_length_width": _within(8, 26),
            "c_addr_width": _within(32, 64),
            "c_include_mm2s": _FLAG,
            "c_m_axi_mm2s_data_width": _MM_WIDTHS,
            "c_m_axis_mm2s_tdata_width": _STREAM_WIDTHS,
            "c_mm2s_burst_size": _BURSTS,
            "c_include_s2mm": _FLAG,
            "c_m_axi_s2mm_data_width": _MM_WIDTHS,
            "c_m_axi_s2mm_data_width.VALUE_SRC": _SOURCE,
            "c_s_axis_s2mm_tdata_width": _STREAM_WIDTHS,
            "c_s_axis_s2mm_tdata_width.VALUE_SRC": _SOURCE,
            "c_s2mm_burst_size": _BURSTS,
        },
        defaults={
            "c_include_sg": "1",
            "c_sg_include_stscntrl_strm": "1",
            "c_sg_length_width": "14",
            "c_addr_width": "32",
            "c_include_mm2s": "1",
            "c_m_axi_mm2s_data_width": "32",
            "c_m_axis_mm2s_tdata_width": "32",
            "c_mm2s_burst_size": "16",
            "c_include_s2mm": "1",
            "c_m_axi_s2mm_data_width": "32",
            "c_m_axi_s2mm_data_width.VALUE_SRC": "PROPAGATED",
            "c_s_axis_s2mm_tdata_width": "32",
            "c_s_axis_s2mm_tdata_width.VALUE_SRC": "PROPAGATED",
            "c_s2mm_burst_size": "16",
        },
    ),
    "xilinx.com:ip:smartconnect:1.0": Ip(
        shape=_smartconnect,
        properties={"NUM_SI": _among(*range(1, 17)), "NUM_MI": _among(*range(1, 17))},
        defaults={"NUM_SI": "2", "NUM_MI": "1"},
    ),
    "xilinx.com:ip:proc_sys_reset:5.0": Ip(
        shape=_reset_block,
        properties={"C_EXT_RESET_HIGH": _FLAG},
        defaults={"C_EXT_RESET_HIGH": "1"},
    ),
}


@functools.cache
def verilog_ports(
    text: str, parameters: tuple[tuple[str, int], ...]
) -> dict[str, tuple[bool, int]]:
    """Output? and width of every port of the module in `text`, elaborated by Yosys."""
    chosen = "".join(f" -chparam {name} {value}" for name, value in parameters)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "top.v").write_text(text)
        (folder / "run.ys").write_text(
            "read_verilog -defer top.v\n"
            f"hierarchy -top bnnedge_axi{chosen}\nproc\nwrite_json ports.json\n"
        )
        tools.run(
            [tools.find("yosys"), "-q", "-s", "run.ys"],
            cwd=folder, log=folder / "log", timeout_s=60,
        )  # fmt: skip
        modules = json.loads((folder / "ports.json").read_text())["modules"]
    (top,) = (m for m in modules.values() if "top" in m["attributes"])
    return {
        name: (port["direction"] == "output", len(port["bits"]))
        for name, port in top["ports"].items()
    }


def own_ip(text: str, clocks: dict[str, str]) -> Ip:
    """The IP that the packager makes of `bnnedge_axi`; `clocks`: by interface."""
    declared = re.findall(r"parameter\s+(?:integer\s+|\[31:0\]\s*)(\w+)\s*=", text)

    def shape(values: dict[str, str]) -> tuple[dict[str, Pin], dict[str, Interface]]:
        given = tuple((name, int(value, 0)) for name, value in values.items() if value)
        ports = verilog_ports(text, given)
        interfaces = {}
        for prefix, signals in (("s_axi", _LITE), ("s_axis", _STREAM), ("m_axis", _STREAM)):
            own = {
                p.removeprefix(f"{prefix}_"): v
                for p, v in ports.items()
                if p.startswith(f"{prefix}_")
            }
            if unknown := set(own) - set(signals):
                raise VivadoError(f"bnnedge_axi: {prefix} has no signal {sorted(unknown)[0]}")
            ports = {p: v for p, v in ports.items() if not p.startswith(f"{prefix}_")}
            if prefix == "s_axi":
                if missing := set(signals) - set(own):
                    raise VivadoError(f"bnnedge_axi: s_axi has no {sorted(missing)[0]}")
                interfaces[prefix] = Interface(
                    kind=AXI, master=False, bits=own["wdata"][1], clock=clocks[prefix],
                    segments={"s_axi/reg0": (None, 1 << own["awaddr"][1])},
                )  # fmt: skip
                continue
            if "tkeep" in own and own["tkeep"][1] * 8 != own["tdata"][1]:
                raise VivadoError(f"bnnedge_axi: {prefix} TKEEP does not fit TDATA")
            interfaces[prefix] = Interface(
                kind=AXIS, master=own["tvalid"][0], bits=own["tdata"][1], clock=clocks[prefix],
                signals=frozenset(own),
            )  # fmt: skip
        kinds = {"aclk": _clock(), "aresetn": _reset()}
        if set(ports) != set(kinds):
            raise VivadoError(f"bnnedge_axi: wanted ports aclk and aresetn, got {sorted(ports)}")
        return kinds, interfaces

    return Ip(
        properties={name: lambda text: int(text, 0) >= 0 for name in declared},
        defaults=dict.fromkeys(declared, ""),
        shape=shape,
    )


@dataclass(kw_only=True)
class Cell:
    """An instance in the block design."""

    ip: Ip
    values: dict[str, str]

    @property
    def pins(self) -> dict[str, Pin]:
        """By name, with the properties as they are now."""
        return self.ip.shape(self.values)[0]

    @property
    def interfaces(self) -> dict[str, Interface]:
        """By name, with the properties as they are now."""
        return self.ip.shape(self.values)[1]
