"""Model files: read with errors that name the key, written with a comment for every guess."""

import tomllib
from pathlib import Path

import polars as pl
import pytest

from iris_ct.adapters.sources.model_files import FolderModelFiles, read_model_file
from iris_ct.adapters.sources.model_toml import (
    proposal_toml,
    specification_toml,
    toml_key,
    toml_value,
    write_text,
)
from iris_ct.core.errors import ConfigError, SpecificationError
from iris_ct.core.proposal import propose

SMALLEST = 'task = "regression"\ntarget = "y"\n[features]\nn = "numeric"\n'


def test_the_name_of_the_file_is_the_name_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "bikes.toml").write_text(SMALLEST)
    assert read_model_file(tmp_path / "bikes.toml").name == "bikes"


def test_another_name_inside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bikes.toml").write_text('name = "cars"\n' + SMALLEST)
    with pytest.raises(SpecificationError, match="name = 'cars': expected 'bikes'"):
        read_model_file(tmp_path / "bikes.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALLEST.replace('"numeric"', '"number"'), "features.n.kind = 'number': expected"),
        ("taget = 1\n" + SMALLEST, "taget: no such key; perhaps target is meant"),
        ("task = = 1", r"is no TOML: .*line 1"),
    ],
)
def test_errors_name_file_key_value_and_what_is_allowed(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bikes.toml"
    path.write_text(text)
    with pytest.raises(SpecificationError, match=message) as caught:
        read_model_file(path)
    assert str(caught.value).startswith(str(path))


def test_a_model_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_bytes(b'target = "\xe9"')
    with pytest.raises(SpecificationError, match="is not UTF-8"):
        read_model_file(tmp_path / "m.toml")


def test_a_folder_lists_its_models_and_may_be_missing(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.toml").write_text(SMALLEST)
    (tmp_path / "notes.txt").touch()
    files = FolderModelFiles(tmp_path)
    assert files.names() == ["a", "b"]
    assert files.read("none") is None
    assert FolderModelFiles(tmp_path / "none").names() == []


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        'a "quote"',
        "back\\slash",
        "new\nline",
        "é\x7f\x01",
        1,
        -2.5,
        1e-7,
        True,
        ["a", 1],
        {"a b": [True], "c": {"d.e": "f"}},
        [],
        {},
    ],
)
def test_values_survive_toml(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}


@pytest.mark.parametrize("key", ["plain-key_1", "num.co", "Jitter(%)", "subject#", "a b", '"', ""])
def test_odd_column_names_survive_as_keys(key: str) -> None:
    assert tomllib.loads(f"{toml_key(key)} = 1") == {key: 1}


def test_a_specification_survives_toml(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(SMALLEST)
    specification = read_model_file(tmp_path / "m.toml")
    content = specification.content()
    features = content.pop("features")
    content["features"] = {
        f.pop("name"): {k: v for k, v in f.items() if v not in (None, [])} for f in features
    }
    (tmp_path / "m.toml").write_text(specification_toml(content, comments=["all\nof it"]))
    assert read_model_file(tmp_path / "m.toml").digest == specification.digest


FRAME = pl.DataFrame(
    {
        "num.co": ["1", "2", "4"] * 40,
        "c": ["a", "b", ""] * 40,
        "y": [str(i / 7) for i in range(120)],
    }
)


def test_a_proposal_is_written_once_and_read_back(tmp_path: Path) -> None:
    proposal = propose(FRAME, name="m", target="y")
    text = proposal_toml(proposal, source="x.csv")
    path, specification = write_text(tmp_path / "models", "m", text)
    assert specification == proposal.specification() == read_model_file(path)
    with pytest.raises(ConfigError, match="exists already and is left as it is"):
        write_text(tmp_path / "models", "m", "another")
    assert path.read_text() == text


def test_a_file_name_cannot_break_out_of_its_comment() -> None:
    text = proposal_toml(propose(FRAME, name="m", target="y"), source="x\ntask = 1\n.csv")
    assert tomllib.loads(text)["task"] == "regression"
