"""What tests share: problems, worlds, judges, and scripts that tests run as processes."""

from pathlib import Path

HELPERS = Path(__file__).parent
