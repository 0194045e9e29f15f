import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bnnedge import artifacts
from bnnedge.artifacts import Artifact, publish, stage
from bnnedge.errors import BnnEdgeError, ConfigError


class Stage:
    """A stage that counts its runs and can be told to fail half-way."""

    def __init__(self, source: Path, out: Path) -> None:
        self.source, self.out, self.runs = source, out, 0
        self.failure: BaseException | None = None

    def write(self, folder: Path) -> Mapping[str, Any]:
        self.runs += 1
        (folder / "half").write_text("half")
        if self.failure:
            raise self.failure
        return {"length": len(self.source.read_text())}

    def __call__(self, **config: object) -> Artifact:
        return stage("count", self.out, self.write, config=config, inputs=(self.source,))


@pytest.fixture
def counting(tmp_path: Path) -> Stage:
    (tmp_path / "source").write_text("abc")
    return Stage(tmp_path / "source", tmp_path / "out")


def leftovers(counting: Stage) -> list[str]:
    return sorted(path.name for path in counting.out.parent.iterdir() if path.name[0] == ".")


def test_unchanged_stage_is_skipped(counting: Stage) -> None:
    first = counting(x=1)
    assert counting(x=1) == first
    assert counting.runs == 1
    assert first.facts == {"length": 3}


def test_changed_config_or_input_or_damaged_output_runs_again(counting: Stage) -> None:
    counting(x=1)
    counting(x=2)
    counting.source.write_text("abcd")
    assert counting(x=2).facts == {"length": 4}
    (counting.out / "half").write_text("altered")
    counting(x=2)
    (counting.out / artifacts.RECORD).write_text("{")
    counting(x=2)
    assert counting.runs == 5
    assert (counting.out / "half").read_text() == "half"


def test_what_others_put_beside_an_unchanged_output_stays(counting: Stage) -> None:
    counting()
    (counting.out / "by hand").write_text("kept")
    counting()
    assert counting.runs == 1
    assert (counting.out / "by hand").read_text() == "kept"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("bad")])
def test_failure_leaves_nothing(counting: Stage, failure: BaseException) -> None:
    counting.failure = failure
    with pytest.raises(type(failure)):
        counting()
    assert not counting.out.exists()
    assert leftovers(counting) == []


def test_failure_keeps_the_previous_artifact(counting: Stage) -> None:
    counting(x=1)
    counting.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        counting(x=2)
    counting.failure = None
    counting(x=1)
    assert counting.runs == 2


def test_full_disk_is_one_line_and_leaves_nothing(counting: Stage) -> None:
    counting.failure = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(BnnEdgeError, match="cannot write .*out: No space left on device"):
        counting()
    assert leftovers(counting) == []


def test_foreign_folders_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match="was not written by bnnedge"), publish(tmp_path):
        pass
    assert (tmp_path / "thesis.tex").exists()
