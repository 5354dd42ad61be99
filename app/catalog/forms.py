"""What a person may type about a product."""

from wtforms import BooleanField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from app.catalog import queries
from app.foundation.forms import Form, MoneyField, NumberField
from app.foundation.language import lazy


class ProductForm(Form):
    """A product. Reference and unit are asked once."""

    ref = StringField(
        lazy("Reference"),
        validators=[InputRequired(lazy("Give it a reference.")), Length(max=64)],
        description=lazy("Short and for ever, like COAT-RACK. It is the product's address."),
    )
    name = StringField(lazy("Name"), validators=[InputRequired(lazy("Give it a name.")), Length(max=200)])
    uom = SelectField(lazy("Counted in"))
    is_tracked = BooleanField(lazy("Every piece has a serial number"))
    cost = MoneyField(lazy("Cost"), least=0, places=6, description=lazy("What one costs to buy. A BoM works it out."))
    price = MoneyField(lazy("Price"), least=0, places=6)
    lead_days = NumberField(lazy("Lead time in days"), least=0, most=3650, places=0)
    note = TextAreaField(lazy("Note"), validators=[Length(max=1000)])

    def offer(self) -> "ProductForm":
        self.uom.choices = [(uom.code, f"{uom.name} ({uom.code})") for uom in queries.uoms()]
        return self
