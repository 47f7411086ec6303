"""What a model reads under each style, and that the package's own say what they said before styles had a table."""

import pytest

from clipbias.validate.tasks.problems import Problem, Prompt
from clipbias.validate.tasks.styles import STYLES

QUESTION = Problem("What is 3*4?", 12)
LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore."


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("plain", "What is 3*4? Box it."),
        ("lorem", f"{LOREM}\n\nWhat is 3*4? Box it."),
        ("python", "What is 3*4? Box it.\n\nLet's solve this using Python."),
        (
            "story",
            "Last night on the train a stranger told me a long story, and I have forgotten all of it but this: "
            "What is 3*4? Box it.\n\nI promised to write back with what comes out. What do I write?",
        ),
        ("math-problem", "Math Problem: What is 3*4?"),
        ("none", "What is 3*4?"),
        ("qwen-default", "What is 3*4?"),
    ],
)
def test_the_question_is_put_as_it_should_be(style: str, text: str) -> None:
    put = STYLES[style].put(QUESTION, "Box it.")
    assert str(put.prompt) == text
    assert put.answer == 12


def test_surroundings_are_the_papers() -> None:
    steps = "Please reason step by step, and put your final answer within \\boxed{}."
    put = {name: style.put(QUESTION, "Box it.").prompt for name, style in STYLES.items()}
    assert put["qwen-default"] == Prompt("What is 3*4?", system=steps)
    assert put["python-opening"] == Prompt("What is 3*4?", system=steps, opening="Let's solve this using Python.")
    assert put["simplerl-zoo"] == Prompt(f"What is 3*4?\n{steps}", system="You are a helpful assistant.")
    assert put["math-problem"] == Prompt("Math Problem: What is 3*4?", chat=False)
    assert str(put["sober"]).endswith("Think step by step before answering.\n\nWhat is 3*4?")
    assert "'Therefore, the final answer is: $\\boxed{ANSWER}$. I hope it is correct'" in str(put["sober"])
    assert str(put["lorem-ipsum"]).endswith("est laborum.\n\nWhat is 3*4?")


def test_braces_in_a_question_stay() -> None:
    put = STYLES["sober"].put(Problem("Let $S = \\{1, 2\\}$ and {0}.", "1"), "")
    assert str(put.prompt).endswith("Let $S = \\{1, 2\\}$ and {0}.")
