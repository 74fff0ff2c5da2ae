"""A rule about imports for import-linter: a feature keeps its store for itself."""

from typing import Any

from importlinter import Contract, ContractCheck, output

ROOT = "chalicelib"
ABOVE = ("deps", "schema")
"""They build the stores, and make their tables."""


class OwnStores(Contract):
    """A module called `store` or `*_store`, with all that is in it, is imported by its own feature,
    by deps and by schema alone."""

    type_name = "own_stores"

    def check(self, graph: Any, verbose: bool) -> ContractCheck:
        wrong = sorted(
            f"{importer} -> {store}"
            for store in graph.modules
            if _feature(store) and any(_is_store(part) for part in store.split("."))
            for importer in graph.find_modules_that_directly_import(store)
            if _feature(importer) not in ("", _feature(store), *ABOVE)
        )
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for one in check.metadata["wrong"]:
            output.print_error(f"- {one}")


def _feature(module: str) -> str:
    """The part of the app that a module belongs to; empty for code outside of the app."""
    root, _, rest = module.partition(".")
    return rest.partition(".")[0] if root == ROOT else ""


def _is_store(name: str) -> bool:
    return name == "store" or name.endswith("_store")
