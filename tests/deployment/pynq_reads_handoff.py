"""Run in an environment that has PYNQ: what its own parser and DMA class make of a .hwh.

Prints JSON. Needs neither a board nor this project.
"""

import json
import sys
from typing import Any

import pynq
from pynq.lib import dma
from pynqmetadata.frontends import Metadata
from pynqmetadata.views.runtime import RuntimeMetadataParser


class Registers:
    """A `pynq.pl_server.Device` whose registers are those of an idle DMA."""

    def has_capability(self, name: str) -> bool:
        return name == "REGISTER_RW"

    def read_registers(self, address: int, length: int) -> bytes:
        return (2).to_bytes(length, "little")

    def write_registers(self, address: int, data: bytes) -> None:
        pass


def main(path: str) -> dict[str, Any]:
    parser = RuntimeMetadataParser(Metadata(input=path))
    described = {name: dict(parser.ip_dict[name]) for name in ("axi_dma_0", "bnnedge_0")}
    opened = dma.DMA({**described["axi_dma_0"], "device": Registers()})
    return {
        "pynq": pynq.__version__,
        "bound": described["axi_dma_0"]["type"] in dma.DMA.bindto,
        "addresses": {
            name: [entry["phys_addr"], entry["addr_range"]] for name, entry in described.items()
        },
        "scatter_gather": opened._sg,
        "most_bytes": opened.buffer_max_size,
        "send_bytes": opened.sendchannel._align,
        "receive_bytes": opened.recvchannel._align,
        "clock": {key: parser.clock_dict[0][key] for key in ("enable", "divisor0", "divisor1")},
    }


print(json.dumps(main(sys.argv[1])))
