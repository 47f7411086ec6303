"""Launch scripts, beside what bash itself makes of them."""

import shutil
import subprocess

import pytest

from clipbias.check.shell import read_script

SCRIPTS = [
    "python train.py --a 1 --b two\n",
    "A=3\npython train.py --a $A --b ${A}x --c \"$A $A\"\n",
    "A=3; B=$((A * 4 + 2)); python train.py $B\n",
    "export A=${MISSING:-7}\npython train.py --a ${A}\n",
    "ARGS=(--a 1\n  --b 'two words'\n)\npython train.py \"${ARGS[@]}\" --c 3\n",
    "ARGS=( --a 1 $(true)\n  --b 2 # three\n  --c 'x)' )\npython train.py ${ARGS[@]}\n",
    "ARGS=(--a 1)\nARGS+=(--b 2)\npython train.py ${ARGS[@]}\n",
    "python train.py \\\n  --a 1 \\\n  --b 2\n",
    "python train.py --a 1 # --b 2\n",
    "set -x\npython train.py --a 1 && python other.py\n",
    "A=1\nA=2\npython train.py $A\n",
    "N=2 python train.py --n 1\n",
    "A='a b'\npython train.py \"$A\" '$A'\n",
    "A=1\npython train.py --a=$A a.b=[1,2] +c.d=null\n",
    "python train.py --data a/b#1000 --c 1 # --d 2\n",
    "python train.py --a 1 2>&1 | cat\n",
    "python train.py --a 1 > /dev/stdout --b 2 &\nwait\n",
    "python train.py --a $(echo 1 | cat) 'x;y' \"p|q\" r\\;s\n",
    "python train.py --json '{\n  \"a\": 1\n}' --b 2\n",
    ": ${A:=3}\n: \"${B:=4}\"\npython train.py --a $A --b $B\n",
    "true don\\'t; python train.py --a 1; python train.py --b 2\n",
    "M=b\ncase $M in\n  a) A=1 ;;\n  b|c) A=2\n  ;;\n  *) A=3 ;;\nesac\npython train.py $A\n",
    "M='x y'\ncase \"$M\" in\n  'x y') python train.py 1;;\n  (z) python train.py 2;;\nesac\npython train.py 3\n",
    "A=1\ncase abc in\n  a*) case d in\n    e) A=2 ;;\n    esac\n"
    "    B=4 ;;\n  *) A=3 ;;\nesac\npython train.py $A $B\n",
    "A=1\nwhile [[ $# -gt 0 ]]; do\n  case \"$1\" in\n    --a) A=\"$2\"; shift 2 ;;\n"
    "    *) exit 1 ;;\n  esac\ndone\npython train.py $A\n",
]  # fmt: skip


KNOWN = {"$(echo 1 | cat)": "1"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is the referee")
@pytest.mark.parametrize("script", SCRIPTS)
def test_words_are_those_that_bash_passes(script: str) -> None:
    """`python` becomes a function that prints its words."""
    shown = "python() { printf '%s\\0' \"$@\"; printf -- '--end--\\n'; }\n"
    done = subprocess.run(["bash", "-c", shown + script], capture_output=True, text=True, check=True)
    theirs = [part.split("\0")[:-1] for part in done.stdout.split("--end--\n") if part]
    ours = [list(c.words[1:]) for c in read_script(script).commands if c.words[0] == "python"]
    ours = [[KNOWN.get(word, word) for word in words if word != "$(true)"] for words in ours]  # known to bash alone
    assert ours == theirs


def test_what_only_a_running_shell_knows_stays_as_written() -> None:
    (command,) = read_script("python train.py --a $1 --b $(nproc) --c $UNSET\n").commands
    assert command.words == ("python", "train.py", "--a", "$1", "--b", "$(nproc)", "--c", "$UNSET")


def test_variables_that_nothing_names_again() -> None:
    found = read_script("CLIP=0.28\nUSED=1\nSUM=1\npython train.py $USED $((SUM + 1))\n").variables
    assert {name: variable.used for name, variable in found.items()} == {"CLIP": False, "USED": True, "SUM": True}
    assert found["CLIP"].line == 1


def test_arithmetic_is_whole_numbers_and_never_run() -> None:
    words = read_script("python a.py $((2 ** 9)) $((__import__)) $((7 / 2)) $((9**9**9**9))\n").commands[0].words
    assert "3" in words
    assert not any(len(word) > 40 for word in words)
