"""Every store works on while each table gets more columns."""

from tests.contract.again import run_again
from tests.contract.altered import ALTERED
from tests.contract.test_pooled import PLACES


def test_g1_g9_every_contract_of_a_store_holds() -> None:
    run_again([one for one in PLACES if one != "exports/test_personal_data.py"], ALTERED)
