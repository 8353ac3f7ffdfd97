import json
import shutil
from importlib import resources
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from configs import base, quickstart
from m4jax import files
from m4jax.data.annotation import LABEL_SETS
from m4jax.data.testbed.catalog import occupations, things
from m4jax.data.testbed.world import World
from m4jax.errors import InputError
from m4jax.evaluation import prompts
from m4jax.grid.cells import expand, merge
from m4jax.run.config import EvaluateConfig, RunConfig, from_json, run_config
from m4jax.run.state import evaluation_id
from m4jax.training import TrainConfig


def config(**changes):
    return merge(base.get_config().to_dict(), changes)


def test_the_base_configuration_is_whole_and_agrees_with_the_worlds_defaults():
    assert run_config(config()).source == World()


def test_a_configuration_survives_json():
    resolved = run_config(config(balance={"enabled": True}))
    assert from_json(json.loads(json.dumps(resolved.to_json()))) == resolved


def test_the_id_depends_on_every_field_that_is_read():
    plain = run_config(config())
    assert run_config(config()).id == plain.id
    assert run_config(config(train={"learning_rate": 2e-3})).id != plain.id
    assert run_config(config(seed=1)).id != plain.id
    assert run_config(config(world={"men": 0.5})).id != plain.id
    # Settings of a balancing that does not take place are not read.
    assert run_config(config(balance={"keep_rate": 0.4})).id == plain.id
    balanced = run_config(config(balance={"enabled": True}))
    assert balanced.id != plain.id
    assert run_config(config(balance={"enabled": True, "keep_rate": 0.4})).id != balanced.id
    assert run_config(config(balance={"during": (0.9, 1.0)})).id == plain.id
    # How a run is evaluated leaves its parameters alone.
    assert run_config(config(evaluate={"resamples": 200})).id == plain.id
    late = run_config(config(balance={"enabled": True, "during": (0.9, 1.0)}))
    assert late.id != balanced.id
    assert late.weights_id == balanced.weights_id


def test_weights_are_shared_by_seeds():
    one, two = (run_config(config(balance={"enabled": True}, seed=seed)) for seed in (0, 1))
    assert one.weights_id == two.weights_id
    assert one.id != two.id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wrold": {}}, r"unknown field config.wrold: did you mean 'world'"),
        ({"train": {"learning_rat": 1.0}}, r"config.train.learning_rat: did you mean 'learning_r"),
        ({"train": {"steps": "many"}}, r"config.train.steps: expected int, got 'many'"),
        ({"train": {"steps": True}}, r"config.train.steps: expected int, got True"),
        ({"balance": {"labels": ("jobs",)}, "seed": 1}, r"balance.labels: unknown 'jobs'"),
        ({"balance": {"keep_rate": 1.5}}, r"keep_rate: expected in \(0, 1\], or 'max', got 1.5"),
        ({"balance": {"keep_rate": 0.0}}, r"keep_rate: expected in \(0, 1\], or 'max', got 0.0"),
        ({"balance": {"target": -0.1}}, r"target: expected 0 to 1, or 'census', got -0.1"),
        ({"balance": {"keep_rate": "most"}}, r"or 'max', got 'most'"),
        (
            {"balance": {"attribute_noise": 0.5}},
            r"attribute_noise: expected in \[0, 0.5\)",
        ),
        ({"balance": {"control": "shufle"}}, r"unknown 'shufle'; did you mean 'shuffle'"),
        ({"filter": {"drop": 1.0}}, r"filter.drop: expected in \[0, 1\), got 1.0"),
        ({"filter": {"scorer": "emoji-S/9"}}, r"filter.scorer: unknown 'emoji-S/9'"),
        ({"train": {"schedule": "cosin"}}, r"unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"train": {"cooldown_steps": 5}}, r"be 0 with a cosine, got 5"),
        ({"balance": {"enabled": 1}}, r"enabled: expected True or False"),
        ({"balance": {"enabled": True, "during": (0.9, 0.1)}}, r"during: expected two shares"),
        (
            {"balance": {"enabled": True, "during": (0.999, 1.0)}, "train": {"steps": 60}},
            r"balance.during: none of the 60 steps lies in \(0.999, 1",
        ),
        ({"model": {"dtype": "float16"}}, r"unknown dtype 'float16'; did you mean 'bfloat16'"),
        ({"model": {"embed": -1}}, r"model.embed: expected at least 0, got -1"),
        ({"init_from": 3}, r"config.init_from: expected str, got 3"),
        ({"world": {"scenes": (1, 0, 0, "x")}}, r"config.world.scenes\[3\]: expected float"),
        ({"evaluate": {"resamples": 3}}, r"resamples: expected at least 100"),
        ({"train": {"learning_rate": inf}}, r"config.train.learning_rate: expected a finite"),
        ({"train": {"jitter": nan}}, r"config.train.jitter: expected a finite number, got nan"),
        ({"in_memory_gb": nan}, r"config.in_memory_gb: expected a finite number, got nan"),
        ({"in_memory_gb": inf}, r"config.in_memory_gb: expected a finite number, got inf"),
        ({"world": {"men": nan}}, r"config.world.men: expected a finite number, got nan"),
        ({"balance": {"eps_association": nan}}, r"config.balance.eps_association: expected a fin"),
        ({"balance": {"penalty": inf}}, r"balance.penalty: expected a finite number in a run"),
        ({"balance": {"penalty": nan}}, r"config.balance.penalty: expected a finite number"),
        ({"balance": {"keep_rate": 2.0}}, r"^balance.keep_rate: expected in"),
        ({"pairs": {"enabled": True}}, r"config.pairs.enabled: set config.source to 'pairs'"),
    ],
)
def test_bad_fields_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        run_config(config(**changes))


def test_settings_made_in_python_are_finite_too():
    with pytest.raises(InputError, match="learning_rate: expected a finite number, got inf"):
        TrainConfig(learning_rate=inf)
    with pytest.raises(InputError, match="in_memory_gb: expected a finite number from 0 on"):
        RunConfig(in_memory_gb=nan)


@pytest.mark.parametrize(
    ("field", "value"), [("steps", "12"), ("seed", 1.5), ("batch_size", 8.0), ("flip", 1)]
)
def test_settings_made_in_python_are_of_their_type(field, value):
    with pytest.raises(InputError, match=f"{field}: expected .*, got {value!r}"):
        TrainConfig(**{field: value})
    assert TrainConfig(seed=np.int64(3), learning_rate=1).seed == 3


def test_a_run_is_known_by_the_contents_of_what_it_starts_from(tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "c")]
    for folder, content in zip(folders, ("same", "same", "other"), strict=True):
        folder.mkdir()
        (folder / "model.json").write_text("{}")
        (folder / "model.safetensors").write_text(content)
    plain, *begun = (RunConfig(init_from=str(folder)).id for folder in ("", *folders))
    assert begun[0] == begun[1] and len({plain, *begun}) == 3
    with pytest.raises(InputError, match=r"config.init_from: /nowhere: expected a run's directory"):
        _ = RunConfig(init_from="/nowhere").id


def test_the_prompts_of_an_evaluation_are_known_by_their_contents(tmp_path):
    path = tmp_path / "mine.json"
    content = files.read_json(Path(prompts.__file__).with_name("prompts") / "emoji_scenes_v2.json")
    ids = []
    for phrase in ("a man", "a man", "a guy"):
        files.write_json(path, content | {"gender": content["gender"] | {"man": phrase}})
        run = RunConfig(evaluate=EvaluateConfig(prompts=str(path)))
        ids.append(evaluation_id(run))
        assert run.id == RunConfig().id
    assert ids[0] == ids[1] != ids[2]


def test_a_field_of_the_wrong_kind_is_named():
    with pytest.raises(InputError, match=r"config.world: expected fields, got 3"):
        run_config(base.get_config().to_dict() | {"world": 3})


def test_a_missing_field_is_named():
    fields = base.get_config().to_dict()
    del fields["train"]["b2"]
    with pytest.raises(InputError, match=r"missing field config.train.b2"):
        run_config(fields)


def test_the_quickstart_is_four_versions_by_two_seeds():
    cells = expand(quickstart.get_config().to_dict())
    assert len(cells) == 8 == len({cell.config.id for cell in cells})
    by_version = {cell.version: cell.config for cell in cells}
    assert list(by_version) == ["original", "balanced", "balanced_proxies", "oracle"]
    assert by_version["original"].balance is None
    assert by_version["balanced_proxies"].balance.labels == LABEL_SETS
    assert by_version["oracle"].source.association == 0
    assert by_version["oracle"].source.seed == by_version["original"].source.seed


def test_a_grid_with_the_same_run_twice_is_refused():
    fields = quickstart.get_config().to_dict()
    (name, versions) = fields["factors"][0]
    fields["factors"] = ((name, (*versions, ("again", {}))),)
    with pytest.raises(InputError, match="are the same run"):
        expand(fields)


def test_a_version_with_an_unknown_field_is_refused():
    fields = quickstart.get_config().to_dict()
    (name, versions) = fields["factors"][0]
    fields["factors"] = ((name, (*versions, ("other", {"balance": {"keep_rat": 0.5}}))),)
    with pytest.raises(InputError, match="keep_rat: did you mean 'keep_rate'"):
        expand(fields)


def test_a_configuration_without_a_grid_is_refused():
    with pytest.raises(InputError, match="a grid needs `factors`"):
        expand(base.get_config().to_dict())


def test_prompts_name_the_classes_of_the_testbed_in_their_order():
    loaded = prompts.load(base.get_config().evaluate.prompts)
    assert list(loaded.occupation) == [occupation.name for occupation in occupations()]
    assert list(loaded.thing) == list(things())


def test_runs_and_their_evaluation_are_known_by_contents_not_by_paths(tmp_path):
    path = tmp_path / "lexicon.json"

    def resolved(name=path):
        pairs = {"lexicon": str(name), "dataset": "none_of_this_name", "tokenizer": "words"}
        balanced = {"enabled": True, "labels": ("occupations",)}
        return run_config(config(source="pairs", pairs=pairs, balance=balanced))

    fields = files.read_json(resources.files("m4jax.data") / "lexicon_en_v1.json")
    files.write_json(path, fields)
    first, copy = resolved(), tmp_path / "copy.json"
    ids = {first.id, first.weights_id}
    shutil.copy(path, copy)
    assert resolved(copy).id == first.id
    occupations = dict(reversed(fields["occupations"].items()))  # their order numbers the labels
    files.write_json(path, fields | {"occupations": occupations})
    edited = resolved()
    assert not ids & {edited.id, edited.weights_id} and resolved(copy).id == first.id


def test_prompts_edited_in_place_ask_for_another_evaluation_but_the_same_run(tmp_path):
    path = tmp_path / "mine.json"
    fields = files.read_json(resources.files("m4jax.evaluation") / "prompts/emoji_scenes_v2.json")
    files.write_json(path, fields)
    resolved = run_config(config(evaluate={"prompts": str(path)}))
    before = resolved.id, evaluation_id(resolved)
    files.write_json(path, fields | {"thing": dict(reversed(fields["thing"].items()))})
    assert resolved.id == before[0] and evaluation_id(resolved) != before[1]
