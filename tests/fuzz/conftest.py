"""Tells at the end what became of the cases."""

from helpers.fuzz import OUTCOMES


def pytest_terminal_summary(terminalreporter):
    if OUTCOMES:
        terminalreporter.section("fuzz: cases by kind")
        for kind, outcomes in sorted(OUTCOMES.items()):
            counts = ", ".join(f"{n:,} {outcome}" for outcome, n in sorted(outcomes.items()))
            terminalreporter.write_line(f"{kind}: {outcomes.total():,} cases: {counts}")
