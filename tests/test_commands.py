"""What all commands share: how bad flags are told."""

import sys
from pathlib import Path

import pytest
from helpers import commands

import configs


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


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that none can write")
@pytest.mark.parametrize(("command", "config"), [("train", "base"), ("grid", "quickstart")])
def test_a_working_directory_that_can_not_be_made_is_told(command, config):
    done = commands.run(command, f"--config=configs/{config}.py", "--workdir=/proc/none/deep")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --workdir: /proc/none/deep can't be made, since nothing ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\nhi", "can't be run: NameError: name 'hi' is not defined (line 2)"),
        ("", "has no get_config(), as configs/quickstart.py has"),
    ],
)
def test_what_is_wrong_with_a_configuration_of_ones_own_is_told(tmp_path, monkeypatch, text, told):
    # In one process, the module of a configuration keeps what the one before it defined.
    monkeypatch.delitem(sys.modules, "config_config", raising=False)
    (tmp_path / "own.py").write_text(text)
    done = commands.run("grid", f"--config={tmp_path / 'own.py'}", f"--workdir={tmp_path / 'w'}")
    assert (done.returncode, done.stderr) == (2, f"error: --config: {tmp_path / 'own.py'} {told}\n")


@pytest.mark.parametrize(
    "argument",
    ["--config=configs/quickstart.py", "configs/ablation.py:laptop", "--config=configs/own.py",
     "--workdir=configs/quickstart.py", "--config.train.steps=5", "--action=run", "a=b"],
)  # fmt: skip
def test_configurations_are_taken_from_the_checkout_where_there_is_one(argument):
    assert configs.located(argument) == argument


@pytest.mark.parametrize(("flag", "more"), [("--config=", ""), ("", ""), ("-config=", ":laptop")])
def test_without_a_checkout_they_are_taken_from_the_packages(tmp_path, monkeypatch, flag, more):
    monkeypatch.chdir(tmp_path)
    found = configs.located(f"{flag}configs/ablation.py{more}")
    assert found == f"{flag}{Path(configs.__file__).parent / 'ablation.py'}{more}"
    unknown = f"{flag}configs/own.py{more}"
    assert configs.located(unknown) == unknown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "error: --config is missing, as in --config=configs/quickstart.py"),
        (("--config=configs/quickstart.py",), "error: --workdir is missing, as in"),
        (("--config=configs/quickstrat.py", "--workdir=w"), "did you mean 'configs/quickstart.py'"),
        (("--config=configs/quickstart.py", "--workdir=w", "--config.train.steps=x"),
         "expected a whole number, got 'x'"),
        (("--config=configs/quickstart.py", "--workdir=w", "status"),
         "error: unexpected 'status'; flags are --name=value"),
    ],
)  # fmt: skip
def test_what_is_missing_or_mistyped_is_named(arguments, told):
    done = commands.run("grid", *arguments)
    assert done.returncode == 2 and told in done.stderr
    assert len(done.stderr.splitlines()) == 1
