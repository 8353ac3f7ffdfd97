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


def write(rows: results.Rows, layout: Layout, console: Console, *, done: int, total: int) -> None:
    """Writes results.parquet, then tables, figures and findings from it, and prints the gist.

    Args:
      rows: of the finished cells.
      layout: where they are written.
      console: where to print.
      done: number of runs that the rows are from.
      total: number of runs that the study consists of.
    """
    with console.status("collecting results, drawing figures"):
        for folder in (layout.tables, layout.figures):
            files.sweep(folder)  # what a killed command left half written
        results.write(layout.results, rows)
        whole = results.read(layout.results)
        table = whole.plain
        tables.write(table, layout.tables)
        figures.render(table, layout.figures, figures.FIGURES)
        if len(whole.factors) > 1:
            _write_claims(whole, layout, part=f"{done} of {total}" if done < total else "")
    sentences = findings.sentences(table)
    files.write_text(layout.root / "findings.txt", "\n".join(sentences) + "\n")
    tables.show(table, console, done=done, total=total)
    console.print()
    for sentence in sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)
    console.print(f"\nFigures: {layout.figures}\nTables:  {layout.tables}", highlight=False)


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
    files.write_text(layout.root / "claims.md", text)
