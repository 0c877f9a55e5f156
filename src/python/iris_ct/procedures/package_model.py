"""Making a signed package of a model's source; nothing of a home is needed for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iris_ct.adapters.signing import sign_package
from iris_ct.adapters.source_archive import member_names, read_member, zip_committed
from iris_ct.core.errors import PackageRefusedError
from iris_ct.core.service.info import ENVIRONMENT, INFO, model_class, parse_info


def package_model(
    source: Path, private_key: Path, public_key: Path, into: Path, tell: Callable[[str], None]
) -> Path:
    """Write ``<id>_<version>.tgz``; in a Git project only what is committed is packed.

    Parameters
    ----------
    tell : callable
        Is told which class answers, before anything is written.

    Raises
    ------
    PackageRefusedError
        If INFO, the class or a key is wrong.
    OSError
        If a key cannot be read or the package not be written.
    """
    archive = zip_committed(source)
    info = parse_info(read_member(archive, INFO))
    tell(_answers(archive, source))
    signed = sign_package(archive, private_key.read_bytes(), public_key.read_bytes())
    path = into / f"{info.id}_{info.version}.tgz"
    path.write_bytes(signed)
    return path


def _answers(archive: bytes, source: Path) -> str:
    """Name what will answer: a class of the source, or MLflow's for a model of its own form."""
    names = member_names(archive)
    if "MLmodel" in names:
        return "mlflow.pyfunc.PyFuncModel"
    name = model_class(read_member(archive, ENVIRONMENT))
    module = name.partition(".")[0]
    if not any(one == f"{module}.py" or one.startswith(f"{module}/") for one in names):
        raise PackageRefusedError(
            f"no supported source file with name {name} can be found in {source}"
        )
    return name
