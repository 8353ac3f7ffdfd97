"""What the tests of the pages read in Markdown: prose, blocks, links, anchors, commands."""

import re
import unicodedata
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ROOMS = ROOT / "m4jax" / "README.md"
FENCED = re.compile(r"^(```|~~~)(\w*)\n(.*?)^\1[ \t]*$", flags=re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^(?: {4}|\t).*\n?|^[ \t]*\n(?=(?: {4}|\t)))+", flags=re.MULTILINE)
LINK = re.compile(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
SPOKEN = re.compile(r"\b(e\.g|i\.e|vs|cf|approx)\.")


def pages():
    """Returns every Markdown file of the repository, but for what a study under way may write."""
    hidden = {"runs", "m4jax.egg-info"}
    found = [path for path in ROOT.rglob("*.md") if not _parts(path) & hidden]
    return sorted(path for path in found if not any(p.startswith(".") for p in _parts(path)))


def _parts(path):
    return set(path.relative_to(ROOT).parts)


def name(path):
    """Returns a page's path in the repository."""
    return path.relative_to(ROOT).as_posix()


def read(path):
    """Returns a page's text."""
    return path.read_text(encoding="utf-8")


def fenced(text, language):
    """Returns the contents of the fenced blocks of a language."""
    return [found[3] for found in FENCED.finditer(text) if found[2] == language]


def without_code(text):
    """Returns the text without blocks of code, fenced or indented below an empty line."""
    text = FENCED.sub("\n", text)
    kept, code, empty = [], False, True
    for line in text.splitlines():
        indented = bool(re.match(r" {4}|\t", line))
        code = (indented and (code or empty)) or (code and not line.strip())
        if not code:
            kept.append(line)
        empty = not line.strip()
    return "\n".join(kept) + "\n"


def code_blocks(text):
    """Returns the contents of all blocks of code, fenced or indented."""
    found = [match[3] for match in FENCED.finditer(text)]
    left = FENCED.sub("\n", text).splitlines()
    block, empty = [], True
    for line in [*left, "end"]:
        if re.match(r" {4,}\S", line) and (block or empty):
            block.append(line.strip())
        elif block and line.strip():
            found.append("\n".join(block) + "\n")
            block = []
        empty = not line.strip()
    return found


def paragraphs(text):
    """Returns pieces of prose: paragraphs, items of lists, rows of tables, without code blocks."""
    pieces = []
    for part in re.split(r"\n\s*\n", without_code(text)):
        for piece in re.split(r"\n(?=\s*(?:[-*]|\d+\.)\s|\||#)", part):
            if piece.strip():
                pieces.append(" ".join(piece.split()))
    return pieces


def sentences(text):
    """Returns the sentences of the prose: no tables, code, headings, pictures, comments."""
    text = re.sub(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)", "", text, flags=re.DOTALL)
    found = []
    for piece in paragraphs(text):
        if piece.startswith(("|", "#", "```")):
            continue
        piece = re.sub(r"^(?:[-*]|\d+\.)\s+", "", piece)
        piece = LINK.sub(r"\1", piece)
        piece = re.sub(r"`[^`]*`", "code", piece).replace("**", "").replace("<br>", " ")
        piece = SPOKEN.sub(r"\1", piece)
        found += [one for one in re.split(r"(?<=[.!?])[)”\"]?\s+", piece) if one.strip()]
    return found


def words(sentence):
    """Returns the words of a sentence; signs and numbers alone are none."""
    return [one for one in sentence.split() if re.search(r"[^\W\d_]", one)]


def anchors(text):
    """Returns the anchors of a page: those of its headings, as GitHub makes them, and its own."""
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", FENCED.sub("\n", text), re.MULTILINE):
        slug = base = _slug(LINK.sub(r"\1", heading))
        count = 0
        while slug in found:
            count += 1
            slug = f"{base}-{count}"
        found.add(slug)
    return found


def _slug(heading):
    plain = unicodedata.normalize("NFC", re.sub(r"[`*]", "", heading)).lower()
    return re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


def links(text):
    """Returns (text, target) of the links outside of code."""
    return LINK.findall(re.sub(r"`[^`]*`", "code", without_code(text)))
