"""A coat rack that can be ordered, and the people who order and build it."""

import pytest

from app.bom.models import BomRevision
from app.catalog.models import Product, Tracking
from app.people.models import Person
from tests.factories import make_person, make_product, make_work_centre
from tests.factories.boms import make_bom
from tests.factories.orders import make_orders_board


@pytest.fixture
def planner(database: None) -> Person:
    make_orders_board()
    return make_person("Petra")


@pytest.fixture
def rod(database: None) -> Product:
    return make_product("Metal support rod", ref="SUPPORT-ROD")


@pytest.fixture
def rack(planner: Person) -> BomRevision:
    """V1 of the coat rack: one pole, six dowels, one base, assembled in 12 minutes."""
    return make_bom(
        make_product("Coat rack", ref="COAT-RACK", tracking=Tracking.SERIAL),
        {
            make_product("Wooden pole", ref="POLE"): 1,
            make_product("Wooden dowel", ref="DOWEL"): 6,
            make_product("Wooden base", ref="BASE"): 1,
        },
        steps={"Assemble": (make_work_centre(), 12)},
    )
