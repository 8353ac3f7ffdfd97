"""Everything that is shown of a study, from its results alone."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from rich.console import Console

from m4jax import files
from m4jax.errors import InputError
from m4jax.report import (
    claims,
    claims_report,
    claims_table,
    data_means,
    figures,
    findings,
    questions,
    results,
    studies,
    tables,
)
from m4jax.report.studies import Study
from m4jax.terminal import text

DEFAULTS = (
    "Of the runs whose factors but the version are at their defaults alone; intervals are over "
    "pictures, not over seeds."
)


def show(
    root: str | os.PathLike,
    console: Console,
    *,
    runs: Collection[tuple[str, str]],
    study: str = studies.DEFAULT,
) -> int:
    """Writes tables, figures, findings and claims from results.parquet, and prints the gist.

    Neither the runs nor an accelerator are needed; the same results give the same bytes.

    Args:
        root: the directory of results.parquet, where all else is written.
        console: where to print.
        runs: ids of the runs that the study consists of, each with one of how it is evaluated.
        study: whose claims and questions these are; see `studies.STUDIES`.

    Returns:
        The number of runs that the results are from.

    Raises:
        InputError: if there are no results, they are damaged, of other runs as well, or of runs
            that were evaluated otherwise; for an unknown study.
    """
    root, told = Path(root), studies.find(study)
    whole = data_means.over_seeds(results.read(root / "results.parquet"))
    ids = set(whole.select(kind="run")["run_id"].tolist())
    _check_runs(root / "results.parquet", ids, whole.evaluations, runs)
    done, total = len(ids), len({run for run, _ in runs})
    plain, part = whole.plain, f"{done} of {total} runs" if done < total else ""
    with console.status("drawing figures"):
        for folder in (root / "tables", root / "figures"):
            files.sweep(folder)  # what a killed command left half written
        tables.write(plain, root / "tables")
        figures.render(whole, root / "figures", figures.FIGURES, part=part)
        if len(whole.factors) > 1:
            _write_claims(whole, root, told, part=part)
    sentences = findings.sentences(plain)
    notes = [f"Incomplete: {part}."] if part else []
    if len(whole.factors) > 1:
        notes.append(DEFAULTS)
    files.write_text(root / "findings.txt", "\n".join([*notes, *sentences]) + "\n")
    tables.show(plain, console, done=done, total=total)
    console.print()
    for sentence in sentences:
        console.print(text(f"• {sentence}"))
    console.print()
    written = {"Figures": root / "figures", "Tables": root / "tables"}
    if len(whole.factors) > 1:
        written["Claims"] = root / "claims.md"
    for name, path in written.items():
        console.print(text(f"{name + ':':8} {path}"))
    return done


def _check_runs(
    path: Path,
    ids: Collection[str],
    evaluations: Mapping[str, str],
    runs: Collection[tuple[str, str]],
) -> None:
    """Raises `InputError` unless the runs of a table, `ids`, are among `runs`, evaluated alike.

    Tables of earlier versions don't say how their runs were evaluated.
    """
    strange = sorted(set(ids) - {run for run, _ in runs})
    if strange:
        raise InputError(
            f"{path}: {len(strange)} of its {len(ids)} runs, {strange[0]} for one, are not of this "
            "configuration; name the one that it was made with"
        )
    otherwise = sorted(set(evaluations.items()) - set(runs))
    if otherwise:
        raise InputError(
            f"{path}: {len(otherwise)} of its {len(ids)} runs, {otherwise[0][0]} for one, were "
            "evaluated otherwise than this configuration says (resamples, prompts or evaluation "
            "sets); name the one that it was made with, or evaluate them anew by --action=run"
        )


def registered(
    whole: results.Results, root: str | os.PathLike, console: Console, *, study: str, part: str = ""
) -> None:
    """Writes tables, figures and claims of a registered study, and prints the verdicts.

    Args:
        whole: results of all its seeds.
        root: where all is written.
        console: where to print.
        study: whose claims and questions these are; see `studies.STUDIES`.
        part: "14 of 20 seeds", say, of a study that had to end; "": it is complete.

    Raises:
        InputError: for an unknown study.
    """
    root, told = Path(root), studies.find(study)
    whole = data_means.over_seeds(whole)
    with console.status("drawing figures"):
        for folder in (root / "tables", root / "figures"):
            files.sweep(folder)
        results.write_csv(root / "tables" / "data.csv", data_means.by_levels(whole))
        by_claim = _write_claims(whole, root, told, part=part)
    for claim in told.claims:
        verdict = claims_table.told_of(claim, by_claim[claim.number])
        console.print(text(f"{claim.number:>2}  {claim.text}", f"  {verdict}"))
    console.print(text(f"Claims: {root / 'claims.md'}"))


def _write_claims(whole: results.Results, root: Path, study: Study, *, part: str) -> claims.ByClaim:
    """Writes what the runs say of a study's claims, and its figures; returns the findings.

    `part`: how much of the study there is, if not all.
    """
    by_claim = claims.test(whole, study.claims)
    glance = {"claims": lambda _: claims_table.at_a_glance(by_claim)}
    figures.render(whole, root / "figures", study.figures | glance, part=part)
    asked = [*([study.beside] if study.beside else ()), *study.questions]
    for name, rows in {
        "claims": claims_table.rows(by_claim),
        "beyond": questions.rows(whole, asked),
        "pairs": claims_table.pairs(by_claim),
    }.items():
        results.write_csv(root / "tables" / f"{name}.csv", rows)
    text = claims_report.markdown(whole, by_claim, study, part=part)
    files.write_text(root / "claims.md", text)
    return by_claim
