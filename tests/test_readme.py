"""README, rooms, glossary: what they link, name and show is there, and works as shown."""

import contextlib
import io
import re

import pytest
from helpers import markdown
from helpers.markdown import README, ROOMS, ROOT

from m4jax import balance

PAGES = markdown.pages()
ROOM_PAGES = [page for page in PAGES if markdown.name(page).startswith("m4jax/")]
PLAIN = [README, ROOT / "CONTRIBUTING.md", *ROOM_PAGES]  # whose sentences are short
LINES, SENTENCE_WORDS, TERMS = 120, 30, 30
COMMANDS = (
    "pip install -c constraints.txt -e . && python -m experiments.grid "
    "--config=configs/quickstart.py --workdir=runs/quickstart",
    'pip install -c constraints.txt -e ".[test]" && python -m pytest',
)


def identity(page):
    return markdown.name(page)


def test_the_readme_is_a_page_with_one_picture_and_two_commands():
    text = markdown.read(README)
    assert text.count("\n") <= LINES
    ((alternative, _),) = re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", text)
    assert len(alternative.split()) >= 10  # it says what is to be seen
    assert tuple(block.strip() for block in markdown.code_blocks(text)) == COMMANDS


def long_sentences(text):
    found = markdown.sentences(text)
    return [one for one in found if len(markdown.words(one)) > SENTENCE_WORDS]


@pytest.mark.parametrize("page", PLAIN, ids=identity)
def test_no_sentence_is_long(page):
    assert long_sentences(markdown.read(page)) == []


def test_long_sentences_are_seen():
    one = "word " * 29 + "[end](there.md) now."
    assert long_sentences(one + "\n") == ["word " * 29 + "end now."]
    assert long_sentences(f"# {one}\n\n| {one} |\n\n    {one}\n\n```\n{one}\n```\n") == []
    assert long_sentences(f"Short. {'word ' * 30}\n\n- and this.\n") == []
    assert len(long_sentences(f"- {'word ' * 15}\n  {'word ' * 16}\n- and this.\n")) == 1


GLOSSARY = {
    anchor: re.sub(r"\W+$", "", name)
    for anchor, name in re.findall(r'<a id="([^"]+)"></a>\*\*([^*]+)\*\*', markdown.read(ROOMS))
}


def spoken(term):
    """Returns a pattern of a term in prose: one or many of it, small or capital."""
    return re.compile(rf"\b{re.escape(term)}(?:s|es)?\b(?![-_/(])", flags=re.IGNORECASE)


def test_the_glossary_is_short_and_each_term_is_used_somewhere():
    assert 20 <= len(GLOSSARY) <= TERMS
    used = set()
    for page in [README, ROOT / "CONTRIBUTING.md", *ROOM_PAGES]:
        for _, target in markdown.links(markdown.read(page)):
            path, _, anchor = target.partition("#")
            if anchor in GLOSSARY and (page.parent / path).resolve() == ROOMS:
                used.add(anchor)
    assert set(GLOSSARY) - used == set()


def unlinked(text, glossary):
    """Returns the terms that stand in prose before they are linked with the glossary."""
    prose = re.sub(r"`[^`]*`|!\[[^\]]*\]\([^)]*\)", "", markdown.without_code(text))
    prose = re.sub(r"^#.*$", "", prose, flags=re.MULTILINE)
    found = []
    for anchor, term in glossary.items():
        first = spoken(term).search(prose)
        linked = re.search(rf"\[[^\]]*\]\([^)\s]*#{re.escape(anchor)}\)", prose)
        if first and not (linked and linked.start() <= first.start() < linked.end()):
            found.append(term)
    return found


def test_each_term_of_the_readme_is_linked_where_it_first_stands():
    assert unlinked(markdown.read(README), GLOSSARY) == []


def test_terms_without_a_link_are_seen():
    terms = {"band": "Band", "keep-rate": "Keep rate"}
    assert unlinked("A [band](x.md#band), `keep rate`.\n\n    keep rate\n\nBands.", terms) == []
    assert unlinked("Bands. A [band](x.md#band) of [it](x.md#keep-rate).", terms) == ["Band"]
    assert unlinked("The keep rate of husbands.", terms) == ["Keep rate"]


def broken(page, text):
    """Returns the links of a page that lead nowhere in the repository."""
    found = []
    for _, target in markdown.links(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if there.exists() and anchor:
            there = there if there.suffix == ".md" else ROOT / "no page, no anchors"
        inside = text if there == page else (_text(there) if anchor and there.exists() else "")
        if not there.exists() or (anchor and anchor not in markdown.anchors(inside)):
            found.append(target)
    return found


def _text(page):
    return markdown.read(page)


@pytest.mark.parametrize("page", PAGES, ids=identity)
def test_links_lead_somewhere(page):
    assert broken(page, _text(page)) == []


def test_links_that_lead_nowhere_are_seen():
    text = "# A b, `c`\n\n[x](setup.py) [y](#a-b-c) [z](https://example.org/no) `[v](no)`\n"
    assert broken(README, text) == []
    bad = "[a](no.md) ![b](results/no.png) [c](#no) [d](m4jax/README.md#no)"
    assert len(broken(README, bad)) == 4


NAMED = re.compile(
    r"(?<![\w./{-])((?:configs|m4jax|experiments|results|tests|notebooks)/[\w./-]*\w)(?![\w*{<…:-])"
)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"],
                         ids=identity)  # fmt: skip
def test_every_file_that_is_named_is_there(page):
    text = re.sub(r"--(workdir|out)=\S+", "", _text(page))
    missing = {name for name in NAMED.findall(text) if not (ROOT / name).exists()}
    assert {name for name in missing if not list(ROOT.glob(f"{name}.*"))} == set()
    if page in ROOM_PAGES:
        files = re.findall(r"`([\w./]+\.(?:py|json|css|js))`", text)
        assert [name for name in files if not _there(page.parent, name)] == []


def _there(room, name):
    places = (ROOT, ROOT / "m4jax", room, *room.parents[: len(room.relative_to(ROOT).parts)])
    written = {"weights.json", "annotation.json", "manifest.json", "confusion.json",
               "selection.json", "config.json", "audit.json", "tokenizer.json", "FAILED.json",
               "report.json"}  # fmt: skip
    return (
        name.rpartition("/")[2] in written
        or any((place / name).exists() for place in places)
        or bool(list((ROOT / "m4jax" if name.endswith(".json") else room).rglob(name)))
    )


def test_the_citation_is_of_this_version_and_of_the_paper():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for field, of_setup in (("version", "version"), ("license", "license"), ("title", "name")):
        (value,) = re.findall(rf"^{field}: (.+)$", text, flags=re.MULTILINE)
        assert f'{of_setup}="{value}"' in setup
    assert "arXiv:2403.04547" in text and text.count("family-names") == 6


SMALL = "width=64, heads=1, depth=1, text_width=64, text_heads=1, text_depth=1, vocab_size=9"
CONVERTED = f"""
import jax
import jax.numpy as jnp
from m4jax import models
model = models.create("ViT-B/32", {SMALL})
images, tokens = jnp.zeros((2, 224, 224, 3)), jnp.zeros((2, 77), int)
params = jax.jit(model.init)(jax.random.key(0), images, tokens)["params"]
models.convert.save(params, "open_clip.safetensors", model, format="open_clip")
images = jnp.zeros((2, 224, 224, 3), jnp.uint8)
"""
BEFORE = {"m4jax/models/README.md": CONVERTED}  # what the blocks of a page need to be there
SMALLER = {'create("ViT-B/32")': f'create("ViT-B/32", {SMALL})'}
SHOWING = [page for page in PAGES if markdown.fenced(_text(page), "python")]


def run(page):
    """Runs the blocks of a page in their order; returns what they print, and their names."""
    code = BEFORE.get(markdown.name(page), "") + "\n".join(markdown.fenced(_text(page), "python"))
    for large, small in SMALLER.items():
        code = code.replace(large, small)
    output, names = io.StringIO(), {"__name__": "__main__"}
    with contextlib.redirect_stdout(output):
        exec(compile(code, markdown.name(page), "exec"), names)
    return output.getvalue(), names


@pytest.mark.parametrize("page", SHOWING, ids=identity)
def test_code_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed, names = run(page)
    if page == ROOT / "m4jax/balance/README.md":
        _as_its_comments_say(printed)
        solution = balance.solve(names["problem"], objective=names["CHI_SQUARE"])
        assert str(solution.status) == "Status.CONVERGED"
    if page == ROOT / "m4jax/models/README.md":
        assert (tmp_path / "again.safetensors").stat().st_size > 1_000


def _as_its_comments_say(printed):
    first, *_, one, two, rate = printed.splitlines()
    assert first == "balanced: 2 constraints, 0 of which held before"
    assert one.startswith("share of man within nurse: 39.7%, now 45.0% (42.6% to 47.4%; n = 1,638")
    assert two.endswith("balanced")
    assert float(rate) == pytest.approx(0.743, abs=1e-3)


def test_there_are_code_blocks():
    assert {markdown.name(page) for page in SHOWING} >= {
        "m4jax/balance/README.md",
        "m4jax/models/README.md",
    }
