"""Composition root: builds all objects. One class for each feature, lower features first."""

from chalicelib.deps.notify import NotifyDeps


class Deps(NotifyDeps):
    """Each property is built on first use, and kept while the function is warm. Imports are inside
    the properties, so that a function does not load an SDK that it does not need."""


deps = Deps()
