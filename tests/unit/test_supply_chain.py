"""What the files say about where things come from. What needs tools or time is in tests/supply."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [*sorted(ROOT.glob("requirements/*.lock")), ROOT / "bench/peers/requirements.lock"]
NPM_FOLDERS = [ROOT / "requirements/npm", ROOT / "bench/peers"]
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("lock", LOCKS, ids=name)
def test_a_lock_has_names_versions_and_hashes_and_no_address(lock: Path) -> None:
    entries = lock.read_text().replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        requirement, *hashes = re.split(r"\s+--hash=", entry)
        assert re.fullmatch(r"[a-z0-9.-]+(\[[a-z,]+\])?==[\w.!+]+( ; .+)?", requirement.strip()), entry[:100]
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}\s*", one) for one in hashes), requirement


@pytest.mark.parametrize("folder", NPM_FOLDERS, ids=name)
def test_an_npm_lock_has_hashes_no_address_and_no_package_that_runs_a_script(folder: Path) -> None:
    text = (folder / "package-lock.json").read_text()
    lock = json.loads(text)
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    for path, package in packages.items():
        assert package["integrity"].startswith("sha512-"), path
        assert not package.get("hasInstallScript"), path
    assert "://" not in re.sub(r'"url": ".*"', "", text)
    settings = (folder / ".npmrc").read_text().splitlines()
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= set(settings)
    declared = json.loads((folder / "package.json").read_text())["dependencies"]
    assert lock["packages"][""]["dependencies"] == declared


def test_npm_installs_from_a_lock_and_runs_no_script_wherever_it_is_called() -> None:
    for path in (ROOT / "tools/supply-tools", ROOT / "bench/environment.py"):
        text = path.read_text()
        assert re.search(r'npm"?,? "?ci"?,? .*--ignore-scripts', text), path.name
    everywhere = [path for folder in ("tools", "bench", ".ci", ".github") for path in (ROOT / folder).rglob("*")]
    for path in everywhere:
        if path.is_file() and path.suffix != ".pyc":
            assert not re.search(r"npm (install|i|exec)\b|npx ", path.read_text(errors="ignore")), name(path)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=name)
def test_actions_are_pinned_by_their_commit_and_the_token_can_do_little(workflow: Path) -> None:
    text = workflow.read_text()
    actions = re.findall(r"uses: (?!\./)(.*)", text)
    assert actions
    for action in actions:
        assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert re.search(r"^permissions:( \{\}|\n  contents: read)$", text, re.MULTILINE)
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")
    assert "secrets." not in text


def test_one_action_is_pinned_to_one_commit_everywhere() -> None:
    pins = {pin for workflow in WORKFLOWS for pin in re.findall(r"uses: (?!\./)(.*)", workflow.read_text())}
    actions = [pin.partition("@")[0] for pin in pins]
    assert sorted(actions) == sorted(set(actions))


def test_images_have_a_version_and_those_without_a_digest_are_the_ones_that_the_page_names() -> None:
    images = [run_base_image()]
    images += re.findall(r"^    image: \$\{[A-Z_]+:-(.+)\}$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    assert len(images) == 3
    page = (ROOT / "docs/releasing.md").read_text()
    for image in images:
        assert re.search(r":v?\d+\.\d+", image), image
        assert "@sha256:" in image or f"`{image.partition(':')[0]}`" in page, image


def run_base_image(**environment: str) -> str:
    """What tools/base-image prints."""
    done = subprocess.run(
        [ROOT / "tools/base-image", "--resolve" if environment else ""],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_base_that_names_a_digest_is_taken_as_it_is() -> None:
    pinned = f"python:3.13-slim@sha256:{'0' * 64}"
    assert run_base_image(PYTHON_IMAGE=pinned) == pinned


def test_the_dockerfile_takes_every_stage_from_the_one_base_that_is_pinned() -> None:
    text = (ROOT / "Dockerfile").read_text()
    froms = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
    assert set(froms) - stages == {"${PYTHON_IMAGE}"}
    assert run_base_image().startswith("python:3.13-slim")
    assert text.count("--require-hashes") == text.count("-r /tmp/") + text.count("-r requirements/")


def test_the_image_is_built_from_what_is_named_and_from_no_file_of_settings() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert not [rule for rule in allowed if ".env" in rule or rule in {"tests", "docs", ".git"}]
