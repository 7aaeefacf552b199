"""Files of environment variables."""

from pathlib import Path

import click
import pytest

from bridge.cli.env_file import read_env_file
from tests.cases import every_case


@every_case(
    ("line", "value"),
    [
        ("A=", ""),
        ("A=x#y", "x#y"),
        ("A=x # comment", "x"),
        ('A="x # y"', "x # y"),
        ('A="x y" # comment', "x y"),
        ("A='x' # it's one", "x"),
        ('A="x" "y"', 'x" "y'),
        ('A="x', '"x'),
        ("\ufeffA=x\r", "x"),
    ],
)
def test_what_a_line_says(line: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "variables").write_bytes(f"{line}\n".encode())
    assert read_env_file(str(tmp_path / "variables")) == {"A": value}


@every_case(
    ("content", "fact"),
    [(b"A=1\nnonsense\n", "line 2"), (b"A=x\0y\n", "line 1"), (b"A=caf\xe9\n", "UTF-8")],
)
def test_what_is_not_a_file_of_variables(content: bytes, fact: str, tmp_path: Path) -> None:
    (tmp_path / "variables").write_bytes(content)
    with pytest.raises(click.UsageError, match=fact):
        read_env_file(str(tmp_path / "variables"))
