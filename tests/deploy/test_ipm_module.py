"""module.xml: what IPM would load is there, and of this release."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLASSES = ROOT / "src" / "cls"

# Elements and attributes that IPM 0.10.9 reads (its classes %IPM.Storage.Module,
# %IPM.ResourceProcessor.PythonWheel, .FileCopy, %IPM.Storage.InvokeReference).
KNOWN = {
    "Name": set(),
    "Version": set(),
    "ExternalName": set(),
    "Description": set(),
    "Keywords": set(),
    "Packaging": set(),
    "SourcesRoot": set(),
    "SystemRequirements": {"Version", "Interoperability", "IPMVersion", "PythonVersion"},
    "Resource": {"Name"},
    "PythonWheel": {"Name", "Directory", "ExtraPipFlags"},
    "FileCopy": {"Name", "Target"},
    "Invoke": {"Class", "Method", "Phase", "When"},
    "AfterInstallMessage": set(),
}


@pytest.fixture(scope="module")
def module() -> ET.Element:
    document = ET.parse(ROOT / "module.xml")  # noqa: S314 - our own file
    found = document.getroot().find("Document/Module")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def project() -> dict[str, str]:
    loaded: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return loaded


def test_only_elements_and_attributes_that_ipm_reads_are_used(module: ET.Element) -> None:
    for element in module:
        assert set(element.attrib) <= KNOWN[element.tag], element.tag


def test_name_and_version_are_those_of_the_project(
    module: ET.Element, project: dict[str, str]
) -> None:
    assert module.findtext("Name") == project["name"]
    assert module.findtext("Version") == project["version"]


def test_every_class_is_in_a_package_that_is_loaded(module: ET.Element) -> None:
    packages = {str(found.get("Name")).removesuffix(".PKG") for found in module.iter("Resource")}
    source = ROOT / str(module.findtext("SourcesRoot")) / "cls"
    assert source == CLASSES, "IPM looks for classes below cls/ of the sources' root"
    names = [path.relative_to(source).with_suffix("").parts for path in source.rglob("*.cls")]
    assert names
    assert {parts[0] for parts in names} == packages


def test_the_wheel_is_the_one_that_make_wheel_builds(
    module: ET.Element, project: dict[str, str], tmp_path: Path
) -> None:
    [wheel] = module.iter("PythonWheel")
    hatchling = Path(sys.executable).with_name("hatchling")
    subprocess.run(
        [hatchling, "build", "-t", "wheel", "-d", tmp_path], cwd=ROOT, check=True, timeout=120
    )
    [built] = tmp_path.iterdir()
    assert built.name == wheel.get("Name")
    assert wheel.get("Directory") == "dist", "where hatchling writes"
    assert "wheel" in re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_files_that_are_copied_exist_and_nobody_elses_directory_is_written(
    module: ET.Element,
) -> None:
    for copied in module.iter("FileCopy"):
        assert (ROOT / str(copied.get("Name"))).is_file()
        assert str(copied.get("Target")).startswith("${libdir}iris-ct/")


def test_the_packages_before_the_wheel_are_locked(module: ET.Element) -> None:
    """IPM installs requirements.txt of the folder; what it includes travels in the package."""
    [line] = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    included = line.removeprefix("-r ")
    assert included in {copied.get("Name") for copied in module.iter("FileCopy")}
    [wheel] = module.iter("PythonWheel")
    assert wheel.get("ExtraPipFlags") == "--no-deps"


def test_nothing_but_the_set_up_is_run(module: ET.Element) -> None:
    [invoked] = module.iter("Invoke")
    assert (invoked.get("Class"), invoked.get("Method")) == ("CT.Setup", "Run")
    text = (CLASSES / "CT" / "Setup.cls").read_text()
    said = re.search(r"^ClassMethod Run\((.+)\) As %Status$", text, re.MULTILINE)
    assert said, "IPM checks the status of a method that says it returns one"
    container, folder = (argument.text for argument in invoked.findall("Arg"))
    assert [word.split()[0] for word in said[1].split(", ")] == ["container", "folder"]
    assert container == "0", "the accounts of an instance that is not ours are left alone"
    copied = {str(each.get("Name")): str(each.get("Target")) for each in module.iter("FileCopy")}
    for environment in ("dev", "test", "live"):
        target = copied[f"deploy/default-settings/{environment}.json"]
        assert target == f"{folder}/{environment}.json"
