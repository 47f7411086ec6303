"""The explorer in a browser, as its reader has it; `SCREENSHOTS=docs` keeps what the docs show."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("nicegui")
playwright = pytest.importorskip("playwright.sync_api")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 240_000  # milliseconds: machines are busy
GRPO = "learning_rate: 1.0e-6\nnum_generations: 8\nper_device_train_batch_size: 8\nsteps_per_generation: 8\n"

pytestmark = [pytest.mark.training, pytest.mark.skipif(BROWSER is None, reason="no browser")]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("clipbias")
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}  # NiceGUI looks for it
    command = [program, "explore", "--port", str(port), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=alone) as served:
        try:
            assert served.stdout is not None
            url = f"http://127.0.0.1:{port}"
            assert served.stdout.readline() == f"{url} (Ctrl-C stops it)\n"
            for _ in range(PATIENCE // 1000):  # the port is open a moment after it is named
                try:
                    urllib.request.urlopen(url, timeout=PATIENCE / 1000).close()
                    break
                except urllib.error.URLError:
                    time.sleep(1)
            yield url
        finally:
            served.terminate()


@pytest.fixture(scope="module")
def page(url: str) -> Iterator["playwright.Page"]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        shown = browser.new_page(viewport={"width": 1440, "height": 1000})
        shown.set_default_timeout(PATIENCE)
        shown.asked = []
        shown.on("request", lambda request: shown.asked.append(request.url))
        shown.goto(url)
        yield shown
        browser.close()


def keep(shown: "playwright.Page", name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("SCREENSHOTS", tmp_path))
    shown.screenshot(path=folder / name)
    assert (folder / name).stat().st_size > 20_000


def test_a_slider_moved_by_key_asks_again(page: "playwright.Page", tmp_path: Path) -> None:
    page.get_by_text("After 20 phases the median share is").wait_for()
    page.get_by_text("In the last step of a phase").wait_for()
    keep(page, "explore.png", tmp_path)
    phases = page.get_by_role("slider", name="Phases, T")
    phases.locator("[tabindex='0']").focus()  # the thumb
    page.keyboard.press("ArrowLeft")
    page.get_by_text("After 19 phases the median share is").wait_for()
    assert phases.get_attribute("aria-valuenow") == "19"
    assert phases.get_attribute("aria-valuemax") == "40"


def test_a_side_switched_off_has_no_neutral_partner(page: "playwright.Page") -> None:
    page.get_by_text("an upper side of").wait_for()
    page.get_by_role("switch", name="Lower side of the clip, ε_l: on").click()
    page.get_by_text("an upper side of").wait_for(state="detached")


def test_a_configuration_is_checked_and_a_hostile_one_is_text(page: "playwright.Page", tmp_path: Path) -> None:
    page.get_by_role("tab", name="Check a configuration").click()
    given = tmp_path / "grpo.yaml"
    given.write_text(GRPO)
    page.locator("input[type=file]").set_input_files(given)
    page.get_by_text("Your clip can act").wait_for()
    keep(page, "explore-check.png", tmp_path)
    page.reload()
    page.get_by_role("tab", name="Check a configuration").click()
    given.write_text(GRPO + "'<img src=x onerror=alert(1)>': 1\n")
    page.locator("input[type=file]").set_input_files(given)
    page.get_by_text("<img src=x onerror=alert(1)>").first.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_nothing_is_asked_of_another_machine_and_no_other_name_leads_here(page: "playwright.Page", url: str) -> None:
    elsewhere = [
        asked for asked in page.asked if not asked.startswith((url, "data:", "blob:", url.replace("http", "ws")))
    ]
    assert elsewhere == []
    request = urllib.request.Request(url, headers={"Host": "clipbias.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=60)
