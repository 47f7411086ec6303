"""A configuration's text asked of `check`, and what was found put briefly."""

from pathlib import Path
from typing import Any

from clipbias.check.answer import Assumed
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse


def asked(
    text: str,
    form: str = "yaml",
    *overrides: str,
    framework: str | None = None,
    devices: int | None = None,
    version: str | None = None,
    **assumed: float,
) -> dict[str, Any]:
    """The JSON of `clipbias check`."""
    document = parse(Path(f"file.{form}"), text)
    found = check_documents(
        [document], overrides, framework=framework, devices=devices, version=version, assumed=Assumed(**assumed)
    )
    return found.to_json()


def bounds(found: Checked) -> tuple[float | None, float | None, float | None]:
    loss = found.training.loss
    return loss.lower, loss.upper, loss.dual


def ignored(found: Checked) -> set[str]:
    return {i.key for i in found.training.ignored}


def codes(found: Checked) -> set[str]:
    return {remark.code for remark in found.answer.remarks}
