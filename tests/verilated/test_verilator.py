"""Models are compiled once per content, and what does not compile says why."""

import re
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bnnedge import tools
from bnnedge.errors import BnnEdgeError, ToolFailedError, ToolMissingError
from bnnedge.verilated import verilator
from bnnedge.verilated.ports import StreamPorts
from bnnedge.verilated.stream import StreamModel
from tests.streams import one_way

SV = Path(__file__).parent / "sv"


def model(source: Path, cache: Path, width: int = 8) -> StreamModel:
    return StreamModel(
        sources=[source],
        top="passthrough",
        ports=StreamPorts.kernel(inputs={"in": width}, outputs={"out": width}),
        parameters={"Width": width},
        cache=cache,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return Path(shutil.copy(SV / "passthrough.sv", tmp_path))


@pytest.fixture
def own_cache(tmp_path: Path, cache: Path) -> Path:
    """One that no other test writes to, with Verilator's runtime in it."""
    model(SV / "passthrough.sv", cache).compile()
    for runtime in cache.glob("runtime-*/"):
        shutil.copytree(runtime, tmp_path / "cache" / runtime.name)
    return tmp_path / "cache"


def test_equal_content_is_compiled_once_wherever_it_lies(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = model(SV / "passthrough.sv", cache).compile()
    monkeypatch.setattr(tools, "run", lambda *_, **__: pytest.fail("compiled again"))
    assert model(source, cache).compile() == library


def test_another_source_or_parameter_is_another_model(source: Path, cache: Path) -> None:
    libraries = {model(source, cache).compile(), model(source, cache, width=9).compile()}
    source.write_text(source.read_text().replace("<= in_data_i", "<= ~in_data_i"))
    inverted = model(source, cache)
    libraries.add(inverted.compile())
    assert len(libraries) == 3
    assert one_way(inverted, np.array([[5]], np.uint8), 1).outputs.tolist() == [[250]]


def test_a_model_takes_the_precompiled_header(
    source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it does not, g++ parses the header anew and takes twice as long, without a word."""
    run, marks = tools.run, []

    def listing(argv: list[str], *, log: Path, **options: Any) -> None:
        run([*argv, "-H"], log=log, **options) if "-c" in argv else run(argv, log=log, **options)
        lines = log.read_text().splitlines()
        marks.extend(line[0] for line in lines if line.endswith("runtime.h.gch"))

    monkeypatch.setattr(tools, "run", listing)
    source.write_text(source.read_text() + "// not yet compiled by any other test\n")
    model(source, cache).compile()
    assert set(marks) == {"!"}


def test_two_that_compile_the_same_at_once_both_get_it(source: Path, own_cache: Path) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(model(source, own_cache).compile()))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0] == found[1]
    assert not list(own_cache.glob("bnnedge-work-*"))


def test_a_source_that_does_not_compile_names_its_line_and_leaves_only_a_log(
    source: Path, own_cache: Path
) -> None:
    source.write_text(source.read_text().replace("out_valid_o <= 1'b0;", "out_valid_o <= nothing;"))
    before = {path.name for path in own_cache.iterdir()}
    with pytest.raises(ToolFailedError) as caught:
        model(source, own_cache).compile()
    assert re.search(r"passthrough\.sv:\d+", str(caught.value))
    assert "'nothing'" in str(caught.value)
    left = {path.name for path in own_cache.iterdir()} - before
    assert len(left) == 1 and left.pop().endswith(".log")


def test_a_missing_compiler_is_named_with_its_remedy(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    tools.version.cache_clear()
    verilator._toolchain.cache_clear()
    with pytest.raises(ToolMissingError, match=r"g\+\+ is needed .* — apt install g\+\+"):
        model(source, tmp_path / "cache").compile()


def test_a_cache_that_cannot_be_written_is_named(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BnnEdgeError, match="cannot write to the cache .*file/cache"):
        model(source, tmp_path / "file" / "cache").compile()


def test_a_damaged_or_altered_model_is_compiled_again(source: Path, cache: Path) -> None:
    source.write_text(source.read_text() + "// damaged below\n")
    library = model(source, cache).compile()
    whole = library.read_bytes()
    for damaged in (whole[:100], whole + b"x"):
        library.unlink()  # this process has it loaded
        library.write_bytes(damaged)
        assert one_way(model(source, cache), np.array([[5]], np.uint8), 1).outputs.tolist() == [[5]]
        assert library.read_bytes() == whole


@pytest.mark.parametrize("name", ["passthrough", "misbehaving", "masked", "two_stages"])
def test_the_modules_of_these_tests_are_lint_clean(name: str) -> None:
    sources = [SV / f"{name}.sv"]
    verilator.lint([*sources, SV / "passthrough.sv"] if name == "two_stages" else sources, top=name)


def test_lint_reports_the_first_warning(source: Path) -> None:
    source.write_text(source.read_text().replace("out_valid_o <= 1'b0;", "out_valid_o <= 2'b0;"))
    with pytest.raises(ToolFailedError, match="lint of passthrough: %Warning-WIDTHTRUNC"):
        verilator.lint([source], top="passthrough")
