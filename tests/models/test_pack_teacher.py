"""Packing a distilled network: its recipe has to have the same teacher."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from bnnedge.artifacts import sha256_of
from bnnedge.errors import ConfigError
from bnnedge.models.checkpoint import load_checkpoint
from bnnedge.recipe import Recipe
from bnnedge.training import TeacherConfig, train

_TEACHER = """
[teacher]
network = { topology = "mlp", hidden = [20], weights = "float", activations = "float" }
training = { epochs = 1, batch_size = 64, learning_rate = 0.005 }
"""
_RECIPE = f"""
name = "mlp_digits"
network = {{ topology = "mlp", hidden = [12] }}
data = {{ dataset = "digits", encoding = "threshold", threshold = 8.0 }}
[training]
epochs = 1
batch_size = 64
learning_rate = 0.02
distill = {{ weight = 0.5 }}
{_TEACHER}"""


def test_the_teacher_is_part_of_the_record_and_of_the_recipe(
    tmp_path: Path, script: ModuleType
) -> None:
    path, student = tmp_path / "mlp_digits.toml", tmp_path / "student"
    path.write_text(_RECIPE)
    recipe = Recipe.load(path)
    train(recipe.network, recipe.data, recipe.training, student, teacher=recipe.teacher)
    own = load_checkpoint(tmp_path / "student.teacher").record["config"]
    assert own["teacher"] is None
    record = load_checkpoint(student).record["config"]
    assert record["teacher"] == {
        "network": own["network"],
        "training": own["training"],
        "weights_sha256": sha256_of(tmp_path / "student.teacher" / "checkpoint.pt"),
    }
    assert script.pack_model(student, path, tmp_path).name == "mlp_digits"

    given = tmp_path / "given"
    by_path = TeacherConfig(checkpoint=tmp_path / "student.teacher")
    train(recipe.network, recipe.data, recipe.training, given, teacher=by_path)
    assert load_checkpoint(given).record["config"] == record

    for change in (
        _RECIPE.replace("[20]", "[21]"),
        _RECIPE.replace("0.005", "0.004"),
        _RECIPE.replace(_TEACHER, ""),
    ):
        path.write_text(change)
        with pytest.raises(ConfigError, match=r"its \[teacher\] is not what the checkpoint was"):
            script.pack_model(student, path, tmp_path)
    path.write_text(_RECIPE.replace(_TEACHER, "[teacher]\ncheckpoint = 'student.teacher'"))
    with pytest.raises(ConfigError, match=r"\[teacher\] names a checkpoint.*\[teacher.training\]"):
        script.pack_model(student, path, tmp_path)

    # A record from before there was a place for the teacher is one without a teacher.
    path.write_text(_RECIPE)
    old = json.loads((student / "checkpoint.json").read_text())
    del old["config"]["teacher"]
    (student / "checkpoint.json").write_text(json.dumps(old))
    with pytest.raises(ConfigError, match=r"its \[teacher\] is not what"):
        script.pack_model(student, path, tmp_path)
    path.write_text(_RECIPE.replace(_TEACHER, ""))
    assert script.pack_model(student, path, tmp_path).seed == 0
