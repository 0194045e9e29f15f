"""A Dataflow at a glance."""

from pathlib import Path
from xml.etree import ElementTree

import bnnedge
from tests.networks import random_mlp, random_residual


def test_a_line_a_node_and_their_sum() -> None:
    assert str(random_mlp((12, 8, 4)).summary()).splitlines() == [
        "layer  node     gives      weights  MACs    kB",
        "mvu0   XnorMvu  8 BIPOLAR       96    96  0.01",
        "mvu1   XnorMvu  4 INT5          32    32  0.00",
        "total                          128   128  0.02",
    ]


def test_convolutions_multiply_for_every_pixel_and_the_rest_has_no_weights() -> None:
    dataflow = random_residual()
    summary, streams = dataflow.summary(), dataflow.streams()
    for row, node in zip(summary.rows, dataflow.nodes, strict=True):
        mvu = next((mvu for mvu in dataflow.mvus if mvu is node), None)
        wanted = 0 if mvu is None else mvu.mh * mvu.mw * streams[node.name].pixels
        assert (row.layer, row.macs) == (node.name, wanted)


def test_what_hardware_takes_is_told_node_by_node(tmp_path: Path) -> None:
    dataflow = random_residual()
    (tmp_path / "dataflow").mkdir()
    dataflow.save(tmp_path / "dataflow")
    facts = bnnedge.rtl(tmp_path / "dataflow", tmp_path / "rtl").facts
    total = dataflow.summary(facts.kernels).total
    assert total.cycles == facts.interval_cycles
    assert total.combs == sum(
        kernel.combs for name, kernel in facts.kernels.items() if name[0].isdigit()
    )


def test_notebooks_show_a_table() -> None:
    dataflow = random_mlp((12, 8, 4))
    table = ElementTree.fromstring(dataflow._repr_html_())
    assert table.tag == "table" and len(table.findall("./tbody/tr")) == 3
    assert [cell.text for cell in table.findall("./thead/tr/th")][:2] == ["layer", "node"]
