"""What a release hands out: the same bytes from the same commit, nothing but the package, and a list of its parts."""

import json
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.tools import ROOT, run, tool


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist."""
    directory = tmp_path_factory.mktemp("dist")
    run([ROOT / "tools/distributions", directory])
    return directory


def test_a_second_build_gives_the_same_bytes_in_another_time_zone_and_with_other_rights(
    distributions: Path, tmp_path: Path
) -> None:
    elsewhere = {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "1"}
    run(["sh", "-c", f'umask 077 && exec "{ROOT}/tools/distributions" "$0"', tmp_path], environment=elsewhere)
    files = sorted(path.name for path in distributions.iterdir())
    assert [name.rpartition(".")[2] for name in files] == ["whl", "gz"]
    assert [(tmp_path / name).read_bytes() for name in files] == [(distributions / name).read_bytes() for name in files]


def test_they_hold_the_package_and_nothing_else_of_the_project(distributions: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    (sdist,) = distributions.glob("*.tar.gz")
    in_wheel = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    with tarfile.open(sdist) as archive:
        in_sdist = {"/".join(name.split("/")[1:2]) for name in archive.getnames()}
    assert {re.sub(r"-[\d.]+\d", "", name) for name in in_wheel} == {"worker", "interaction_worker.dist-info"}
    expected = {"worker", "deploy", "README.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert in_sdist == expected


def test_the_bill_of_materials_has_each_package_of_the_production_lock_with_its_hashes(tmp_path: Path) -> None:
    tool("cyclonedx-py", get_it="tools/supply-tools installs it")
    bill = tmp_path / "bill.json"
    run([ROOT / "tools/bill-of-materials", bill])
    found = json.loads(bill.read_text())
    lock = (ROOT / "requirements/production.lock").read_text()
    listed = {f"{part['name']}=={part['version']}" for part in found["components"]}
    assert listed == set(re.findall(r"^\S+==[^\s;]+", lock, re.MULTILINE))
    assert found["metadata"]["component"]["name"] == "interaction-worker"
    for part in found["components"]:
        hashes = {entry["content"] for source in part["externalReferences"] for entry in source["hashes"]}
        assert hashes, part["name"]
        assert all(f"sha256:{one}" in lock for one in hashes)
