"""What a person may type about an order."""

from wtforms import DateField, SelectField, TextAreaField
from wtforms.validators import InputRequired

from app.catalog.models import Product
from app.foundation.forms import Form, QuantityField
from app.foundation.language import _, lazy


class OrderForm(Form):
    """A new order."""

    product = SelectField(lazy("Product"), validators=[InputRequired(lazy("Choose a product."))])
    quantity = QuantityField(
        lazy("Quantity"), validators=[InputRequired(lazy("How many are to be made?"))], more_than=0
    )
    planned_start = DateField(lazy("Planned start"), validators=[InputRequired(lazy("When is work planned to start?"))])

    def offer(self, products: list[Product]) -> None:
        """Fill the product choices: the name alone, with the reference only where names collide."""
        names = [p.name for p in products]
        self.product.choices = [("", _("Choose a product"))] + [
            (p.ref, p.name if names.count(p.name) == 1 else f"[{p.ref}] {p.name}") for p in products
        ]


class ReplanForm(Form):
    """Quantity and date of a draft."""

    quantity = QuantityField(
        lazy("Quantity"), validators=[InputRequired(lazy("How many are to be made?"))], more_than=0
    )
    planned_start = DateField(lazy("Planned start"), validators=[InputRequired(lazy("When is work planned to start?"))])


class FinishForm(Form):
    """The serials of what was built, one a line."""

    serials = TextAreaField(lazy("Serial numbers"))

    def lines(self) -> list[str]:
        return [line.strip() for line in (self.serials.data or "").splitlines() if line.strip()]


class VerbForm(Form):
    """A button: nothing but the token and the op."""
