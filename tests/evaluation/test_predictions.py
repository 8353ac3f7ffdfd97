import numpy as np
import pytest
from helpers import vector_world
from helpers.vector_world import C, evaluate

from m4jax import evaluation
from m4jax.errors import InputError


@pytest.fixture(scope="module")
def one():
    return evaluate(vector_world.splits())


def test_predictions_survive_the_disk(one, tmp_path):
    path = tmp_path / "new" / "predictions.npz"
    evaluation.save_predictions(path, one.predictions)
    loaded = evaluation.load_predictions(path)
    assert set(loaded) == set(one.predictions)
    for key, value in one.predictions.items():
        np.testing.assert_array_equal(loaded[key], value)
        assert loaded[key].dtype == value.dtype
    assert vector_world.same(evaluation.recompute([loaded], resamples=200), one.results)
    assert [file.name for file in path.parent.iterdir()] == ["predictions.npz"]


def test_damaged_predictions_are_told(one, tmp_path):
    path = tmp_path / "predictions.npz"
    with pytest.raises(InputError, match="no such file"):
        evaluation.load_predictions(path)
    evaluation.save_predictions(path, one.predictions)
    whole = path.read_bytes()
    middle = len(whole) // 2
    data = whole.index(b"faces/occupation_probability.npy") + 200  # not one of the archive's dates
    flipped = whole[:data] + bytes([whole[data] ^ 255]) + whole[data + 1 :]
    for content in (whole[:middle], b"", b"text", flipped):
        path.write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            evaluation.load_predictions(path)


@pytest.mark.parametrize(
    ("split", "field", "value", "message"),
    [
        ("faces", "gender", np.full(80, 2), "integers from 0 to 1"),
        ("faces", "gender", np.full(80, 0.5), "integers"),
        ("workers", "occupation", np.full(80, -1), "from 0 to 5"),
        ("shift", "occupation", np.full(80, C), "from -1 to 5"),
        ("objects", "thing", np.full(80, 7), "from 0 to 6"),
        ("objects", "group", np.arange(3), "one length"),
        ("scenes", "captions", [], "one length"),
    ],
)
def test_bad_splits(split, field, value, message):
    splits = vector_world.splits()
    splits[split][field] = value
    with pytest.raises(InputError, match=message) as error:
        evaluate(splits)
    assert split in str(error.value)


def test_unknown_splits_and_missing_fields():
    with pytest.raises(InputError, match="did you mean 'faces'"):
        evaluate({"face": {}})
    with pytest.raises(InputError, match=r"without \['gender'\]"):
        evaluate({"faces": {"images": np.ones(3), "group": np.ones(3)}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embed_images": lambda x: np.ones((3, 24))}, "expected 80 rows"),
        ({"embed_images": lambda x: np.full((len(x), 24), np.nan)}, "diverged"),
        ({"embed_texts": lambda x: np.ones((3, 24))}, "one for each text, got 3"),
        ({"data_association": np.zeros(3)}, r"expected shape \[6\]"),
        ({"logit_scale": 0.0}, "positive number"),
    ],
)
def test_bad_models(changes, message):
    with pytest.raises(InputError, match=message):
        evaluate(vector_world.splits(), **changes)


def test_runs_on_other_pictures_are_refused(one):
    other = evaluate(vector_world.splits(sprites=30)).predictions
    with pytest.raises(InputError, match="differ in faces/gender"):
        evaluation.recompute([one.predictions, other])
    part = {key: value for key, value in one.predictions.items() if "scenes" not in key}
    with pytest.raises(InputError, match="other splits"):
        evaluation.difference([one.predictions], [part])
    with pytest.raises(InputError, match="at least"):
        evaluation.recompute([])
