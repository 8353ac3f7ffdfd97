"""The judge of pictures sees what a reader would, and nothing less."""

import matplotlib
from helpers.same_picture import same
from matplotlib.figure import Figure


def draw(path, value, name="n = 3"):
    figure = Figure(figsize=(2, 2), layout="constrained")
    ax = figure.subplots()
    ax.plot([0, value], [0, 1])
    ax.set_title(name)
    with matplotlib.rc_context({"svg.hashsalt": "m4jax"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
    return path


def test_a_picture_is_the_same_as_itself_and_as_no_other(tmp_path):
    for kind in ("png", "svg"):
        first = draw(tmp_path / f"one.{kind}", 1)
        assert same(first, draw(tmp_path / f"again.{kind}", 1))
        assert not same(first, draw(tmp_path / f"moved.{kind}", 1.02))
        assert not same(first, draw(tmp_path / f"named.{kind}", 1, "n = 4"))


def test_last_digits_and_names_of_clip_paths_do_not_matter(tmp_path):
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    one.write_text('<path d="M 1.000001 2" clip-path="url(#p0123456789)"/>')
    two.write_text('<path d="M 1.000002 2" clip-path="url(#pabcdef0123)"/>')
    assert same(one, two)
    two.write_text('<path d="M 1.01 2" clip-path="url(#pabcdef0123)"/>')
    assert not same(one, two)
