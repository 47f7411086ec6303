"""Self-contained HTML from a template in `templates/`: figures inside, everything that is not ours escaped."""

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure


def image(figure: Figure) -> str:
    """The figure as a data URI: a fifth of what PNG takes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="webp", dpi=130, pil_kwargs={"quality": 80})
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def render(template: str, **values: Any) -> str:
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template(template).render(**values)
