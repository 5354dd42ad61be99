"""What a person may type about a component or an operation of a draft."""

from collections.abc import Sequence

from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from app.bom.models import BomOperation
from app.catalog import queries as catalog
from app.catalog.models import UnitOfMeasure
from app.foundation.forms import Form, NumberField, QuantityField
from app.foundation.language import _, lazy


class ComponentForm(Form):
    """A line. The component is chosen by its text in the list; the unit is its own unless told otherwise."""

    component = StringField(lazy("Component"), validators=[InputRequired(lazy("Choose a component.")), Length(max=300)])
    quantity = QuantityField(lazy("Quantity"), validators=[InputRequired(lazy("How many go into it?"))], least=0)
    uom = SelectField(lazy("Unit"), default="", validate_choice=False)
    operation = SelectField(lazy("Used in step"), default="", validate_choice=False)
    scrap = NumberField(lazy("Scrap in %"), least=0, most=1000, places=4)
    setup = QuantityField(lazy("More per order"), least=0)
    note = StringField(lazy("Note"), validators=[Length(max=400)])
    version = HiddenField()

    few = True
    options: Sequence[str] = ()

    def offer(self, operations: Sequence[BomOperation], uoms: Sequence[UnitOfMeasure]) -> "ComponentForm":
        """Fill the lists. All products when they are few, else what fits what was typed."""
        self.few = catalog.has_few_products()
        self.options = catalog.product_options(
            "" if self.few else self.component.data or "", limit=catalog.FEW if self.few else catalog.SHOWN
        )
        self.uom.choices = [("", _("As counted")), *((uom.code, f"{uom.name} ({uom.code})") for uom in uoms)]
        self.operation.choices = [("", _("Any")), *((step.uid, f"{step.sequence} {step.name}") for step in operations)]
        return self


class OperationForm(Form):
    """A step of work."""

    name = StringField(lazy("Operation"), validators=[InputRequired(lazy("Name the operation.")), Length(max=120)])
    work_centre = SelectField(lazy("Work centre"), validators=[InputRequired(lazy("Where is it done?"))])
    minutes = NumberField(lazy("Minutes"), validators=[InputRequired(lazy("How long does it take?"))], least=0)
    sequence = NumberField(lazy("Place in the order"), least=0, most=1_000_000, places=0)
    note = StringField(lazy("Instruction"), validators=[Length(max=400)])
    version = HiddenField()

    def offer(self) -> "OperationForm":
        centres = catalog.work_centres()
        self.work_centre.choices = [("", _("Choose")), *((centre.code, centre.name) for centre in centres)]
        return self


class VerbForm(Form):
    """A button: nothing but the token and the op."""
