"""The benchmark of the readers, made small: what it measures on both sides is the same."""

from pathlib import Path

import pytest

from experiments.benchmark import reading

pytestmark = [  # `datasets` leaves files open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading")
    reading.material(str(folder), 30, 16, 10)
    return folder


@pytest.mark.parametrize("form", reading.FORMS)
def test_our_readers_find_all_of_the_material(base, form):
    told = reading.read_collection(str(base), form, "ours", decode=form != "captions", passes=1)
    assert told["examples"] == 30 and told["examples_per_second"] > 0


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize(
    ("form", "side"), [(form, side) for form, sides in reading.FORMS.items() for side in sides]
)
def test_the_libraries_find_the_same(base, form, side, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    pytest.importorskip(side)
    ours, theirs = (list(reading._opened(Path(base), form, x)()) for x in ("ours", side))
    assert sorted(ours) == sorted(theirs)


def test_pictures_in_any_order(base):
    for form in ("shards", "saved", "folder"):
        told = reading.read_at_random(str(base), form, "ours", 50)
        assert told["bytes"] > 50 * 100


def test_tiny_shards(tmp_path):
    reading.tiny_shards(str(tmp_path), 40, 20)
    assert reading.go_over(str(tmp_path), 2, "ours")["pairs"] == 40
