"""Products in the browser: a new one, changes to one, and lists to choose from."""

from typing import Any

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue

from app.catalog import actions, queries
from app.catalog.forms import ProductForm
from app.catalog.models import Product, Tracking
from app.foundation.db import transaction
from app.foundation.errors import NotAllowed, NotFound, Refused
from app.foundation.htmx import see_other
from app.foundation.permissions import STAFF, needs
from app.people.current import current_person

bp = Blueprint("catalog", __name__)


@bp.route("/products/new", methods=["GET", "POST"])
@needs("product.write")
def new() -> ResponseReturnValue:
    form, status = ProductForm().offer(), 200
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                uom = next(uom for uom in queries.uoms() if uom.code == form.uom.data)
                product = actions.create_product(ref=form.ref.data or "", uom=uom, by=current_person(), **_said(form))
                tx.location = product.url
            return see_other(product.url)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    return render_template("catalog/new.html", form=form), status


@bp.route("/products/<ref>/edit", methods=["GET", "POST"])
@needs("product.write")
def edit(ref: str) -> ResponseReturnValue:
    product = queries.product_by_ref(ref)
    form, status = ProductForm(**_known(product)).offer(), 200
    del form.ref, form.uom
    if form.validate_on_submit():
        try:
            with transaction(by=current_person()) as tx:
                tx.location = product.url
                actions.change_product(product, by=current_person(), **_said(form))
            return see_other(product.url)
        except (NotAllowed, NotFound):
            raise
        except Refused as no:
            form.refuse(no.sentence, no.field)
            status = no.status
    elif form.is_submitted():
        status = 422
    return render_template("catalog/edit.html", form=form, product=queries.product_by_ref(ref)), status


@bp.get("/products/options")
@needs(STAFF)
def options() -> ResponseReturnValue:
    """The first products that contain what was typed, for a list that narrows down."""
    typed = next((request.args[name] for name in ("q", "component", "product") if name in request.args), "")
    found = queries.product_options(typed[:200], limit=queries.SHOWN)
    return make_response(render_template("catalog/_options.html", options=found))


def _said(form: ProductForm) -> dict[str, Any]:
    return {
        "name": form.name.data or "",
        "tracking": Tracking.SERIAL if form.is_tracked.data else Tracking.NONE,
        "cost": form.cost.data,
        "price": form.price.data,
        "is_sold": form.price.data is not None,
        "lead_days": int(form.lead_days.data or 0),
        "note": form.note.data or "",
    }


def _known(product: Product) -> dict[str, Any]:
    return {
        "name": product.name,
        "is_tracked": product.tracking == Tracking.SERIAL,
        "cost": product.cost,
        "price": product.price,
        "lead_days": product.lead_days,
        "note": product.note,
    }
