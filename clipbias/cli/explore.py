"""`clipbias explore`: the toy with sliders, in a browser."""

import click

from . import options


@click.command()
@options.number("--port", int, "in [1024, 65535]", "Where on this machine", default=8421)
@click.option("--no-browser", is_flag=True, help="Open no window.")
@options.json_flag
def explore(port: int, no_browser: bool, as_json: bool) -> None:
    """Ask the toy with sliders, and check a configuration, on a page that this machine serves to itself.

    Needs the extra `explore`. Ctrl-C stops it.

    Example: clipbias explore --port 8421
    """
    from clipbias.common.errors import InputError, check

    check(1024 <= port <= 65535, "port", "in [1024, 65535]", port)
    try:
        from clipbias.explore.page import HOST, serve
    except ImportError as error:
        raise InputError("nicegui", "installed: pip install 'clipbias[explore]'") from error
    url = f"http://{HOST}:{port}"
    options.say(as_json, {"url": url}, f"{url} (Ctrl-C stops it)")
    serve(port, show=not no_browser)
