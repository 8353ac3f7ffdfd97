"""Runs notebooks and keeps what they show, without what changes from one run to the next.

    python notebooks/run.py method tour      # in place; without names: all of them
    python notebooks/run.py --check method   # writes nothing: fails if a cell does, or if what is
                                             # shown differs from what is kept, but for its numbers

A cell that fails, warns or prints to stderr is an error. Needs the extra "test".
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parent
SECONDS = 1800  # that one cell may take, on a machine that is busy otherwise
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
Shown = list[list[tuple[str, ...]]]


class NotebookError(ValueError):
    """A notebook fails, or shows something else than it keeps."""


def names() -> list[str]:
    """Returns the names of all notebooks."""
    return sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def read(name: str) -> nbformat.NotebookNode:
    """Returns a notebook as it is kept."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def execute(name: str) -> nbformat.NotebookNode:
    """Returns a notebook with the outputs of a new run, in this folder and a kernel of its own.

    Raises:
        NotebookError: if a cell fails, or writes to stderr, as warnings do.
    """
    notebook = read(name)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            # By sockets that are files of this user, not by ports.
            km=AsyncKernelManager(
                kernel_name=KERNEL["name"],
                transport="ipc",
                connection_file=str(Path(folder) / "kernel.json"),
            ),
            timeout=SECONDS,
            startup_timeout=SECONDS,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(FOLDER)}},
        )
        try:
            client.execute(cleanup_kc=True)  # ends the kernel
        except CellExecutionError as error:
            raise NotebookError(f"{name}: {error}") from None
    # What a run adds here are versions of Python and of the kernel.
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    )
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name == "stderr":
                raise NotebookError(f"{name}, cell {cell.id!r} writes to stderr: {output.text}")
    return notebook


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Returns the cells of code."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: nbformat.NotebookNode) -> Shown:
    """Returns what each cell of code shows: kinds of data, and words of three letters or more.

    Numbers are left out: their last digits are not the same on all processors.
    """
    return [[_kinds_and_words(x) for x in cell.outputs] for cell in code_cells(notebook)]


def _kinds_and_words(output: nbformat.NotebookNode) -> tuple[str, ...]:
    if output.output_type == "stream":
        text, kinds = output.text, [output.name]
    else:
        text, kinds = output.get("data", {}).get("text/plain", ""), sorted(output.get("data", {}))
    return (output.output_type, *kinds, *re.findall(r"[^\W\d_]{3,}", text))


def check(name: str) -> None:
    """Runs a notebook and compares what it shows with what is kept.

    Raises:
        NotebookError: as for `execute`, or where they differ.
    """
    kept, new = read(name), execute(name)
    for cell, one, two in zip(code_cells(kept), shown(kept), shown(new), strict=True):
        if one != two:
            raise NotebookError(
                f"{name}, cell {cell.id!r}: kept is {one}, a new run shows {two}; "
                f"run: python notebooks/run.py {name}"
            )


def main() -> int:
    """Runs the notebooks named in the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="all by default")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    try:
        for name in arguments.names or names():
            if name not in names():
                raise NotebookError(f"no notebook {name!r}; there are: {', '.join(names())}")
            if arguments.check:
                check(name)
            else:
                nbformat.write(execute(name), FOLDER / f"{name}.ipynb")
            print(f"{name}: {'as kept' if arguments.check else 'written'}", flush=True)
    except NotebookError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
