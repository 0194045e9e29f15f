import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bnnedge import artifacts, publishing, stages
from bnnedge.artifacts import Artifact, check_input, permitting
from bnnedge.errors import ArtifactError, BnnEdgeError, BnnEdgeWarning
from bnnedge.publishing import publish
from bnnedge.stages import Stage


@dataclass(frozen=True, kw_only=True)
class Length:
    """What the stage of these tests finds."""

    length: int


class Counting:
    """A stage that counts its runs and can be told to fail half-way."""

    def __init__(self, source: Path, out: Path, kind: str = "count") -> None:
        self.source, self.out, self.kind, self.runs = source, out, kind, 0
        self.tool_version = "1"
        self.failure: BaseException | None = None

    def write(self, folder: Path) -> Length:
        self.runs += 1
        (folder / "half").write_text("half")
        if self.failure:
            raise self.failure
        return Length(length=len(self.source.read_text()))

    @property
    def stage(self) -> Stage[Length]:
        return Stage(kind=self.kind, facts=Length, rooms=("cost",), precious=self.kind == "train")

    def __call__(self, **config: object) -> Artifact[Length]:
        tools = {"yosys": self.tool_version}
        return self.stage.publish(
            self.out, self.write, config=config, inputs=(self.source,), tools=lambda: tools
        )


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    (tmp_path / "source").write_text("abc")
    return Counting(tmp_path / "source", tmp_path / "out")


def leftovers(counting: Counting) -> list[str]:
    return sorted(path.name for path in counting.out.parent.iterdir() if path.name[0] == ".")


def test_unchanged_stage_is_skipped(counting: Counting) -> None:
    first = counting(x=1)
    assert counting(x=1) == first
    assert counting.runs == 1
    assert first.facts == Length(length=3)


def test_changed_config_or_input_or_a_missing_file_runs_again(counting: Counting) -> None:
    counting(x=1)
    counting(x=2)
    counting.source.write_text("abcd")
    assert counting(x=2).facts == Length(length=4)
    (counting.out / "half").unlink()
    counting(x=2)
    assert counting.runs == 4
    assert (counting.out / "half").read_text() == "half"


def test_what_others_put_beside_an_unchanged_output_stays(counting: Counting) -> None:
    counting()
    (counting.out / "by hand").write_text("kept")
    counting()
    assert counting.runs == 1
    assert (counting.out / "by hand").read_text() == "kept"


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("bad")])
def test_failure_leaves_nothing(counting: Counting, failure: BaseException) -> None:
    counting.failure = failure
    with pytest.raises(type(failure)):
        counting()
    assert not counting.out.exists()
    assert leftovers(counting) == []


def test_failure_keeps_the_previous_artifact(counting: Counting) -> None:
    counting(x=1)
    counting.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        counting(x=2)
    counting.failure = None
    counting(x=1)
    assert counting.runs == 2


def test_full_disk_is_one_line_and_leaves_nothing(counting: Counting) -> None:
    counting.failure = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(BnnEdgeError, match="cannot write .*out: No space left on device"):
        counting()
    assert leftovers(counting) == []


def kept(counting: Counting, number: int = 1) -> Path:
    return counting.out.with_name(f"{counting.out.name}.replaced-{number}")


def test_a_folder_of_others_is_never_replaced(counting: Counting) -> None:
    counting.out.mkdir()
    (counting.out / "thesis.tex").write_text("years of work")
    with (
        permitting(replace=True),
        pytest.raises(ArtifactError, match="was not written by bnnedge — choose another out"),
    ):
        counting()
    assert (counting.out / "thesis.tex").read_text() == "years of work"


def test_another_stages_result_is_never_replaced(counting: Counting) -> None:
    counting()
    other = Counting(counting.source, counting.out, "other")
    with (
        permitting(replace=True),
        pytest.raises(ArtifactError, match="holds what bnnedge count wrote, which bnnedge other"),
    ):
        other()
    assert other.runs == 0


@pytest.mark.parametrize("name", ["half", "notes.txt", "deep/notes.txt"])
def test_what_others_changed_or_added_is_lost_only_when_asked(
    counting: Counting, name: str
) -> None:
    counting(x=1)
    (counting.out / name).parent.mkdir(exist_ok=True)
    (counting.out / name).write_text("by hand")
    with pytest.raises(
        ArtifactError, match=f"{name} was .*replace=True.: .* kept as out.replaced-1"
    ):
        counting(x=2)
    assert counting.runs == 1
    with permitting(replace=True):
        counting(x=2)
    assert (kept(counting) / name).read_text() == "by hand"
    assert (counting.out / "half").read_text() == "half"
    assert leftovers(counting) == []


def test_what_others_wrote_meanwhile_is_kept(counting: Counting) -> None:
    class Slow(Counting):
        def write(self, folder: Path) -> Length:
            self.out.mkdir(exist_ok=True)
            (self.out / "notes.txt").write_text(f"while run {self.runs} took its time")
            return super().write(folder)

    slow = Slow(counting.source, counting.out)
    for number in (1, 2):
        with pytest.warns(BnnEdgeWarning, match="out was written to meanwhile"):
            slow(x=number)
        assert artifacts.load(slow.out).config == {"x": number}
        assert (kept(counting, number) / "notes.txt").read_text().startswith("while run")
    assert leftovers(counting) == []


@pytest.mark.parametrize("out", ["file/out", "loop", "loop/out"])
def test_what_no_folder_can_be_is_refused_before_work(counting: Counting, out: str) -> None:
    (counting.out.parent / "file").touch()
    (counting.out.parent / "loop").symlink_to("loop")
    counting.out = counting.out.parent / out
    with pytest.raises(BnnEdgeError, match="cannot write|leads nowhere"):
        counting()
    assert counting.runs == 0


def test_links_of_others_to_folders_are_kept(counting: Counting) -> None:
    counting(x=1)
    (counting.out / "link").symlink_to("..")
    with pytest.raises(ArtifactError, match="link was not written by bnnedge"):
        counting(x=2)


def test_what_running_python_in_a_folder_leaves_is_nothing_of_value(counting: Counting) -> None:
    counting(x=1)
    (counting.out / "__pycache__").mkdir()
    (counting.out / "__pycache__" / "driver.pyc").touch()
    counting(x=2)
    assert counting.runs == 2


def test_a_damaged_record_is_not_replaced(counting: Counting) -> None:
    counting()
    (counting.out / artifacts.RECORD).write_text("{")
    with pytest.raises(ArtifactError, match="artifact.json: it is not JSON"):
        counting()


def test_another_training_is_replaced_only_when_asked_and_kept(counting: Counting) -> None:
    counting.kind = "train"
    counting(epochs=3)
    with pytest.raises(ArtifactError, match=r"another training \(epochs was 3, now 4\)"):
        counting(epochs=4)
    with permitting(replace=True):
        counting(epochs=4)
        counting(epochs=5)
    old = [json.loads((kept(counting, n) / artifacts.RECORD).read_text()) for n in (1, 2)]
    assert [record["config"] for record in old] == [{"epochs": 3}, {"epochs": 4}]
    assert artifacts.load(counting.out).config == {"epochs": 5}


def test_what_differs_in_another_training_is_said(counting: Counting) -> None:
    counting.kind = "train"
    counting(layers=[1] * 1000)
    with pytest.raises(ArtifactError, match=r"layers was \[1.*…, now \[2\]\)"):
        counting(layers=[2])
    (counting.out / "half").unlink()
    with pytest.raises(ArtifactError, match=r"another training \(half is missing\)"):
        counting(layers=[1] * 1000)
    record = json.loads((counting.out / artifacts.RECORD).read_text()) | {"config": None}
    (counting.out / artifacts.RECORD).write_text(json.dumps(record))
    (counting.out / "half").write_text("half")
    with pytest.raises(ArtifactError, match=r"another training \(it does not say of what\)"):
        counting(layers=[2])


def test_a_training_of_other_sources_is_used_with_a_word(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.kind = "train"
    first = counting()
    monkeypatch.setattr(stages, "source_digest", lambda rooms: "other")
    with pytest.warns(BnnEdgeWarning, match="was trained by other sources .*replace=True"):
        assert counting() == first
    with permitting(replace=True):
        counting()
    assert counting.runs == 2


def test_an_edited_input_is_used_only_when_accepted_and_what_follows_says_so(
    counting: Counting, tmp_path: Path
) -> None:
    counting()
    (counting.out / "half").write_text("edited")
    (counting.out / "notes.txt").write_text("of no importance")
    after = Counting(counting.out / "half", tmp_path / "after", "after")
    for source in (counting.out / "half", counting.out):
        with pytest.raises(ArtifactError, match="half is not as bnnedge count wrote it — run"):
            check_input(source)
    with pytest.raises(ArtifactError, match="half is not as bnnedge count wrote it"):
        after()
    with permitting(accept_edited=True), pytest.warns(BnnEdgeWarning, match="used as it is"):
        assert after().edited == ("out/half",)
    last = Counting(after.out / "half", tmp_path / "last", "last")
    assert last().edited == ("out/half",)


def test_inputs_that_would_take_for_ever_are_refused(
    counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.source = tmp_path / "null"
    counting.source.symlink_to("/dev/null")
    with pytest.raises(ArtifactError, match="wanted a file or a folder"):
        counting()
    counting.source = tmp_path / "home"
    counting.source.mkdir()
    (counting.source / "large").touch()
    os.truncate(counting.source / "large", 2**40)
    with pytest.raises(ArtifactError, match="home is too large for an input: wanted at most"):
        counting()
    os.truncate(counting.source / "large", 1)
    monkeypatch.setattr(artifacts, "_MOST_FILES", 2)
    for name in ("a", "b", "c"):
        (counting.source / name).touch()
    with pytest.raises(ArtifactError, match="at most 2 files"):
        counting()
    assert counting.runs == 0


def test_an_edited_output_is_what_the_next_stage_gets_when_accepted(counting: Counting) -> None:
    counting()
    (counting.out / "half").write_text("edited")
    with permitting(accept_edited=True):
        assert counting().edited == ("out/half",)
    kept(counting).mkdir()
    ways = "half was changed since .* as out.replaced-2; .*accept_edited=True. uses it as it is$"
    with pytest.raises(ArtifactError, match=ways):
        counting()
    with pytest.raises(ArtifactError, match="half was changed since .* as out.replaced-2$"):
        counting(x=2)
    assert counting.runs == 1


@pytest.mark.parametrize(
    "change",
    [
        {"files": {"../x": "0"}},
        {"files": {"/etc/passwd": "0"}},
        {"files": {"half": 1}},
        {"files": []},
        {"kind": None},
        {"facts": "fast"},
        {"edited": [1]},
        {"edited": 1},
        {"wall_s": None},
        {"tools": []},
    ],
)
def test_a_record_with_other_types_is_damaged(counting: Counting, change: dict[str, Any]) -> None:
    path = counting().folder / artifacts.RECORD
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ArtifactError, match="or is damaged"):
        artifacts.load(counting.out)


def test_a_link_to_a_folder_stays_a_link(counting: Counting, tmp_path: Path) -> None:
    real = tmp_path / "disk" / "real"
    real.mkdir(parents=True)
    counting.out.symlink_to(real)
    counting(x=1)
    counting(x=2)
    assert counting.out.is_symlink()
    assert artifacts.load(real).config == {"x": 2}
    assert [path.name for path in real.parent.iterdir()] == ["real"]


def test_the_folder_that_one_is_in_is_not_replaced(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting.out.mkdir()
    monkeypatch.chdir(counting.out)
    with pytest.raises(ArtifactError, match="the folder that you are in"):
        counting()


def test_a_folder_that_another_process_writes_is_refused(counting: Counting) -> None:
    with (
        publish(counting.out),
        pytest.raises(ArtifactError, match="is being written by another process — wait"),
        publish(counting.out),
    ):
        pass
    assert counting.out.exists() and leftovers(counting) == []


_NO_EXCHANGE = OSError(errno.EINVAL, "Invalid argument")


@pytest.mark.parametrize("exchange", [True, False])
@pytest.mark.parametrize("keep", [True, False])
def test_with_and_without_exchange_the_new_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool, keep: bool
) -> None:
    if not exchange:
        monkeypatch.setattr(publishing, "_rename_exchange", _raise(_NO_EXCHANGE))
    for text in ("one", "two"):
        with publish(tmp_path / "out", keep=lambda: keep) as folder:
            (folder / "text").write_text(text)
    assert sorted(path.name for path in tmp_path.iterdir())[1:] == ["out.replaced-1"] * keep
    assert (tmp_path / "out" / "text").read_text() == "two"
    if keep:
        assert (tmp_path / "out.replaced-1" / "text").read_text() == "one"


def _raise(error: OSError) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_failed_exchange_keeps_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with publish(tmp_path / "out") as folder:
        (folder / "text").write_text("one")
    monkeypatch.setattr(publishing, "_rename_exchange", _raise(OSError(errno.EIO, "I/O error")))
    for keep in (lambda: False, lambda: True):
        with (
            pytest.raises(BnnEdgeError, match="cannot write .*out: I/O error"),
            publish(tmp_path / "out", keep=keep),
        ):
            pass
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        assert (tmp_path / "out" / "text").read_text() == "one"


_REPLACER = """
import errno, sys
from dataclasses import dataclass
from pathlib import Path
from bnnedge import publishing
from bnnedge.stages import Stage

@dataclass(frozen=True, kw_only=True)
class Nothing:
    pass

def refuse(*_):
    raise OSError(errno.ENOSYS, "")

out, exchange, first = Path(sys.argv[1]), sys.argv[2] == "exchange", int(sys.argv[3])
if not exchange:
    publishing._rename_exchange = refuse

def write(folder):
    for index in range(40):
        (folder / f"{index}.mem").write_text(str(run))
    return Nothing()

stage = Stage(kind="count", facts=Nothing, rooms=())
for run in range(first, first + 1000):
    stage.publish(out, write, config={"run": run})
    print(run, flush=True)
"""


def _kill_while_replacing(folder: Path, exchange: str, kills: int) -> None:
    """SIGKILL at random times: one of the two is there, whole, and the next run goes on."""
    out, rng = folder / "out", random.Random(1)
    for kill in range(kills):
        argv = [sys.executable, "-c", _REPLACER, out, exchange, str(1000 * kill)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            last = int(child.stdout.readline())
            time.sleep(rng.uniform(0, 0.05))
            child.send_signal(signal.SIGKILL)
            last = int(([last, *child.stdout.read().split()])[-1])
        publishing.sweep(out)
        assert [path.name for path in folder.iterdir()] == ["out"]
        present = artifacts.load(out)
        assert present.changed() == present.added() == ()
        assert present.config["run"] in (last, last + 1)


@pytest.mark.parametrize("exchange", ["exchange", "no exchange"])
def test_a_kill_while_replacing_loses_nothing(tmp_path: Path, exchange: str) -> None:
    _kill_while_replacing(tmp_path, exchange, 3)


@pytest.mark.slow
@pytest.mark.parametrize("exchange", ["exchange", "no exchange"])
def test_two_hundred_kills_while_replacing_lose_nothing(tmp_path: Path, exchange: str) -> None:
    _kill_while_replacing(tmp_path, exchange, 200)


def test_what_a_killed_run_left_is_swept_by_the_next(counting: Counting) -> None:
    counting()
    new, old = (counting.out.with_name(f".out.bnnedge-{name}") for name in ("new", "old"))
    new.mkdir()
    (new / "half").touch()
    shutil.copytree(counting.out, old)
    counting()
    assert leftovers(counting) == []
    counting.out.rename(old)  # died between the two moves
    counting()
    assert counting.runs == 1 and leftovers(counting) == []


def test_every_file_and_folder_is_brought_to_the_disk(
    counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    counting()
    assert set(synced) == {"half", "artifact.json", ".out.bnnedge-new", counting.out.parent.name}
