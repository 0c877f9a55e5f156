"""Which version of which model can be served now, and where its files are."""

from __future__ import annotations

from pathlib import Path

from iris_ct.adapters.bundles import write_bundle
from iris_ct.bootstrap import Parts
from iris_ct.control.plan import Served
from iris_ct.core.errors import NoChampionError, NotInCatalogueError, PackageRefusedError
from iris_ct.core.service import ModelRef
from iris_ct.core.training.encoding import FeatureEncoding

BUNDLES = Path("serving", "bundles")


class Catalogue:
    """Versions that were trained here and packages from elsewhere.

    Bundles are written when a version is asked for the first time. Belongs to one thread.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._own: dict[tuple[str, int], Served] = {}

    def champions(self) -> list[str]:
        """Name the models of which a version serves; whether it can be served `resolve` tells."""
        store = self._parts.store
        return [
            model
            for model in store.specifications.models()
            if store.models.champion(model) is not None
        ]

    def resolve(self, reference: ModelRef) -> Served:
        """Give what a reference means now.

        Raises
        ------
        NoChampionError
            If it means a champion and nothing serves.
        NotInCatalogueError
            If there is no such package and no such model.
        PackageRefusedError
            If the package cannot be served.
        """
        package = self._parts.store.packages.get(reference)
        if package is not None:
            if package.status != "available":
                raise PackageRefusedError(
                    f"Package {reference} is not available but {package.status}. "
                    f"{package.failure}".strip()
                )
            if package.runner not in {"seldon", "pyfunc"}:
                raise PackageRefusedError(
                    f"Package {reference} is a container image, and this gateway starts none. "
                    "Onboard its source instead."
                )
            interpreter = self._parts.home / package.place / "venv" / "bin" / "python"
            return Served(
                model=reference.id,
                version=reference.version,
                runtime="seldon" if package.runner == "seldon" else "pyfunc",
                bundle=package.place,
                python=str(interpreter) if interpreter.exists() else None,
                stateful=package.is_stateful,
            )
        if reference.is_champion:
            champion = self._parts.store.models.champion(reference.id)
            if champion is None:
                raise NoChampionError(f"No version of '{reference.id}' serves yet.")
            return self._version(reference.id, champion.version)
        if reference.own_version is None:
            raise NotInCatalogueError(f"There is no package and no model {reference}.")
        return self._version(reference.id, reference.own_version)

    def _version(self, model: str, number: int) -> Served:
        """Bundle a version that was trained here, once."""
        store, home = self._parts.store, self._parts.home
        known = self._own.get((model, number))
        # One that is damaged is to be deleted, and is then made again.
        if known is not None and (home / known.bundle).is_dir():
            return known
        version = store.models.get(model, number)
        files = store.models.files(version)
        bundle = write_bundle(
            home / BUNDLES,
            model_text=(files / "model.txt").read_text("utf-8"),
            encoding=FeatureEncoding.from_json((files / "encoding.json").read_text("utf-8")),
            specification=store.specifications.get(version.spec_digest),
            version=number,
        )
        served = Served(model, str(number), "native", str(bundle.relative_to(home)))
        self._own[model, number] = served
        return served
