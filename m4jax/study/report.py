"""Everything that is shown of a study, from its results alone."""

from rich.console import Console

from m4jax import files
from m4jax.study import figures, findings, results, tables
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
        table = results.read(layout.results).plain
        tables.write(table, layout.tables)
        figures.render(table, layout.figures)
    sentences = findings.sentences(table)
    files.write_text(layout.root / "findings.txt", "\n".join(sentences) + "\n")
    tables.show(table, console, done=done, total=total)
    console.print()
    for sentence in sentences:
        console.print(f"• {sentence}", markup=False, highlight=False)
    console.print(f"\nFigures: {layout.figures}\nTables:  {layout.tables}", highlight=False)
