"""A process says what the command says in the tests' own process, to the letter."""

import subprocess
import sys

import pytest
from clock import timeless

SHAPE = (
    "--probs 0.65,0.35 --learning-rate 1 --group-size 8 --groups-per-minibatch 2 --minibatches 3 --success-prob 0.5"
    " --clip-low 0.2 --clip-high none"
)


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--help",
        "theory phase --help",
        f"theory phase {SHAPE}",
        f"theory phase {SHAPE} --json",
        f"theory phase {SHAPE} --clip-low 1.3",
        f"theory phase {SHAPE} --plot x.gif --json",
        f"theory evolve {SHAPE} --learning-rate 4 --phases 2 --json",
        f"simulate run {SHAPE} --replicates 500 --json",
        "theory nothing",
        "validate run",
    ],
)
def test_a_process_says_the_same(arguments: str, program, clipbias) -> None:
    alone, here = program(arguments), clipbias(arguments)
    assert (alone.returncode, alone.stdout, timeless(alone.stderr)) == (here.returncode, here.stdout, here.stderr)


def test_a_terminal_without_the_characters_gets_the_numbers() -> None:
    """± in ASCII is a question mark, not a traceback."""
    code = "import sys; sys.argv = ['clipbias', *sys.argv[1:]]; from clipbias.cli.main import main; main()"
    command = [sys.executable, "-X", "utf8=0", "-c", code, "simulate", "run", *SHAPE.split(), "--replicates", "500"]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=False)
    assert (done.returncode, timeless(done.stderr.decode())) == (0, "")
    assert b"?" in done.stdout
