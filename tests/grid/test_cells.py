"""The grid: products, unions and exclusions of factors."""

import pytest

from configs import ablation, base, quickstart
from m4jax.errors import InputError
from m4jax.grid.cells import expand, levels

VERSIONS = (("original", {}), ("balanced", {"balance": {"enabled": True}}))
SIZES = (("small", {}), ("large", {"model": {"variant": "emoji-B/8"}}))


def grid(*products, factors=(("version", VERSIONS), ("model", SIZES)), seeds=(0, 1)):
    fields = base.get_config().to_dict()
    return expand(fields | {"factors": factors, "seeds": seeds, "studies": (("one", products),)})


def names(cells):
    return [cell.name for cell in cells]


def test_a_factor_that_is_not_named_stays_at_its_default():
    assert names(grid({"version": "*"})) == [
        "original, seed 0", "balanced, seed 0", "original, seed 1", "balanced, seed 1",
    ]  # fmt: skip


def test_products_unions_and_exclusions():
    whole = grid({"version": "*", "model": "*"}, seeds=(0,))
    assert len(whole) == 4
    without = {"version": ("balanced",), "model": ("large",)}
    part = grid({"version": "*", "model": "*", "exclude": (without,)}, seeds=(0,))
    assert names(part) == ["original, seed 0", "original, large, seed 0", "balanced, seed 0"]
    union = grid({"version": "*"}, {"version": ("balanced",), "model": "*"}, seeds=(0,))
    assert names(union) == ["original, seed 0", "balanced, seed 0", "balanced, large, seed 0"]


def test_a_product_may_have_seeds_of_its_own():
    cells = grid({"version": "*"}, {"version": ("original",), "seed": (7,)})
    assert [cell.seed for cell in cells] == [0, 0, 1, 1, 7]


def test_a_run_of_two_studies_is_one_cell():
    fields = base.get_config().to_dict() | {"factors": (("version", VERSIONS),), "seeds": (0,)}
    studies = (("a", ({},)), ("b", ({"version": "*"},)))
    cells = expand(fields | {"studies": studies})
    assert [cell.studies for cell in cells] == [("a", "b"), ("b",)]


@pytest.mark.parametrize(
    ("product", "message"),
    [
        ({"versoin": "*"}, "unknown factor 'versoin'; did you mean 'version'"),
        ({"version": ("orignal",)}, "version has no level 'orignal'; did you mean 'original'"),
        ({"version": "original"}, "version: expected a tuple of levels, got 'original'"),
        ({"version": "*", "exclude": ({"modle": ("small",)},)}, "unknown factor 'modle'"),
        ({"version": 3}, "version: expected a tuple of levels, got 3"),
        ({"seed": 3}, "seed: expected a tuple of different whole numbers, got 3"),
        ({"seed": (1, 1)}, "seed: expected a tuple of different whole numbers"),
        ({"seed": (0.5,)}, "seed: expected a tuple of different whole numbers"),
        ({"exclude": {"version": ("original",)}}, "exclude: expected a tuple of mappings"),
        ({"exclude": (("version", "original"),)}, "exclude: expected mappings from factors"),
        ({"exclude": ({"version": "*"},)}, "they hold no runs at all"),
        ("version", "expected products, mappings from factors, got 'version'"),
    ],
)
def test_bad_products_are_told(product, message):
    with pytest.raises(InputError, match=message):
        grid(product)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        ((("version", VERSIONS), ("split", SIZES)), "'split' is a column of every table"),
        ((("version", VERSIONS), ("model", ())), "model has no levels"),
        ((("version", VERSIONS), ("model", (("a", {}), ("a", {})))), "model: 'a' stands there twi"),
        ((("version", VERSIONS), ("model", ((8, {}),))), "expected a name in quotes, got 8"),
        ((("version", VERSIONS), ("model", (("a", None),))), "a: expected the fields that differ"),
        ((("version", VERSIONS), ("model", "ab")), "expected pairs of a name and its content"),
        ((("version", (("original", {"world": 3}),)),), "config.world: expected fields, got 3"),
        ((("size", SIZES),), "a grid needs `factors` .`version` among them"),
    ],
)
def test_bad_factors_are_told(factors, message):
    with pytest.raises(InputError, match=message):
        grid({"version": "*"}, factors=factors)


def test_cells_of_one_name_are_told():
    """Their directory and the reader could not tell them apart."""
    switches = (("off", {}), ("on", {"train": {"flip": True}}))
    other = (("off", {}), ("on", {"track": True}))
    factors = (("version", VERSIONS), ("flip", switches), ("track", other))
    with pytest.raises(InputError, match=r"two cells are called \(original, on, seed 0\)"):
        grid({"flip": "*"}, {"track": "*"}, factors=factors, seeds=(0,))


def test_an_exclusion_of_all_levels_excludes_them():
    part = grid({"version": "*", "exclude": ({"version": ("balanced",), "model": "*"},)})
    assert {cell.version for cell in part} == {"original"}


def test_levels_are_told_with_the_default_first():
    fields = base.get_config().to_dict() | {"seeds": (0,), "studies": (("one", ({},)),)}
    names = levels(fields | {"factors": (("model", SIZES), ("version", VERSIONS))})
    assert list(names) == ["version", "model"]
    assert names == {"version": ["original", "balanced"], "model": ["small", "large"]}


@pytest.mark.parametrize("scale", ["laptop", "gpu", "scale=gpu", "paper"])
def test_the_ablation_has_enough_models_and_shares_them(scale):
    cells = expand(ablation.get_config(scale).to_dict())
    assert len(cells) >= 150
    assert sum(len(cell.studies) for cell in cells) > len(cells)
    assert len({cell.config.id for cell in cells}) == len(cells)
    # The filter's scorer is one of the cells: nothing is trained on the side.
    ids = {cell.config.id for cell in cells}
    assert all(c.config.scorer.id in ids for c in cells if c.config.filter)


def test_an_unknown_scale_is_told():
    with pytest.raises(ValueError, match="expected one of laptop, gpu, paper, got 'huge'"):
        ablation.get_config("huge")


def test_the_quickstart_is_one_study():
    cells = expand(quickstart.get_config().to_dict())
    assert {cell.studies for cell in cells} == {("versions",)}
