"""What of a set of examples is not known, in sentences."""

import re
import shlex
from collections.abc import Mapping

import numpy as np

from m4jax.audit.config import AuditConfig, SetConfig
from m4jax.audit.inputs.joining import Rows
from m4jax.audit.inputs.shown import Shown
from m4jax.data.readers.collection import Collection
from m4jax.data.readers.fields import NONE, say
from m4jax.data.readers.folder import FOLDER

REASONS = 4  # why examples are left out, told one by one
_ROW = re.compile(r"^row [\d,]+: ")


def of_set(one: SetConfig, collection: Collection | None, rows: Rows) -> list[str]:
    """Returns what of a set is not known, a sentence each."""
    told = []
    if collection is not None and collection.left_out:
        told += _left_out(one, collection, any(rows.captions))
    if rows.missing:
        told.append(f"the table says nothing of {rows.missing:,} of {len(rows.uids):,} examples "
                    f"of {one.title}")  # fmt: skip
    for name, number in rows.disagreeing.items():
        told.append(f"rows of the table disagree about {name} of {number:,} examples of "
                    f"{one.title}: not known")  # fmt: skip
    return told


def _left_out(one: SetConfig, collection: Collection, captions: bool) -> list[str]:
    """Returns what was left out, a sentence for each reason, and how much is left."""
    by_reason: dict[str, list[str]] = {}
    for name, why in collection.left_out.items():
        by_reason.setdefault(_ROW.sub("", why), []).append(name)
    ordered = sorted(by_reason.items(), key=lambda x: -len(x[1]))
    told = [
        f"{len(names):,} of {one.title} were left out: {why} ({names[0]}, for one)"
        for why, names in ordered[:REASONS]
    ]
    rest = sum(len(names) for _, names in ordered[REASONS:])
    told += [f"{rest:,} more of {one.title} were left out, for other reasons"] if rest else []
    told[-1] += f"; {len(collection):,} examples are left"
    table = getattr(collection, "table", "")
    if table and captions:
        how = f"--config.data={shlex.quote(table)} --config.image={NONE}"
        told.append(f"captions can be audited whether their pictures are there or not: {how}")
    return told


def of_shown(shown: Shown, config: AuditConfig, collection: Collection | None) -> list[str]:
    """Returns which captions are none, and whether nothing is known at all, and why."""
    without, n, told = sum(not texts for texts in shown.captions), len(shown), []
    if 0 < without < n:
        told.append(f"{without:,} of {n:,} examples of {shown.name} have no caption, or none that "
                    "is text in UTF-8")  # fmt: skip
    if not shown.attributes and not shown.nobody.any():
        told.append(
            f"nothing is known of who is in {shown.name}: {_why_nothing(shown, config, collection)}"
            ", and config.attributes names no column of config.data or config.table"
        )
    return told


def _why_nothing(shown: Shown, config: AuditConfig, collection: Collection | None) -> str:
    """Returns why captions tell of nobody, and what to do where a column may hold them."""
    if not config.lexicon:
        return "the lexicon is off (config.lexicon)"
    if any(shown.captions):
        return "the captions have none of the lexicon's words for people"
    columns = [x for x in getattr(collection, "columns", ()) if x != FOLDER]
    if not columns:
        return "there are no captions"
    table = getattr(collection, "table", "") or collection.name
    return f"there are no captions; if a column of {table} holds them: {say('caption', columns)}"


def of_answers(one: SetConfig, predictions: Mapping[str, np.ndarray]) -> list[str]:
    """Returns how many answers of a model are none of the values, a sentence for each attribute."""
    return [
        f"{int((codes < 0).sum()):,} answers of {one.title} about {name} are none of its values"
        for name, codes in predictions.items()
        if (codes < 0).any()
    ]
