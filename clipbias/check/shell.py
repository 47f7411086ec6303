"""Launch scripts, word by word: variables resolved, nothing run.

Understood: assignments (also before a command, with export, declare or local), `$NAME`, `${NAME}`, `${NAME:-default}`,
`: ${NAME:=default}`, `$((whole numbers))`, arrays and `"${NAME[@]}"`, quotes, comments and continued lines, files
written by `cat > FILE <<END`, scripts handed to `bash -c`, the branch of a `case` that its word takes (none, where only
a running shell knows the word). What only a running shell knows (`$1`, `$(command)`, a
variable of the environment) stays as it is written and is named as unknown. Of a variable assigned twice, the last
value before its use counts, as in a script without branches.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

MOST_WORDS = 50_000
MOST_FILES = 200
MOST_NAMES, MOST_FILLED = 2000, 50_000  # a variable is no longer than the line that set it
LONGEST = 20_000  # characters of a line that quotes may join
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:\[[@*]\])?(?:(:?[-=])([^{}]*))?\})")
_UNLESS_SET = re.compile(r"\s*:\s+\"?\$\{(\w+):?=([^{}]*)\}\"?\s*(?:#.*)?")
_WRITTEN = re.compile(  # cat > FILE <<END … END, in either order
    r"^[ \t]*cat\b(?:\s*>\s*(?P<file>[^\s<]+))?\s*<<-?\s*(?P<quote>['\"]?)(?P<end>\w+)(?P=quote)"
    r"(?:\s*>\s*(?P<after>\S+))?[ \t]*\n(?P<text>.{0,20000}?)^[ \t]*(?P=end)[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_ARRAY = re.compile(r"(^|\s)[A-Za-z_]\w*\+?=\(")
_SPREAD = re.compile(r"\"(\$\{\w+\[@\]\})\"")  # its quotes keep words apart, which are not joined
_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|[^'\"]+|['\"]", re.DOTALL)
_REDIRECTION = re.compile(r"&?[<>]{1,2}\s*&?[^\s;|&]*")
_SUM = re.compile(r"\$\(\(((?:[^()]|\([^()]*\))*)\)\)")
_DIGITS = re.compile(r"[\d\s+*/()-]+")
_CASE = re.compile(r"\s*case\s+(.+?)\s+in\s*")
_PATTERN = r"(?:[^\s()'\"|]|'[^']*'|\"[^\"]*\")+"
_BRANCH = re.compile(rf"\s*\(?\s*({_PATTERN}(?:\s*\|\s*{_PATTERN})*)\s*\)(.*)", re.DOTALL)
_KEYWORDS = ("export", "declare", "local", "readonly", "set", "unset", "then", "do", "else", "fi", "done", "if", "for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """words: the program and its arguments, variables resolved. environment: assigned just before it, or exported."""

    words: tuple[str, ...]
    environment: dict[str, str]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """used: whether any later line of the script names it, or it is exported."""

    value: str
    line: int
    used: bool


@dataclass(frozen=True, slots=True)
class Script:
    """files: what the script writes itself, by the name it gives. undecided: the line and word of each `case` of which
    no branch was taken here, since only a running shell knows its word."""

    commands: tuple[Command, ...]
    variables: dict[str, Variable]
    files: dict[str, str]
    undecided: tuple[tuple[int, str], ...] = ()


def _lines(text: str) -> list[tuple[int, str]]:
    """Logical lines with the number of their first: continued ones joined, quotes and brackets of arrays closed."""
    found: list[tuple[int, str]] = []
    held, start, joint = "", 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.rstrip()
        if not held:
            start = number
        quoted = joint == "\n"
        if line.lstrip().startswith("#") and not quoted:  # it ends a command that the line before carried on
            line = ""
        continued = line.endswith("\\") and not line.endswith("\\\\")
        held += joint + (line[:-1] if continued else line)
        _, opened, depth = _split(held) if len(held) < LONGEST else ([], False, 0)
        if depth > 0 and not opened and _ARRAY.search(held):
            held, continued = re.sub(r"(^|\s)#.*$", "", held), True
        joint = "\n" if opened and not continued else " "
        if continued or opened:
            continue
        if held.strip():
            found.append((start, held))
        held, joint = "", ""
    return found + [(start, line) for line in held.splitlines() if line.strip()]  # a quote that nothing closes


def _whole(text: str) -> str:
    """The value of `$((…))` where it is whole numbers, + − * / and brackets; else as it was."""
    if not _DIGITS.fullmatch(text) or len(text) > 200:
        return f"$(({text}))"
    from .python_source import calls_of

    try:
        value = calls_of(f"f(x={text.strip().replace('/', '//')})")[0].arguments["x"]
    except (SyntaxError, IndexError):
        return f"$(({text}))"
    return str(value) if isinstance(value, int) else f"$(({text}))"


def _resolved(text: str, values: dict[str, str]) -> str:
    """With its variables, but for what stands in single quotes."""
    return "".join(part if part.startswith("'") else _filled(part, values) for part in _QUOTED.findall(text))


def _filled(text: str, values: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in values and (values[name] or match[3] is None):
            return values[name]
        return match[0] if match[3] is None else match[4].strip("\"'")

    text = _SPREAD.sub(r"\1", text)
    for _ in range(8):  # a default may name another variable
        if len(_VARIABLE.findall(text)) > MOST_NAMES:
            raise ValueError(f"at most {MOST_NAMES} variables in a line")
        before, text = text, _VARIABLE.sub(value, text)
        if len(text) > MOST_FILLED:
            raise ValueError(f"lines of at most {MOST_FILLED} characters once their variables are filled in")
        if text == before:
            break

    def inner(match: re.Match[str]) -> str:
        return _whole(re.sub(r"[A-Za-z_]\w*", lambda name: values.get(name[0], name[0]), match[1]))

    return _SUM.sub(inner, text)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:  # an open quote: what a shell would carry on over lines
        return line.split()


def read_script(text: str) -> Script:
    """Every command with its words, and every variable that the script sets."""
    values: dict[str, str] = {}
    lines_of: dict[str, int] = {}
    commands: list[Command] = []
    exported: dict[str, str] = {}
    count = 0
    here = list(_WRITTEN.finditer(text)) if text.count("<<") < MOST_FILES else []
    bare = _WRITTEN.sub(lambda match: "\n" * match[0].count("\n"), text) if here else text
    cases: list[Case] = []  # that a line stands within
    undecided: list[tuple[int, str]] = []
    for number, whole in _lines(bare):
        line = _taken(whole, cases, values)
        opened = _CASE.fullmatch(whole)
        if opened and cases and cases[-1].word is None and not re.search(r"\$\{?[1-9@*]", opened[1]):
            undecided.append((number, opened[1].strip("\"'")))  # but for the script's own arguments: it has none
        if unless := _UNLESS_SET.fullmatch(line):
            values.setdefault(unless[1], _resolved(unless[2], values).strip("\"'"))
            lines_of.setdefault(unless[1], number)
            continue
        array = re.fullmatch(r"\s*(?:export\s+|declare\s+-a\s+)?([A-Za-z_]\w*)(\+?)=\((.*)\)\s*", line, re.DOTALL)
        if array:
            old = values.get(array[1], "") + " " if array[2] else ""
            values[array[1]] = (old + _resolved(array[3], values)).strip()
            lines_of[array[1]] = number
            continue
        environment: dict[str, str] = {}
        words: list[str] = []
        for part in _split(line)[0]:
            words, environment = [], {}
            split = _words(_resolved(part, values))
            for word in split:
                assigned = _ASSIGNMENT.fullmatch(word) if not words else None
                if assigned:
                    environment[assigned[1]] = (values.get(assigned[1], "") if assigned[2] else "") + assigned[3]
                elif words or word not in _KEYWORDS:
                    words.append(word)
            if words:
                environment = exported | environment
                outer = Command(words=tuple(words), environment=environment, line=number)
                handed_on = read_script(_handed_on(words, environment)).commands
                inner = [replace(c, environment=environment | c.environment, line=number) for c in handed_on]
                commands += inner or [outer]
                count += len(words)
                if count > MOST_WORDS:
                    raise ValueError(f"at most {MOST_WORDS} words")
            else:
                if split[:1] == ["export"]:
                    exported |= environment
                values |= environment
                lines_of |= dict.fromkeys(environment, number)
    used = {name: name in exported or _is_used(name, text) for name in values}
    known = {name: Variable(value=value, line=lines_of[name], used=used[name]) for name, value in values.items()}
    written = {}
    for match in here:
        name = _filled(match["file"] or match["after"] or "", values).strip("\"'")
        written[name] = match["text"] if match["quote"] else _filled(match["text"], values)
    return Script(tuple(commands), known, written, tuple(undecided))


@dataclass(slots=True)
class Case:
    """word: what is compared; None where only a running shell knows it. taken: whether a branch was. here: whether it
    is the one that a line stands in."""

    word: str | None
    taken: bool = False
    here: bool = False


def _taken(line: str, cases: list[Case], values: dict[str, str]) -> str:
    """What of a line a shell would run, by the branches of `case` that it is within; `cases` is kept up to date."""
    if opened := _CASE.fullmatch(line):
        word = _filled(opened[1], values).strip("\"'")
        cases.append(Case(None if "$" in word or "`" in word else word))
        return ""
    if not cases:
        return line
    case = cases[-1]
    if line.strip() == "esac":
        cases.pop()
        return ""
    if not case.here and (branch := _BRANCH.fullmatch(line)):
        patterns = (pattern.strip().strip("\"'") for pattern in branch[1].split("|"))
        case.here = case.word is not None and not case.taken and any(fnmatchcase(case.word, p) for p in patterns)
        case.taken |= case.here
        line = branch[2]
    run = all(outer.here for outer in cases)
    if re.search(r";;&?\s*(#.*)?$", line):
        case.here = False
    return line if run else ""


def _handed_on(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """The script that a command hands to another shell, as `srun bash -c "…"` and `COMMAND="…" sbatch` do."""
    if words[0] == "sbatch" and "COMMAND" in environment:
        return environment["COMMAND"]
    for shell, option, script in zip(words, words[1:], words[2:], strict=False):
        if shell.rsplit("/", 1)[-1] in ("bash", "sh") and re.fullmatch(r"-[a-z]*c", option):
            return script
    return ""


def _split(line: str) -> tuple[list[str], bool, int]:
    """A line at its unquoted ;, | and &, without redirections and comments; whether it ends within quotes; and how many
    brackets are open."""
    parts, current, quote, depth, command, i = [], "", "", 0, False, 0
    while i < len(line):
        char = line[i]
        if char == "\\" and quote != "'":
            current += line[i : i + 2]
            i += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char in "()":
            command = command if depth else line[i - 1 : i + 1] == "$(" and line[i + 1 : i + 2] != "("
            depth = max(0, depth + (1 if char == "(" else -1))
        elif depth > 0 and command and char == " ":
            char = "\\ "  # a substitution stays one word
        elif depth <= 0 and char == "#" and current[-1:] in ("", " ", "\t"):
            break
        elif depth <= 0 and (match := _REDIRECTION.match(line, i)):
            current = re.sub(r"(^|\s)\d$", r"\1", current)
            i = match.end()
            continue
        elif depth <= 0 and char in ";|&":
            parts.append(current)
            current, char = "", ""
        current += char
        i += 1
    return [*parts, current], bool(quote), depth


def _is_used(name: str, text: str) -> bool:
    text = re.sub(r"(?m)^\s*:\s+\"?\$\{\w+:?=", "", text)
    return re.search(rf"\$\{{?(?:#|!)?{name}\b|\$\(\([^)]*\b{name}\b", text) is not None
