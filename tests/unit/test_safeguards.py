"""The list of safeguards that are taken away one by one fits the code as it is now."""

from pathlib import Path

import pytest

from chaos.mutants import Mutant
from chaos.safeguards import MUTANTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_safeguard_is_in_one_place(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
