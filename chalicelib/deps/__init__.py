"""Composition root: what each object is built from. One class a feature, lower features first."""

from chalicelib.deps.notify import NotifyDeps


class Deps(NotifyDeps):
    """Each property is built on first use, and kept while the function is warm. Imports stand
    inside the properties: a function that does not need an SDK must not pay for loading it."""


deps = Deps()
