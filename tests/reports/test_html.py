"""The page as a whole: well-formed, self-contained, repeatable, honest."""

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bnnedge.errors import BnnEdgeError, ConfigError
from bnnedge.findings import Accuracy, Check, Epoch, Mismatch, ReportData, Verdict
from bnnedge.reports import write_report
from bnnedge.reports.html import proof_chain, render

TIMES = "\u00d7"
HOSTILE = "</td><script>alert(1)</script>\"'&\x00 {{ 7 * 7 }} $\\frac \u202e"


def _text(page: str) -> str:
    body = ElementTree.fromstring(page).find("body")
    assert body is not None
    return " ".join("".join(body.itertext()).split())


def _table(page: str, title: str) -> list[list[str]]:
    """The cells of the table under a heading, row by row."""
    (section,) = (s for s in ElementTree.fromstring(page).iter("section") if s[0].text == title)
    return [["".join(cell.itertext()) for cell in row] for row in section.iter("tr")]


def _one_failed(data: ReportData, mismatch: Mismatch) -> ReportData:
    broken = dataclasses.replace(data.checks[3], verdict=Verdict.FAILED, mismatch=mismatch)
    return dataclasses.replace(data, checks=(*data.checks[:3], broken, *data.checks[4:]))


@pytest.mark.smoke
def test_page_is_well_formed_with_unique_ids(full_report: ReportData) -> None:
    root = ElementTree.fromstring(render(full_report))
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))


def test_page_fetches_nothing(full_report: ReportData) -> None:
    page = render(full_report)
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    sources = re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', page)
    assert sources
    assert all((a or b).startswith(("data:", "#")) for a, b in sources)


def test_equal_data_give_equal_bytes(full_report: ReportData, tmp_path: Path) -> None:
    first = write_report(full_report, tmp_path / "a" / "report.html")
    second = write_report(full_report, tmp_path / "b" / "report.html")
    assert first.read_bytes() == second.read_bytes()
    assert [path.name for path in first.parent.iterdir()] == ["report.html"]


def test_hostile_names_are_text(full_report: ReportData, mismatch: Mismatch) -> None:
    data = _one_failed(full_report, dataclasses.replace(mismatch, node=HOSTILE))
    assert data.pipeline is not None and data.accuracy is not None
    first, second, *others = data.pipeline.layers
    layer = dataclasses.replace(first, name=HOSTILE, kernel=HOSTILE)
    link = dataclasses.replace(second.inputs[0], source=HOSTILE, element=HOSTILE)
    layers = (layer, dataclasses.replace(second, inputs=(link,)), *others)
    data = dataclasses.replace(
        data,
        network=HOSTILE,
        dataset=HOSTILE,
        pipeline=dataclasses.replace(data.pipeline, layers=layers),
        fifos=(dataclasses.replace(data.fifos[0], name=HOSTILE, consumer=HOSTILE),),
        accuracy=dataclasses.replace(data.accuracy, classes=(HOSTILE,) * 10),
    )
    page = render(data)
    ElementTree.fromstring(page)
    assert "<script" not in page and "\u202e" not in page
    assert "{{ 7 * 7 }}" in page


def test_every_clock_is_shown_with_its_margins(full_report: ReportData) -> None:
    page = render(full_report)
    rows = [list(row) for row in ElementTree.fromstring(page).iter("tr") if row[0].text == "rx"]
    assert [cell.text for cell in rows[0]] == ["rx", "125", "140.5", None, None]
    assert '<td class="num bad">-12</td><td>a/Q and &lt;b&gt;/DI</td>' in page


def test_all_passed_is_said_with_its_number(full_report: ReportData) -> None:
    text = _text(render(full_report))
    assert "Every check passed: 5 of 5" in text
    assert "failed" not in text
    assert "board: not run here" in text
    assert "not run here: no ULX3S is connected" in text
    assert "64 cycles predicted, 64 measured in simulation, exactly as predicted" in text
    assert "1,562,500 images/s" in text


def test_one_cycle_is_no_cycles(full_report: ReportData) -> None:
    pipeline = dataclasses.replace(
        full_report.pipeline, predicted_interval_cycles=1, measured_interval_cycles=1.0
    )
    text = _text(render(dataclasses.replace(full_report, pipeline=pipeline)))
    assert "MHz ÷ 1 cycle " in text and "1 cycle predicted, 1 measured" in text


def test_fifos_are_told_with_what_was_in_them(full_report: ReportData) -> None:
    page = render(full_report)
    assert _table(page, "What the FIFOs hold") == [
        [
            *("FIFO", "from", "to", "kept in", "width", "first guess", "depth"),
            *("without stalls", "stalls 0.3", "bits"),
        ],
        [
            "mvu1_fifo",
            "mvu0",
            "mvu1",
            "block RAM",
            "8",
            "1,177",
            "1,034",
            "1,033",
            "1,034",
            "8,272",
        ],
        ["mvu2_fifo", "mvu1", "mvu2", "registers", "4", "", "2", "1", "2", "8"],
    ]
    assert "8,280 bits in all" in _text(page)


def test_fifos_that_were_not_simulated_have_a_depth_only(full_report: ReportData) -> None:
    fifo = dataclasses.replace(full_report.fifos[0], high_water=(), first_guess_words=None)
    page = render(dataclasses.replace(full_report, fifos=(fifo,)))
    assert _table(page, "What the FIFOs hold") == [
        ["FIFO", "from", "to", "kept in", "width", "depth", "bits"],
        ["mvu1_fifo", "mvu0", "mvu1", "block RAM", "8", "1,034", "8,272"],
    ]
    assert "Widths in bits, depths in words." in _text(page)


def test_the_network_is_drawn_with_its_bottleneck(full_report: ReportData) -> None:
    page = render(full_report)
    (graph,) = (e for e in ElementTree.fromstring(page).iter("div") if e.get("role") == "img")
    assert graph.get("aria-label") == (
        "TFC as a graph of 3 nodes: mvu0 reads the input; mvu1 reads mvu0; mvu2 reads mvu1;"
        " the host reads mvu2"
    )
    groups = [group for group in graph.iter("g") if "node" in group.get("class", "").split()]
    texts = [[text.text for text in group.iter("text")] for group in groups]
    assert [text[0] for text in texts] == ["Host", "mvu0", "mvu1", "mvu2", "Host"]
    assert texts[1] == [
        *("mvu0", "bottleneck: 64 cycles", "xnor_mvu, thresholds", "64"),
        *(f"64 {TIMES} 256, PE 8 {TIMES} SIMD 32", "16,384 bits kept"),
    ]
    slow = [
        text[0]
        for group, text in zip(groups, texts, strict=True)
        if "slow" in group.get("class", "")
    ]
    assert slow == ["mvu0", "mvu1"]
    labels = [text.text for text in graph.iter("text") if text.get("class") == "small label"]
    assert labels == [
        f"32 bits · 256 {TIMES} BIPOLAR",
        f"8 bits · 64 {TIMES} BIPOLAR",
        f"4 bits · 64 {TIMES} BIPOLAR",
        f"32 bits · 10 {TIMES} INT8",
    ]


def test_failed_check_leads_the_page(full_report: ReportData, mismatch: Mismatch) -> None:
    text = _text(render(_one_failed(full_report, mismatch)))
    assert "1 of 5 checks failed" in text
    assert "Every check passed" not in text
    assert "Dataflow ≠ RTL" in text
    assert "first: mvu1, channel 17, image 42: expected 1, got 0" in text


def test_files_changed_by_hand_are_named_at_the_top(full_report: ReportData) -> None:
    report = dataclasses.replace(full_report, edited=("rtl/mem/mvu0.mem", "rtl/<b>"))
    assert "changed by hand: rtl/mem/mvu0.mem, rtl/<b>" in _text(render(report))


def test_what_was_not_measured_is_absent() -> None:
    text = _text(render(ReportData(network="bare")))
    assert text == "bnnedge build report bare Nothing was checked here"


@pytest.mark.parametrize(
    ("part", "title"),
    [
        ("pipeline", "The network"),
        ("accuracy", "Confusion"),
        ("examples", "Examples"),
        ("streams", "How the streams flowed"),
        ("fifos", "What the FIFOs hold"),
        ("synthesis", "Where the logic goes"),
        ("checks", "What was checked"),
        ("not_run", "Not run here"),
        ("nodes", "What became of the model's nodes"),
        ("board", "BoardULX3S-85F"),
    ],
)
def test_an_absent_part_leaves_the_rest(full_report: ReportData, part: str, title: str) -> None:
    empty = None if part in {"pipeline", "accuracy", "board"} else ()
    without = _text(render(dataclasses.replace(full_report, **{part: empty})))
    assert title not in without
    assert "Make it again" in without


def test_nodes_are_told_with_what_became_of_them(full_report: ReportData) -> None:
    text = _text(render(full_report))
    assert "2 nodes of the graph, in the order of the file" in text
    assert "MatMul_0MatMulbecomes mvu0 <b>Signin the thresholds of mvu0" in text


def test_a_history_without_figures_draws_nothing(full_report: ReportData) -> None:
    accuracy = Accuracy(history=(Epoch(epoch=1, train_loss=float("nan")),))
    page = render(dataclasses.replace(full_report, accuracy=accuracy))
    assert 'class="plot"' not in page


def test_chain_takes_the_worst_verdict_of_a_side() -> None:
    def check(left: str, right: str, verdict: Verdict) -> Check:
        return Check(left=left, right=right, compared="x", verdict=verdict)

    chain = proof_chain(
        (
            check("a", "b", Verdict.PASSED),
            check("b", "c", Verdict.PASSED),
            check("a", "c", Verdict.FAILED),
            check("c", "d", Verdict.NOT_RUN),
        )
    )
    assert [(link.side, link.verdict) for link in chain] == [
        ("a", None),
        ("b", Verdict.PASSED),
        ("c", Verdict.FAILED),
        ("d", Verdict.NOT_RUN),
    ]


def test_parts_that_do_not_fit_are_refused(full_report: ReportData) -> None:
    pipeline = full_report.pipeline
    assert pipeline is not None
    with pytest.raises(ConfigError, match="mvu1 reads mvu0, which does not come before"):
        dataclasses.replace(pipeline, layers=pipeline.layers[1:])
    with pytest.raises(ConfigError, match="the host reads mvu2, which does not come before"):
        dataclasses.replace(pipeline, layers=pipeline.layers[:2])
    with pytest.raises(ConfigError, match="mvu0 reads nothing"):
        first = dataclasses.replace(pipeline.layers[0], inputs=())
        dataclasses.replace(pipeline, layers=(first, *pipeline.layers[1:]))
    with pytest.raises(ConfigError, match="wanted 8 by 8 = 64 pixels, got 3"):
        dataclasses.replace(full_report.examples[0], pixels=b"abc")


def test_a_place_that_cannot_be_written_is_one_line(
    full_report: ReportData, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BnnEdgeError, match="cannot write"):
        write_report(full_report, tmp_path / "file" / "report.html")
