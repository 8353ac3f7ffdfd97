"""What all commands share: how bad flags are told."""

import pytest
from helpers import commands


@pytest.mark.parametrize(
    ("command", "config"), [("train", "base"), ("grid", "quickstart"), ("submit", "quickstart")]
)
@pytest.mark.parametrize("below", ["", "x/y"])
def test_a_file_is_no_working_directory(tmp_path, command, config, below):
    file = tmp_path / "file"
    file.touch()
    done = commands.run(command, f"--config=configs/{config}.py", f"--workdir={file / below}")
    assert done.returncode == 2
    assert done.stderr == f"error: --workdir: {file} is a file; name a directory, there or not\n"
