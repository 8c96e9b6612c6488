"""The images, built once."""

import pytest

from tests.image.docker import LOCAL, PRODUCTION, PYTHON_IMAGE, docker, require_engine, require_image


@pytest.fixture(scope="session")
def images() -> None:
    """Both images, built from the source tree as it is."""
    require_engine()
    require_image(PYTHON_IMAGE)
    for target, tag in (("production", PRODUCTION), ("local", LOCAL)):
        docker("build", "--target", target, "--build-arg", f"PYTHON_IMAGE={PYTHON_IMAGE}", "--tag", tag, ".")
