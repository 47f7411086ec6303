"""The page of what `import clipbias` offers: its names, in its own groups, from where they are defined."""

import clipbias

GROUPS = {
    "The problem": clipbias.PROBLEM,
    "What solves it": clipbias.SOLVE,
    "Single formulas": clipbias.FORMULAS,
    "Sweeps": clipbias.SWEEPS,
    "Experiments with models": clipbias.VALIDATE,
    "The monitor of a training": clipbias.MONITOR,
}


def page() -> str:
    """Markdown for mkdocstrings, which fills in signatures and docstrings."""
    parts = [
        "# Python",
        "Only what is named here is public: other modules may change from one version to the next. Every name is "
        "`clipbias.` and the name. Those of the last two groups need the extra `validate`. "
        "Words are in the [glossary](glossary.md), examples in the [README](index.md).",
    ]
    for title, group in GROUPS.items():
        parts.append(f"## {title}")
        parts += [f"::: clipbias.{module}.{name}" for module, names in group.items() for name in names]
    return "\n\n".join(parts) + "\n"
