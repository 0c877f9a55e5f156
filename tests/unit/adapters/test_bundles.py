"""Bundles are whole, named by their content, and checked before use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.core.scoring.models import Fitted, fitted

from iris_ct.adapters.bundles import MANIFEST, load_bundle, read_bundle, write_bundle
from iris_ct.core.errors import IntegrityError
from iris_ct.core.specification import Specification
from iris_ct.core.training.encoding import FeatureEncoding


@pytest.fixture(scope="module")
def model() -> Fitted:
    return fitted()


def written(model: Fitted, folder: Path, version: int = 3) -> Path:
    return write_bundle(
        folder,
        model_text=model.text,
        encoding=model.encoding,
        specification=model.specification,
        version=version,
    )


def test_a_bundle_answers_as_the_model_it_was_made_of(model: Fitted, tmp_path: Path) -> None:
    directory = written(model, tmp_path / "bundles")
    scorer, row = load_bundle(directory, threads=2), model.rows()[0]
    assert scorer.score_row(row).prediction == model.scorer.score_row(row).prediction
    assert (scorer.signature.model, scorer.signature.version, scorer.threads) == ("parcels", 3, 2)
    contents = read_bundle(directory)
    again = Specification.model_validate_json(contents["specification.json"])
    assert again.digest == scorer.signature.spec_digest
    assert FeatureEncoding.from_json(contents["encoding.json"].decode()) == model.encoding


def test_the_same_version_has_one_bundle_and_another_has_another(
    model: Fitted, tmp_path: Path
) -> None:
    first = written(model, tmp_path)
    assert written(model, tmp_path) == first
    assert written(model, tmp_path, version=4) != first
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert first.name not in (tmp_path / first.name / MANIFEST).read_text()


@pytest.mark.parametrize(
    "name", ["model.txt", "encoding.json", "specification.json", "signature.json", MANIFEST]
)
def test_a_changed_or_missing_file_is_refused(model: Fitted, tmp_path: Path, name: str) -> None:
    directory = written(model, tmp_path)
    path = directory / name
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match=name):
        load_bundle(directory)
    path.unlink()
    with pytest.raises(IntegrityError, match=name):
        load_bundle(directory)


def test_a_manifest_that_leads_outside_or_leaves_out_is_refused(
    model: Fitted, tmp_path: Path
) -> None:
    copied = written(model, tmp_path / "bundles").rename(tmp_path / "copied")
    load_bundle(copied)
    manifest = json.loads((copied / MANIFEST).read_text())
    outside = manifest | {"files": manifest["files"] | {"../x": "0"}}
    (copied / MANIFEST).write_text(json.dumps(outside))
    with pytest.raises(IntegrityError, match="outside"):
        load_bundle(copied)
    (copied / MANIFEST).write_text(json.dumps(manifest | {"files": {}}))
    with pytest.raises(IntegrityError, match="does not name"):
        load_bundle(copied)
    (copied / MANIFEST).write_text("[]")
    with pytest.raises(IntegrityError, match="cannot be read"):
        load_bundle(copied)


def test_answering_usual_rows_loads_none_of_the_heavy_libraries(
    model: Fitted, tmp_path: Path
) -> None:
    program = """
import json, sys
from pathlib import Path
from iris_ct.adapters.bundles import load_bundle
from iris_ct.core.scoring.inputs import Inputs
scorer, row = load_bundle(Path(sys.argv[1])), json.loads(sys.argv[2])
scorer.score_row(row)
scorer.score(Inputs(columns={name: [cell] * 3 for name, cell in row.items()}))
heavy = "sqlalchemy polars pandas pydantic mlflow lightgbm scipy pyarrow".split()
print([name for name in heavy if name in sys.modules])
"""
    directory, row = written(model, tmp_path), json.dumps(model.rows()[0])
    done = subprocess.run(
        [sys.executable, "-c", program, str(directory), row],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
