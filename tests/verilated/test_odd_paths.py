"""Folders that a command line, a C++ string or Verilator's own files cannot name as they are."""

from pathlib import Path

import pytest

from bnnedge import verbs
from tests.networks import random_inputs, random_mlp

_ODD = "a\"b c$d'e#f=g"


@pytest.mark.slow
def test_networks_run_in_folders_with_odd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place := tmp_path / _ODD).mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    (place / "-d").mkdir()
    graph = random_mlp((12, 8, 4))
    graph.save(place / "-d")
    verbs.emulate(Path("-d"), random_inputs(graph, 3))
    verbs.rtl(Path("-d"), Path('-r"\n'))
    verbs.simulate(Path('-r"\n'), images=4, trace=Path("-t.fst"))
    verbs.hls(Path('-r"\n'), Path('-h"'), check=True)
