"""A study's claims recomputed from its table of results, by none of the project's code.

    python tests/independent/recompute.py results/ablation-laptop
    python tests/independent/recompute.py results/confirmation

compares what it finds with `tables/claims.csv` and `claims.md` to all digits written there, says
what differs, and which verdicts would be others by another reading of the rules. Needs numpy, scipy
and pyarrow. What is tested is read from the tables of `REGISTRATION.md`; of the study without a
registration, from `tables/pairs.csv` and `tables/claims.csv`. The rules are those of the
registration's text; where it leaves something open, `Reading` says so.
"""

import csv
import hashlib
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from recompute_rules import DEFAULT, Asked, Reading, Values, judged, of_claims

# What the registration calls a metric: its split, its name in the results, whether its size counts.
METRICS = {
    "|RB|": ("objects", "representation_bias", True),
    "RB": ("objects", "representation_bias", False),
    "mean |AB|": ("faces", "association_bias_mean", False),
    "r": ("faces", "association_correlation", False),
    "things": ("objects", "acc1", False),
    "occupations": ("workers", "acc1", False),
    "gender": ("faces", "gender_acc1", False),
    "gender, new vendor": ("shift", "gender_acc1", False),
    "image→text R@50": ("scenes", "text_retrieval_recall@50", False),
    "text→image R@50": ("scenes", "image_retrieval_recall@50", False),
}
# "Levels that are not named are the default ones: throughout, strong, S/16 64, clean, CLIP, no
# filter, no error."
DEFAULTS = {"throughout", "strong", "S/16 64", "clean", "CLIP", "off", "0%"}
PLAIN = {"kind", "run_id", "seed", "step", "split", "metric", "label", "value", "ci_low", "ci_high",
         "n", "metric_version", "draws"}  # fmt: skip
WEIGHTS = {1: (1.0,), 2: (1.0, -1.0), 3: (1.0, -0.5, -0.5), 4: (1.0, -1.0, -1.0, 1.0)}
ANY = {"6b"}  # of the study without a registration: claims of what can happen
PUBLISHED = ("mean", "low", "high", "p", "p_corrected", "p_null", "p_null_corrected", "deviation",
             "pictures", "verdict")  # fmt: skip
Found = Sequence[tuple[Asked, Values]]
Needs = Mapping[str, str]  # claim -> "All" or "Any"


class Runs:
    """The numbers of all runs of a study's tables; `registration`: hash that they must carry."""

    def __init__(self, paths: Sequence[Path], registration: str = ""):
        self.levels: dict[str, dict[str, str]] = {}
        self.seed: dict[str, int] = {}
        self._values: dict[tuple[str, str, str], tuple[float, np.ndarray]] = {}
        for path in paths:
            carried = pq.read_schema(path).metadata.get(b"registration", b"").decode()
            if carried != registration:
                raise ValueError(f"{path}: made under another registration ({carried or 'none'})")
            table = pq.read_table(path, filters=[("kind", "==", "run"), ("label", "==", "")])
            factors = [name for name in table.column_names if name not in PLAIN]
            draws = table["draws"].combine_chunks()
            ends, flat = draws.offsets.to_numpy(), draws.values.to_numpy().astype(float)
            for i, row in enumerate(table.drop_columns(["draws"]).to_pylist()):
                key = row["split"], row["metric"], row["run_id"]
                if key in self._values:
                    raise ValueError(f"{path}: {key} is there twice")
                self._values[key] = row["value"], flat[ends[i] : ends[i + 1]]
                self.levels[row["run_id"]] = {name: row[name] for name in factors}
                self.seed[row["run_id"]] = row["seed"]

    def value(self, asked: Asked, run: str) -> tuple[float, np.ndarray] | None:
        """Returns a run's number and its deviations; None if it has none."""
        found = self._values.get((asked.split, asked.metric, run))
        if found is None or not math.isfinite(found[0]):
            return None
        value, draws = found
        # The size |x| moves with x where x is positive, against it where x is negative.
        return (abs(value), draws * np.sign(value)) if asked.size else (value, draws)

    def combined(self, asked: Asked, runs: Sequence[tuple[float, str]]):
        """Returns Σ a · value of runs, and of their deviations; None if a run is missing."""
        parts = [(a, self.value(asked, run)) for a, run in runs]
        if any(part is None for _, part in parts):
            return None
        least = min(len(draws) for _, (_, draws) in parts)
        total = sum(a * value for a, (value, _) in parts)
        return total, sum(a * draws[:least] for a, (_, draws) in parts)

    def by_seed(self, asked: Asked) -> Values:
        """Returns a registered contrast: each term is one run of each seed."""
        names = {name for levels in self.levels.values() for name in levels}
        known = {name: {levels[name] for levels in self.levels.values()} for name in names}
        place: dict[tuple, list[str]] = {}
        for run, levels in self.levels.items():
            place.setdefault((self.seed[run], *sorted(levels.items())), []).append(run)
        found = []
        for seed in sorted(set(self.seed.values())):
            runs = []
            for a, named in asked.terms:
                levels = {name: _default(name, known[name]) for name in names - set(named)} | named
                runs += [(a, run) for run in place.get((seed, *sorted(levels.items())), ())]
            if len(runs) > len(asked.terms):
                raise ValueError(f"{asked.text}: two runs of seed {seed} are the same")
            one = self.combined(asked, runs) if len(runs) == len(asked.terms) else None
            found += [] if one is None else [one]
        return _stacked(found)


def _default(factor: str, levels: set[str]) -> str:
    chosen = levels & DEFAULTS
    if len(chosen) != 1:
        raise ValueError(f"{factor}: expected one default among {sorted(levels)}")
    return chosen.pop()


def _stacked(found: Sequence[tuple[float, np.ndarray]]) -> Values:
    least = min((len(draws) for _, draws in found), default=0)
    values = np.array([value for value, _ in found])
    return Values(values, np.array([d[:least] for _, d in found]).reshape(len(found), least))


def registered(text: str, runs: Runs) -> tuple[list[Asked], dict[str, str]]:
    """Reads the tables of a registration: the contrasts, and claim -> "All" or "Any"."""
    levels: dict[str, str] = {}
    for factor, level in {pair for of in runs.levels.values() for pair in of.items()}:
        if levels.setdefault(level, factor) != factor:
            raise ValueError(f"{level}: a level of {factor} and of {levels[level]}")
    asked, needs, claim = [], {}, ""
    for line in text.splitlines():
        if heading := re.match(r"\*\*(\w+)\. .+\*\* (All|Any) of:$", line):
            claim = heading[1]
            needs[claim] = heading[2]
        elif line.startswith("| ") and claim:
            cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells[1] != "metric" and set(line) - set("| -"):
                asked.append(_row(claim, *cells, levels))
    decide = re.search(r"^(\d+) contrasts that decide", text, re.M)
    if decide and int(decide[1]) != sum(not one.reported for one in asked):
        raise ValueError(f"expected {decide[1]} contrasts that decide")
    return asked, needs


def _row(
    claim: str, text: str, metric: str, contrast: str, side: str, m: str, levels: Mapping[str, str]
) -> Asked:
    split, name, size = METRICS[metric]
    terms = re.findall(r"([+−]) \(([^()]*)\)", contrast)
    if " ".join(f"{sign} ({of})" for sign, of in terms) != contrast:
        raise ValueError(f"{claim}: not a contrast: {contrast}")
    number = math.nan if m == "–" else float(m) / 100
    sides = {"above 0": 1, "below 0": -1, "no difference": 0, "above −m": 1, "below +m": -1}
    falls = number if side.endswith("m") else 0.0
    return Asked(
        claim, text, name, split, size, sides.get(side, 1), falls, number, side == "reported",
        tuple((1.0 if sign == "+" else -1.0, _levels(of, levels)) for sign, of in terms),
    )  # fmt: skip


def _levels(text: str, known: Mapping[str, str]) -> dict[str, str]:
    """Returns factor -> level of "balanced, last 10%, own rate": commas are in names as well."""
    parts, found, at = text.split(", "), {}, 0
    while at < len(parts):
        ends = range(len(parts), at, -1)
        end = next((k for k in ends if ", ".join(parts[at:k]) in known), None)
        if end is None or known[", ".join(parts[at:end])] in found:
            raise ValueError(f"no levels: {text}")
        found[known[", ".join(parts[at:end])]] = ", ".join(parts[at:end])
        at = end
    return found


def published(folder: Path, runs: Runs) -> Iterator[tuple[Asked, Values]]:
    """Yields the contrasts of a study without a registration, formed of the runs it names."""
    pairs: dict[tuple[str, str], dict[int, list]] = {}
    asked = [_published_row(row) for row in rows_of(folder / "tables" / "claims.csv")]
    by_key = {(one.claim, one.text): one for one in asked}
    for row in rows_of(folder / "tables" / "pairs.csv"):
        key, ids = (row["claim"], row["contrast"]), row["runs"].split()
        one = runs.combined(by_key[key], list(zip(WEIGHTS[len(ids)], ids, strict=True)))
        if {runs.seed[run] for run in ids} != {int(row["seed"])} or written(one[0]) != row["value"]:
            raise ValueError(f"pairs.csv: {row} is not of these runs")
        pairs.setdefault(key, {}).setdefault(int(row["seed"]), []).append(one)
    for key, one in by_key.items():
        # What is independent is the seed: of several models the mean.
        means = [
            (np.mean([v for v, _ in of]), np.mean([d for _, d in of], 0))
            for _, of in sorted(pairs.get(key, {}).items())
        ]
        yield one, _stacked(means)


def _published_row(row: Mapping[str, str]) -> Asked:
    side, bound = row["expected"].split()
    m = float(row["smallest"]) if row["smallest"] else math.nan
    falls = 0.0 if side == "within" else abs(float(bound))
    number = {"above": 1, "below": -1, "within": 0}[side]
    reported = row["verdict"] == "reported"
    return Asked(row["claim"], row["contrast"], row["metric"], row["split"], False, number, falls,
                 falls or m, reported)  # fmt: skip


def rows_of(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a csv file."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def written(value: float | str) -> str:
    """Returns a value as csv files have it."""
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else format(value, ".6g")


def study(folder: Path) -> tuple[Found, Needs]:
    """Returns the contrasts of a published study with their values, and what claims need."""
    text = folder / "REGISTRATION.md"
    if not text.exists():
        found = list(published(folder, Runs([folder / "results.parquet"])))
        return found, {a.claim: "Any" if a.claim in ANY else "All" for a, _ in found}
    parts = sorted((folder / "seeds").glob("*.parquet"))
    runs = Runs(parts, hashlib.sha256(text.read_bytes()).hexdigest())
    asked, needs = registered(text.read_text(encoding="utf-8"), runs)
    return [(one, runs.by_seed(one)) for one in asked], needs


def differing(folder: Path, found: Found, needs: Needs) -> tuple[int, list[str]]:
    """Compares a study with what is published of it; returns how many numbers, and what differs."""
    rows = judged(found)
    told = rows_of(folder / "tables" / "claims.csv")
    if [(r["claim"], r["contrast"]) for r in told] != [(a.claim, a.text) for a, _ in found]:
        return 0, ["other contrasts"]
    lines = [
        f"{row['claim']} {row['contrast']}: {name}: {row[name]}, recomputed {written(mine[name])}"
        for row, mine in zip(told, rows, strict=True)
        for name in PUBLISHED
        if row[name] != written(mine[name])
    ]
    text = (folder / "claims.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| (\w+) \| .*? \| \*\*(.+?)\*\*", text, re.M))
    mine = of_claims(found, rows, needs)
    lines += [f"{k}: {said.get(k)}, recomputed {v}" for k, v in mine.items() if said.get(k) != v]
    return len(told) * len(PUBLISHED) + len(said), lines


def others(found: Found, needs: Needs) -> list[str]:
    """Returns the verdicts that would be others by another reading of the text."""

    def verdicts(reading: Reading) -> dict[str, str]:
        rows = judged(found, reading)
        each = {f"{a.claim} {a.text}": r["verdict"] for (a, _), r in zip(found, rows, strict=True)}
        return each | of_claims(found, rows, needs)

    usual, lines = verdicts(DEFAULT), []
    for name, value in DEFAULT._asdict().items():
        other = verdicts(DEFAULT._replace(**{name: not value}))
        lines += [f"{name}={not value}: {k}: {v}" for k, v in other.items() if v != usual[k]]
    return lines


def main(folder: Path) -> int:
    """Prints what differs; returns 1 if something does."""
    found, needs = study(folder)
    count, lines = differing(folder, found, needs)
    print(f"{folder}: {count} numbers and verdicts compared, {len(lines)} differ")
    print("\n".join([*lines, "Verdicts by other readings of the text:", *others(found, needs)]))
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
