"""The hardware handoff (.hwh) of a design in the model: what PYNQ's parser reads of Vivado's.

Elements and attributes are those of a file that Vivado 2020.2 wrote; vivado_facts.json has where.
"""

from typing import TYPE_CHECKING
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from tests.synthesis.vivado_ips import AXI, AXIS, Cell, Interface

if TYPE_CHECKING:
    from tests.synthesis.vivado_model import VivadoModel

_SIGNALS = {"clock": "clk", "reset": "rst", "reset_high": "rst", "reset_any": "rst"}
_VLNV = {
    AXI: "xilinx.com:interface:aximm:1.0",
    AXIS: "xilinx.com:interface:axis:1.0",
    "ddrx": "xilinx.com:interface:ddrx:1.0",
    "fixedio": "xilinx.com:display_processing_system7:fixedio:1.0",
}
_PROCESSING_SYSTEMS = ("processing_system7", "zynq_ultra_ps_e")


def handoff(model: "VivadoModel") -> str:
    """The text of the file."""
    root = Element("EDKSYSTEM", EDWVERSION="1.2", VIVADOVERSION="2022.2")
    architecture = "zynq" if model.cells["ps"].vlnv.split(":")[2] == "processing_system7" else "psu"
    SubElement(root, "SYSTEMINFO", ARCH=architecture, NAME="bnnedge")
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    for name, cell in sorted(model.cells.items()):
        _add_module(modules, name, cell, model)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _add_module(modules: Element, name: str, cell: Cell, model: "VivadoModel") -> None:
    kind, version = cell.vlnv.split(":")[2:]
    module = SubElement(
        modules,
        "MODULE",
        FULLNAME=f"/{name}",
        HWVERSION=version,
        INSTANCE=name,
        IPTYPE="PERIPHERAL",
        IS_ENABLE="1",
        MODCLASS="PERIPHERAL",
        MODTYPE=kind,
        VLNV=cell.vlnv,
    )
    if kind in _PROCESSING_SYSTEMS:
        module.set("IS_PL", "FALSE")
    parameters = SubElement(module, "PARAMETERS")
    for key, value in _parameters(cell).items():
        SubElement(parameters, "PARAMETER", NAME=key, VALUE=value)
    ports = SubElement(module, "PORTS")
    for pin_name, pin in cell.pins.items():
        direction = "O" if pin.out else "I"
        port = SubElement(ports, "PORT", DIR=direction, NAME=pin_name)
        port.set("SIGIS", _SIGNALS.get(pin.kind, "undef"))
        driver = model.driver(f"{name}/{pin_name}")
        if driver:
            port.set("SIGNAME", driver.replace("/", "_"))
        if pin.kind == "clock":
            port.set("CLKFREQUENCY", str(model.clock_hz(f"{name}/{pin_name}")))
    interfaces = SubElement(module, "BUSINTERFACES")
    for interface_name, interface in cell.interfaces.items():
        _add_interface(interfaces, f"{name}/{interface_name}", interface, model)
    ranges = SubElement(module, "MEMORYMAP")
    for interface_name, interface in cell.interfaces.items():
        if interface.space:
            _add_ranges(ranges, name, interface_name, interface, model)


def _parameters(cell: Cell) -> dict[str, str]:
    """The properties that the user sets, and what Vivado makes of the clock."""
    values = {key: value for key, value in cell.values.items() if "." not in key}
    if cell.ip.clock is not None:
        values |= cell.ip.clock.described(cell.values)
    return values


def _add_interface(
    interfaces: Element, name: str, interface: Interface, model: "VivadoModel"
) -> None:
    peer = model.peer(name)
    bus = name if interface.master else peer
    element = SubElement(
        interfaces,
        "BUSINTERFACE",
        BUSNAME=bus.replace("/", "_") if bus else "__NOC__",
        NAME=name.partition("/")[2],
        VLNV=_VLNV[interface.kind],
    )
    memory = interface.kind == AXI
    roles = ("MASTER", "SLAVE") if memory else ("INITIATOR", "TARGET")
    element.set("TYPE", roles[0] if interface.master else roles[1])
    if interface.bits:
        element.set("DATAWIDTH", str(interface.bits))
    SubElement(element, "PORTMAPS")


def _add_ranges(
    ranges: Element, cell: str, name: str, interface: Interface, model: "VivadoModel"
) -> None:
    for (space, segment), (offset, bytes_) in model.assigned.items():
        if space != f"{cell}/{interface.space}":
            continue
        slave, port, block = segment.split("/")
        memory = model.cells[slave].vlnv.split(":")[2] in _PROCESSING_SYSTEMS
        SubElement(
            ranges,
            "MEMRANGE",
            ADDRESSBLOCK=block,
            BASENAME="C_BASEADDR",
            BASEVALUE=f"0x{offset:08X}",
            HIGHNAME="C_HIGHADDR",
            HIGHVALUE=f"0x{offset + bytes_ - 1:08X}",
            INSTANCE=slave,
            IS_DATA="TRUE",
            IS_INSTRUCTION="TRUE",
            MASTERBUSINTERFACE=name,
            MEMTYPE="MEMORY" if memory else "REGISTER",
            SLAVEBUSINTERFACE=port,
        )
