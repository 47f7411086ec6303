"""The audit as one HTML page: self-contained, everything that comes from a log escaped, figures drawn inside."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
from matplotlib.figure import Figure

from clipbias.common import style
from clipbias.common.files import write_text
from clipbias.validate.report import html

from .audit import Audit
from .log import Log, Role, Series
from .words import gap_words, say

DRAWN = (
    ("Entropy", (Role.ENTROPY,)),
    (
        "Clipped share",
        (Role.CLIP, Role.CLIP_LOW, Role.CLIP_HIGH, Role.CAPPED, Role.OUTSIDE_LOW, Role.OUTSIDE_HIGH, Role.OUTSIDE),
    ),
    ("Reward", (Role.MEASURE, Role.REWARD)),
    ("Groups with one reward, answers cut off", (Role.ZERO_STD, Role.TRUNCATED)),
    ("Distance from the rollout's policy", (Role.KL_OLD, Role.RATIO_DISTANCE)),
    ("Gradient norm", (Role.GRAD,)),
)
COLOURS = (style.DARK, style.WARM, style.LIGHT, style.GREY, style.PREDICTED, style.MEASURED)
STYLES = ("-", "--", "-.", ":")
LATIN = "\u0250"  # the font's letters end about here
MOST_LINES, MOST_POINTS = 6, 1500
ANSWERS = {
    True: "The clip can act in this training.",
    False: "The clip cannot act in this training.",
    None: "The log does not tell whether the clip can act.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    title: str
    image: str


def write_page(audit: Audit, out: Path) -> None:
    """Raises OSError where `out` cannot be written."""
    write_text(out, page(audit))


def page(audit: Audit) -> str:
    """The page's text."""
    loader = jinja2.FileSystemLoader([Path(__file__).parent / "templates", Path(html.__file__).parent / "templates"])
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    found = audit.diagnosis
    several = len(audit.logs) > 1
    return environment.get_template("audit.html.j2").render(
        names=[visible(log.name) for log in audit.logs],
        placebos=[visible(log.name) for log in audit.placebos],
        framework=audit.framework.title,
        answer=ANSWERS[found.clip_can_act],
        steps=found.steps_per_rollout,
        findings=[(f.strength, visible(say(f)), visible(f.log), f.code) for f in found.findings],
        gaps=[(*(visible(word) for word in gap_words(gap)), gap.switch_on) for gap in found.gaps],
        figures=list(_figures((*audit.logs, *audit.placebos))),
        series=[
            (visible(f"{log.name}: {s.name}" if several else s.name), s, s.finite())
            for log in audit.logs
            for s in log.series.values()
            if s.meaning is not None
        ][:300],
    )


def visible(text: str) -> str:
    """Without characters that are not seen: controls, and marks that turn the reading direction."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _figures(logs: tuple[Log, ...]) -> Iterator[Drawn]:
    """Of one log all series of a kind, of several the first kind that any has, a line for each log."""
    for title, roles in DRAWN:
        lines = [(log, s.finite(), s.name) for role in roles for log in logs for s in log.all_of(role)]
        if len(logs) > 1:
            held = [(log, s) for role in roles for log in logs if (s := log.of(role)) is not None]
            first = next((s.meaning.role for _, s in held if s.meaning is not None), None)
            lines = [(log, s, log.name) for log, s in held if s.meaning is not None and s.meaning.role is first]
            title = f"{title}: {first.value}" if first is not None and len(roles) > 1 else title
        lines = [line for line in lines if line[1].values.size > 1][:MOST_LINES]
        if lines:
            yield Drawn(title=title, image=_svg(lines))


def _svg(lines: list[tuple[Log, Series, str]]) -> str:
    """One figure as a data URI; a name from a log is text, never mathematics."""
    figure = Figure(figsize=(7.2, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for i, (log, one, name) in enumerate(lines):
        kept = np.unique(np.linspace(0, one.values.size - 1, MOST_POINTS).astype(int))
        label = "".join(c if c < LATIN else "?" for c in visible(name)[:60]).replace("$", r"\$").lstrip("_") or "?"
        mark = "." if one.values.size < 40 else None
        x, y = log.steps[one.rows[kept]], one.values[kept]
        axes.plot(x, y, color=COLOURS[i % 6], ls=STYLES[i % 4], lw=1.3, marker=mark, ms=4, label=label)
    axes.set_xlabel("step" if all(log.counted for log, _, _ in lines) else "line of the log")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
