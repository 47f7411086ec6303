"""The page itself, by NiceGUI: sliders to the left, what they ask to the right; a second tab takes a configuration.

It is served to this machine alone. Nothing is written, and what is given leaves the machine nowhere.
"""

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from nicegui import app, events, run, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from clipbias.check.check import check_documents
from clipbias.check.document import LARGEST, parse
from clipbias.check.words import possibilities, rows, verdict
from clipbias.common.errors import InputError
from clipbias.common.style import DARK

from .setting import SLIDERS, UPDATES, Setting
from .views import VIEWS

HOST = "127.0.0.1"
RATIO_STD, SUCCESS_PROB = 0.1, 0.5  # as `clipbias check` has them


def serve(port: int, *, show: bool) -> None:
    """Serve the page at http://127.0.0.1:port until interrupted. show: in a browser window."""
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])  # no other name may lead here
    ui.run(build, host=HOST, port=port, title="clipbias", show=show, reload=False, show_welcome_message=False)


def build() -> None:
    """The page, anew for everyone who opens it."""
    ui.colors(primary=DARK)
    with ui.header().classes("items-center"):
        ui.label("clipbias: what a clip does when the reward says nothing").classes("text-h6")
    with ui.tabs() as tabs:
        toy, configuration = ui.tab("Ask the toy"), ui.tab("Check a configuration")
    with ui.tab_panels(tabs, value=toy).classes("w-full"):
        with ui.tab_panel(toy):
            Toy().build()
        with ui.tab_panel(configuration):
            _check()


@dataclass(slots=True)
class Toy:
    """The sliders, and the places of what they ask. asked: how often, so that a late answer to an old question is
    dropped."""

    values: dict[str, Any] = field(default_factory=lambda: {s.field: s.start for s in SLIDERS} | {"optimizer": "plain"})
    on: dict[str, bool] = field(default_factory=lambda: {"clip_low": True, "clip_high": True})
    places: list[tuple[ui.label, ui.image]] = field(default_factory=list)
    said: ui.label | None = None
    asked: int = 0

    def build(self) -> None:
        with ui.row().classes("w-full no-wrap max-md:flex-wrap gap-8"):
            with ui.column().classes("w-80 shrink-0 max-md:w-full"):
                for slider in SLIDERS:
                    self._slider(slider.field, slider.label, slider.low, slider.high, slider.step)
                ui.select(list(UPDATES), label="Optimizer", on_change=self.ask).bind_value(
                    self.values, "optimizer"
                ).classes("w-full")
                ui.label("Adam moves every logit by about η: try 0.04.").classes("text-caption")
            with ui.column().classes("grow min-w-0"):
                self.said = ui.label().classes("text-negative").props("role=status")
                for title, _ in VIEWS:
                    ui.label(title).classes("text-h6").props("role=heading aria-level=2")
                    words, image = ui.label(), ui.image().classes("w-full max-w-3xl").props(f'alt="{title}"')
                    self.places.append((words, image))
        ui.timer(0.1, self.ask, once=True)

    def _slider(self, name: str, label: str, low: float, high: float, step: float) -> None:
        with ui.row().classes("w-full items-center no-wrap"):
            ui.label(label)
            ui.space()
            if name in self.on:
                ui.switch("on", on_change=self.ask).bind_value(self.on, name).props(f'dense aria-label="{label}: on"')
            ui.label().bind_text_from(self.values, name, lambda value: f"{value:g}").classes("text-weight-bold")
        slider = ui.slider(min=low, max=high, step=step).bind_value(self.values, name)
        slider.props(f'aria-label="{label}"').on("change", self.ask).classes("w-full -mt-4")

    def setting(self) -> Setting:
        whole = {s.field: int(self.values[s.field]) for s in SLIDERS if s.step == 1}
        sides = {name: self.values[name] if on else None for name, on in self.on.items()}
        return Setting(**(self.values | whole | sides))

    async def ask(self) -> None:
        self.asked += 1
        mine, setting = self.asked, self.setting()
        doubts: list[str] = []
        for (words, image), (_, view) in zip(self.places, VIEWS, strict=True):
            try:
                shown = await run.io_bound(view, setting)
            except ValueError as error:  # a step too large for the method, in its own words
                doubts.append(str(error))
                continue
            if mine != self.asked:
                return
            words.text = shown.words
            image.set_source(shown.picture)
            doubts.extend(shown.warnings)
        if self.said is not None:
            self.said.text = " ".join(dict.fromkeys(doubts))


def _check() -> None:
    ui.label("A training's configuration or launch script. It is read, not run, and stays on this machine.")

    async def read(given: events.UploadEventArguments) -> None:
        name, content = given.file.name, await given.file.read()
        found.clear()
        try:
            text = content.decode("utf-8")
            checked = await run.io_bound(check_documents, [parse(Path(PurePath(name).name), text)])
        except UnicodeDecodeError:
            said.text = "file must be text in UTF-8"
            return
        except InputError as error:
            said.text = str(error)
            return
        said.text = verdict(checked)
        remarks = [(remark.level, remark.message) for remark in checked.answer.remarks]
        with found:
            for head, words in [*rows(checked, RATIO_STD, SUCCESS_PROB), *possibilities(checked), *remarks]:
                with ui.row().classes("w-full no-wrap max-md:flex-wrap"):
                    ui.label(head).classes("w-40 shrink-0 text-weight-bold")
                    ui.label(words).classes("min-w-0")

    ui.upload(label="Choose a file", auto_upload=True, max_files=1, max_file_size=LARGEST, on_upload=read).props(
        'aria-label="A configuration"'
    )
    said = ui.label().classes("text-h6").props("role=status")
    found = ui.column().classes("w-full")
