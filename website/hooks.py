"""What MkDocs needs to make one site of this repository's pages.

Pages outside docs/ get a place in the site, files that pages link to come along, links that are right in the repository
become right in the site, and formulas in a ```math fence or in $`…`$ become
MathML, which browsers draw without a script.
"""

import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.inlinepatterns import InlineProcessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from pymdownx.slugs import slugify
from pymdownx.superfences import SuperFencesException

import public_names
import recipe_fields

ROOT = Path(__file__).parents[1]
PLACES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "recipes/README.md": "recipes.md",
    "recipes/forecast/README.md": "recipes-forecast.md",
}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")  # the file of a relative link
NAMED_FENCE = re.compile(r"^(\s*```\w+) ([\w.-]+)$", re.MULTILINE)  # ```yaml grpo.yaml
COMMANDS = """# The command line

Written from the commands themselves. Every command takes `--json`.

::: mkdocs-click
    :module: clipbias.cli.main
    :command: clipbias
    :prog_name: clipbias
    :depth: 1
    :style: plain
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.mdx_configs["toc"] = {
        "slugify": slugify(case="lower"),
        "permalink": True,
        "toc_depth": 3,
    }  # GitHub's anchors
    config.mdx_configs["pymdownx.superfences"] = {
        "custom_fences": [{"name": "math", "class": "math", "format": _formula}]
    }
    config.markdown_extensions.append(InlineFormulas())
    return config


def _formula(source: str, *_: Any, display: str = "block", **__: Any) -> str:
    drawn = str(convert(" ".join(source.split()), display=display))
    if re.search(r">(&<|\\)", drawn):  # what the converter does not know it hands on as it is
        raise SuperFencesException(f"a formula of something that latex2mathml does not know: {source}")
    return drawn


class InlineFormulas(Extension):
    """$`x`$, as GitHub writes a formula within a line."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        md.inlinePatterns.register(_InlineFormula(r"\$`([^`]+)`\$", md), "formula", 195)  # before code, which is at 190


class _InlineFormula(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:  # noqa: N802
        return self.md.htmlStash.store(_formula(m[1], display="inline")), m.start(), m.end()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for place, uri in PLACES.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / place)))
    files.append(File.generated(config, "commands.md", content=COMMANDS))
    body, found = MarkdownExporter().from_filename(str(ROOT / "docs" / "notebook.ipynb"))
    files.append(File.generated(config, "notebook.md", content=body.replace("![png]", "![drawn by the cell]")))
    for name, picture in found["outputs"].items():
        files.append(File.generated(config, name, content=picture))
    files.append(File.generated(config, "api.md", content=public_names.page()))
    files.append(File.generated(config, "recipe-fields.md", content=recipe_fields.page()))
    files.append(File.generated(config, "style.css", abs_src_path=str(ROOT / "website" / "style.css")))
    pages = files.documentation_pages()
    linked = {_target(page.src_uri, link[1]) for page in pages for link in LINK.finditer(page.content_string)}
    for file in [file for file in files if file not in pages]:
        path = Path(file.abs_src_path or "")
        if path.is_relative_to(config.docs_dir) and path.relative_to(ROOT).as_posix() not in linked:
            files.remove(file)  # frozen runs and the like: megabytes that no page shows
    for target in sorted(linked):
        if files.get_file_from_path(_uri(target)) is None and (ROOT / target).is_file():
            files.append(File.generated(config, _uri(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    here = page.file.src_uri
    named = NAMED_FENCE.sub(r'\1 title="\2"', markdown)
    return LINK.sub(lambda link: posixpath.relpath(_uri(_target(here, link[1])), posixpath.dirname(here) or "."), named)


def _target(uri: str, link: str) -> str:
    """Where in the repository a link of the page at `uri` leads."""
    places = {there: place for place, there in PLACES.items()}
    return posixpath.normpath(posixpath.join(posixpath.dirname(places.get(uri, f"docs/{uri}")), unquote(link)))


def _uri(target: str) -> str:
    """Where in the site a file of the repository lies."""
    return PLACES.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else f"source/{target}")
