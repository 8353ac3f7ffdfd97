"""Everything that is shown of a study, from its results alone."""

from rich.console import Console

from m4jax import files
from m4jax.study import (
    claims,
    claims_report,
    figures,
    figures_ablation,
    findings,
    results,
    tables,
)
from m4jax.study.layout import Layout


def show(layout: Layout, console: Console, *, total: int) -> int:
    """Writes tables, figures, findings and claims from results.parquet, and prints the gist.

    Neither the runs nor an accelerator are needed; the same results give the same bytes.

    Args:
      layout: where results.parquet is, and all else is written.
      console: where to print.
      total: number of runs that the study consists of.

    Returns:
      The number of runs that the results are from.

    Raises:
      InputError: if there are no results, or they are damaged.
    """
    whole = results.read(layout.results)
    done = len(set(whole.select(kind="run")["run_id"].tolist()))
    plain = whole.plain
    with console.status("drawing figures"):
        for folder in (layout.tables, layout.figures):
            files.sweep(folder)  # what a killed command left half written
        tables.write(plain, layout.tables)
        figures.render(plain, layout.figures, figures.FIGURES)
        if len(whole.factors) > 1:
            _write_claims(whole, layout, part=f"{done} of {total}" if done < total else "")
    sentences = findings.sentences(plain)
    files.write_text(layout.root / "findings.txt", "\n".join(sentences) + "\n")
    tables.show(plain, console, done=done, total=total)
    console.print()
    for sentence in sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)
    console.print(f"\nFigures: {layout.figures}\nTables:  {layout.tables}", highlight=False)
    if len(whole.factors) > 1:
        console.print(f"Claims:  {layout.claims}", highlight=False)
    return done


def _write_claims(whole: results.Results, layout: Layout, *, part: str) -> None:
    """Writes what the runs say of the paper's claims, and the figures of a study of many factors.

    `part`: how many of the runs there are, if not all.
    """
    more = figures_ablation.FIGURES | {"claims": claims_report.at_a_glance}
    figures.render(whole, layout.figures, more)
    found = claims.test(whole)
    results.write_csv(layout.tables / "claims.csv", claims_report.rows(found))
    text = claims_report.markdown(whole, found)
    if part:
        text = text.replace("\n\n", f"\n\n**Incomplete: {part} runs.**\n\n", 1)
    files.write_text(layout.claims, text)
