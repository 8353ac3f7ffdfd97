"""Tables of measurements on the console."""

from typing import Any

from rich.console import Console
from rich.table import Table


def show(
    console: Console, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]
) -> None:
    """Prints some columns of the rows; what a row lacks stays empty."""
    table = Table(*(name.replace("_", " ") for name in columns), title=title)
    for row in rows:
        table.add_row(*(_text(row.get(key)) for key in columns))
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else f"{value:,}" if type(value) is int else str(value)
