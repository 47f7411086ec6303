"""Ways of putting a question to a model that is no organism, by the name that arms and evaluations use.

The first four are the package's own, for which the model line's instruction follows the question. The others are those
that arXiv:2506.10947 compares, and say themselves how to answer. They are questions' surroundings as published, so that
a number can be compared with theirs:

- qwen-default: the system turn that the chat template of Qwen2.5-Math adds where there is none.
- math-problem: as the paper prints it. It does not say whether a chat template is used; here it is not.
- simplerl-zoo: of Zeng et al. 2025 (arXiv:2503.18892), for Qwen models.
- sober: of Hochlehnert et al. 2025 (arXiv:2504.07086), who took it from lighteval's MATH tasks.
- lorem-ipsum: a sentence as system turn, a paragraph before the question. The paper prints its own as a picture, so
  this is the common text of Cicero's, and a number under it is not the paper's.
- python-opening: the qwen-default prompt, and the answer begins with the sentence that the paper forces.
- none: the question alone, through no template.
"""

from dataclasses import dataclass

from .problems import Problem, Prompt

_LOREM = (
    "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore et dolore."
)
_PARAGRAPH = (
    f"{_LOREM.removesuffix('.')} magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris nisi"
    " ut aliquip ex ea commodo consequat. Duis aute irure dolor in reprehenderit in voluptate velit esse cillum dolore"
    " eu fugiat nulla pariatur. Excepteur sint occaecat cupidatat non proident, sunt in culpa qui officia deserunt"
    " mollit anim id est laborum."
)
_STEPS = r"Please reason step by step, and put your final answer within \boxed{}."
_SOBER = (
    "Solve the following math problem efficiently and clearly.  The last line of your response should be of the"
    r" following format: 'Therefore, the final answer is: $\boxed{ANSWER}$. I hope it is correct' (without quotes)"
    " where ANSWER is just the final number or expression that solves the problem. Think step by step before"
    " answering.\n\n"
)
PYTHON_OPENING = "Let's solve this using Python."


@dataclass(frozen=True, slots=True)
class Style:
    """before, after: what stands around the question in the user's turn. instructed: whether the model line's
    instruction follows the question. The rest is as in `Prompt`."""

    before: str = ""
    after: str = ""
    system: str = ""
    opening: str = ""
    chat: bool = True
    instructed: bool = False

    def put(self, problem: Problem, instruction: str) -> Problem:
        question = f"{problem.prompt} {instruction}" if self.instructed and instruction else str(problem.prompt)
        text = f"{self.before}{question}{self.after}"
        return Problem(Prompt(text, self.system, self.opening, self.chat), problem.answer)


STYLES = {
    "plain": Style(instructed=True),
    "lorem": Style(before=f"{_LOREM}\n\n", instructed=True),
    "python": Style(after=f"\n\n{PYTHON_OPENING}", instructed=True),
    "story": Style(
        before="Last night on the train a stranger told me a long story, and I have forgotten all of it but this: ",
        after="\n\nI promised to write back with what comes out. What do I write?",
        instructed=True,
    ),
    "qwen-default": Style(system=_STEPS),
    "math-problem": Style(before="Math Problem: ", chat=False),
    "simplerl-zoo": Style(system="You are a helpful assistant.", after=f"\n{_STEPS}"),
    "sober": Style(before=_SOBER),
    "lorem-ipsum": Style(system=_LOREM, before=f"{_PARAGRAPH}\n\n"),
    "python-opening": Style(system=_STEPS, opening=PYTHON_OPENING),
    "none": Style(chat=False),
}
