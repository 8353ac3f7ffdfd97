"""Taking a direction out of embeddings: what it removes, what it leaves alone."""

import numpy as np
import pytest

from m4jax.errors import InputError
from m4jax.evaluation.projection import attribute_directions, directions, project_out
from m4jax.evaluation.ranks import normalise


def vectors(n, d=12, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_the_direction_of_one_pair_is_their_difference():
    first, second = vectors(1), vectors(1, seed=1)
    difference = (normalise(first, "a") - normalise(second, "b"))[0]
    (found,) = directions(first, second)
    assert abs(found @ difference) == pytest.approx(np.linalg.norm(difference), rel=1e-5)


def test_directions_are_the_principal_ones_of_the_differences():
    """An independent judge: the eigenvectors of the matrix of second moments."""
    first, second = vectors(9), vectors(9, seed=1)
    moved = (normalise(first, "a") - normalise(second, "b")).astype(np.float64)
    _, vectors_ = np.linalg.eigh(moved.T @ moved)
    found = directions(first, second, rank=3)
    judged = vectors_[:, ::-1][:, :3]
    np.testing.assert_allclose(found.T @ found, judged @ judged.T, atol=1e-5)
    np.testing.assert_allclose(found @ found.T, np.eye(3), atol=1e-5)


def test_what_both_values_share_stays():
    """Values m ± g: the direction is that of g, whatever m."""
    g = np.eye(1, 12, dtype=np.float32)
    shared = np.concatenate([np.zeros((5, 1), np.float32), vectors(5, 11)], axis=1)
    (found,) = directions(shared + g, shared - g)
    assert abs(found[0]) > 0.9  # unit lengths shift it a little
    turned = directions(shared - g, shared + g)[0]
    np.testing.assert_allclose(np.abs(turned), np.abs(found), atol=1e-6)


def test_projection_removes_the_span_and_nothing_else():
    basis = directions(vectors(6), vectors(6, seed=1), rank=2)
    x = normalise(vectors(20, seed=2), "x")
    found = project_out(x, basis)
    np.testing.assert_allclose(found @ basis.T, 0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(project_out(found, basis), found, atol=1e-6)  # twice is once
    rest = x - x @ basis.T @ basis
    np.testing.assert_allclose(found, normalise(rest, "rest"), atol=1e-5)
    orthogonal = project_out(x[:1], basis)
    np.testing.assert_allclose(project_out(orthogonal, basis), orthogonal, atol=1e-6)


def test_the_sign_and_the_choice_of_the_basis_do_not_matter():
    basis = directions(vectors(6), vectors(6, seed=1), rank=2)
    turn = np.array([[0.6, 0.8], [0.8, -0.6]], np.float32)
    x = vectors(5, seed=2)
    np.testing.assert_allclose(project_out(x, basis), project_out(x, turn @ basis), atol=1e-6)


def test_pictures_without_the_direction_prefer_neither_word():
    """Of either side: the cosine with the difference of the words is 0 then."""
    man, woman = normalise(vectors(2), "words")
    basis = directions(man[None], woman[None])
    pictures = project_out(vectors(30, seed=3), basis)
    np.testing.assert_allclose(pictures @ (man - woman), 0, atol=1e-6)
    words = project_out(np.stack([man, woman]), basis)
    np.testing.assert_allclose(words[0], words[1], atol=1e-5)


def test_a_row_within_the_span_becomes_zero():
    basis = np.eye(1, 4, dtype=np.float32)
    np.testing.assert_array_equal(project_out(3 * basis, basis), 0)


def test_directions_of_phrases_are_those_of_their_texts():
    table = {}

    def embed(texts):
        return np.stack([table.setdefault(t, vectors(1, seed=len(table))[0]) for t in texts])

    found = attribute_directions(("a man", "a woman"), ("{}", "photo of {}"), embed, rank=2)
    assert set(table) == {"a man", "a woman", "photo of a man", "photo of a woman"}
    first = np.stack([table["a man"], table["photo of a man"]])
    second = np.stack([table["a woman"], table["photo of a woman"]])
    np.testing.assert_array_equal(found, directions(first, second, rank=2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: directions(vectors(2), vectors(3)), r"two arrays of one shape \[k, d\], got"),
        (lambda: directions(vectors(2), vectors(2)), r"differ in fewer than 1 directions"),
        (lambda: directions(vectors(2), vectors(2, seed=1), rank=3), r"rank: expected 1 to 2"),
        (lambda: directions(vectors(2) * np.nan, vectors(2)), r"NaN or infinity"),
        (lambda: project_out(vectors(2), np.ones((1, 12))), r"expected orthonormal rows"),
        (lambda: project_out(vectors(2), np.eye(1, 5)), r"basis: expected \[r, 12\], got \[1, 5\]"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(InputError, match=message):
        call()
