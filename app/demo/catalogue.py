"""What Wood Hut makes, from what, where, and for whom. Plain data."""

from typing import NamedTuple

UNITS = (  # code, name, category, factor
    ("unit", "Unit", "count", "1"),
    ("pair", "Pair", "count", "2"),
    ("dozen", "Dozen", "count", "12"),
    ("m", "Metre", "length", "1"),
    ("mm", "Millimetre", "length", "0.001"),
    ("m2", "Square metre", "area", "1"),
    ("kg", "Kilogram", "mass", "1"),
    ("g", "Gram", "mass", "0.001"),
    ("L", "Litre", "volume", "1"),
    ("ml", "Millilitre", "volume", "0.001"),
)

CENTRES = (  # code, name, cost per hour
    ("ASM", "Assembly bench", "36"),
    ("SAW", "Saw and planer", "42"),
    ("LATHE", "Lathe", "44"),
    ("DRILL", "Drill press", "38"),
    ("GLUE", "Glue station", "34"),
    ("FINISH", "Finishing booth", "40"),
    ("PACK", "Packing table", "30"),
)


class Part(NamedTuple):
    ref: str
    name: str
    uom: str
    cost: str
    price: str | None = None
    serial: bool = False
    lead_days: int = 0


PARTS = (
    Part("POLE", "Wooden pole", "unit", "18.40", lead_days=5),
    Part("DOWEL", "Wooden dowel", "unit", "0.85", lead_days=3),
    Part("SUPPORT-ROD", "Metal support rod", "unit", "3.60", lead_days=9),
    Part("OAK-BOARD", "Oak board 28 mm", "m2", "62.00", lead_days=7),
    Part("OAK-STRIP", "Oak strip 40 × 60", "m", "7.80", lead_days=7),
    Part("ASH-STRIP", "Ash strip 32 × 32", "m", "5.40", lead_days=7),
    Part("BEECH-PLY", "Beech plywood 12 mm", "m2", "28.50", lead_days=6),
    Part("FELT-PAD", "Felt pad 20 mm", "unit", "0.10", lead_days=2),
    Part("SCREW-560", "Wood screw 5 × 60", "unit", "0.06", lead_days=2),
    Part("SCREW-430", "Wood screw 4 × 30", "unit", "0.03", lead_days=2),
    Part("WALL-PLUG", "Wall plug 8 mm", "unit", "0.08", lead_days=2),
    Part("ANGLE", "Steel angle 40 mm", "unit", "0.55", lead_days=4),
    Part("SLIDE-300", "Drawer slide 300 mm", "pair", "6.20", lead_days=8),
    Part("KNOB", "Turned knob, oak", "unit", "1.35", lead_days=4),
    Part("ROCKER", "Laminated rocker, ash", "unit", "24.00", lead_days=14),
    Part("HANDLE", "Leather handle", "unit", "4.10", lead_days=6),
    Part("OIL-HW", "Hardwax oil, clear", "L", "32.00", lead_days=3),
    Part("OIL-FOOD", "Board oil, food safe", "L", "26.00", lead_days=3),
    Part("GLUE-D3", "Wood glue D3", "kg", "6.00", lead_days=3),
    Part("CARTON-L", "Carton, long", "unit", "2.20", lead_days=4),
    Part("CARTON-M", "Carton, medium", "unit", "1.60", lead_days=4),
    Part("CARTON-S", "Carton, small", "unit", "0.90", lead_days=4),
)

MADE = (
    Part("COAT-RACK", "Coat rack", "unit", "45.14", "189.00", serial=True),
    Part("STEP-STOOL", "Step stool", "unit", "21.80", "79.00", serial=True),
    Part("SIDE-TABLE", "Side table", "unit", "38.20", "149.00", serial=True),
    Part("HALL-BENCH", "Hall bench", "unit", "64.70", "259.00", serial=True),
    Part("LEDGE-SHELF", "Ledge shelf", "unit", "14.90", "59.00", serial=True),
    Part("ROCKING-CHAIR", "Rocking chair", "unit", "112.00", "449.00", serial=True),
    Part("BOOKSTAND", "Bookstand", "unit", "12.60", "49.00", serial=True),
    Part("SERVING-TRAY", "Serving tray", "unit", "11.30", "45.00"),
    Part("BREAD-BOARD", "Bread board", "unit", "9.80", "39.00"),
    Part("HALL-SET", "Hall set", "unit", "130.00", "479.00"),
    Part("BASE", "Wooden base", "unit", "10.44"),
    Part("BASE-RAIL", "Base rail, oak", "unit", "4.90"),
    Part("DRAWER", "Drawer, dovetailed", "unit", "17.50"),
    Part("SEAT-PANEL", "Seat panel, oak", "unit", "19.40"),
    Part("WALL-KIT", "Wall fixing kit", "unit", "0.90"),
)


class Recipe(NamedTuple):
    """A bill of materials: lines (ref, quantity, uom) and operations (name, centre, minutes)."""

    ref: str
    lines: tuple[tuple[str, str, str], ...]
    steps: tuple[tuple[str, str, str], ...]
    kit: bool = False


RECIPES = (  # deepest first; the hall set is four levels deep
    Recipe("BASE-RAIL", (("OAK-STRIP", "0.48", "m"), ("OIL-HW", "10", "ml")), (("Cut and plane", "SAW", "4"),)),
    Recipe(
        "BASE",
        (("BASE-RAIL", "2", "unit"), ("DOWEL", "2", "unit"), ("FELT-PAD", "4", "unit"), ("GLUE-D3", "30", "g")),
        (("Cut cross-lap", "SAW", "3"), ("Glue base", "GLUE", "6")),
    ),
    Recipe(
        "DRAWER",
        (
            ("BEECH-PLY", "0.22", "m2"),
            ("OAK-BOARD", "0.06", "m2"),
            ("SLIDE-300", "1", "pair"),
            ("KNOB", "1", "unit"),
            ("GLUE-D3", "40", "g"),
        ),
        (("Cut dovetails", "SAW", "12"), ("Glue and square", "GLUE", "8")),
    ),
    Recipe(
        "SEAT-PANEL",
        (("OAK-BOARD", "0.28", "m2"), ("GLUE-D3", "50", "g"), ("OIL-HW", "40", "ml")),
        (("Glue up panel", "GLUE", "9"), ("Plane and sand", "FINISH", "8")),
    ),
    Recipe("WALL-KIT", (("SCREW-560", "4", "unit"), ("WALL-PLUG", "4", "unit")), (), kit=True),
    Recipe(
        "COAT-RACK",
        (("POLE", "1", "unit"), ("DOWEL", "6", "unit"), ("BASE", "1", "unit")),
        (("Assemble", "ASM", "12"),),
    ),
    Recipe(
        "STEP-STOOL",
        (
            ("OAK-BOARD", "0.24", "m2"),
            ("ASH-STRIP", "1.6", "m"),
            ("SCREW-430", "12", "unit"),
            ("CARTON-M", "1", "unit"),
        ),
        (("Cut parts", "SAW", "9"), ("Assemble", "ASM", "14"), ("Oil", "FINISH", "6")),
    ),
    Recipe(
        "SIDE-TABLE",
        (
            ("OAK-BOARD", "0.2", "m2"),
            ("OAK-STRIP", "2.4", "m"),
            ("DRAWER", "1", "unit"),
            ("ANGLE", "4", "unit"),
            ("SCREW-430", "16", "unit"),
            ("CARTON-M", "1", "unit"),
        ),
        (
            ("Cut legs", "SAW", "10"),
            ("Assemble frame", "ASM", "18"),
            ("Fit drawer", "ASM", "7"),
            ("Oil", "FINISH", "8"),
        ),
    ),
    Recipe(
        "HALL-BENCH",
        (
            ("SEAT-PANEL", "2", "unit"),
            ("OAK-STRIP", "4.2", "m"),
            ("DRAWER", "1", "unit"),
            ("SCREW-560", "16", "unit"),
            ("CARTON-L", "1", "unit"),
        ),
        (("Cut frame", "SAW", "14"), ("Assemble", "ASM", "26"), ("Oil and dry", "FINISH", "12"), ("Pack", "PACK", "5")),
    ),
    Recipe(
        "LEDGE-SHELF",
        (("OAK-BOARD", "0.14", "m2"), ("WALL-KIT", "1", "unit"), ("OIL-HW", "15", "ml"), ("CARTON-S", "1", "unit")),
        (("Cut and rebate", "SAW", "6"), ("Oil", "FINISH", "4"), ("Pack", "PACK", "2")),
    ),
    Recipe(
        "ROCKING-CHAIR",
        (
            ("SEAT-PANEL", "1", "unit"),
            ("ROCKER", "2", "unit"),
            ("ASH-STRIP", "7.5", "m"),
            ("DOWEL", "18", "unit"),
            ("GLUE-D3", "120", "g"),
            ("OIL-HW", "80", "ml"),
            ("CARTON-L", "1", "unit"),
        ),
        (
            ("Turn spindles", "LATHE", "38"),
            ("Drill seat", "DRILL", "12"),
            ("Assemble", "ASM", "45"),
            ("Oil", "FINISH", "18"),
        ),
    ),
    Recipe(
        "BOOKSTAND",
        (("BEECH-PLY", "0.12", "m2"), ("DOWEL", "3", "unit"), ("OIL-HW", "12", "ml"), ("CARTON-S", "1", "unit")),
        (("Cut", "SAW", "5"), ("Assemble", "ASM", "6")),
    ),
    Recipe(
        "SERVING-TRAY",
        (("BEECH-PLY", "0.16", "m2"), ("HANDLE", "2", "unit"), ("SCREW-430", "4", "unit"), ("OIL-FOOD", "12", "ml")),
        (("Cut and shape", "SAW", "6"), ("Fit handles", "ASM", "4"), ("Oil", "FINISH", "4")),
    ),
    Recipe(
        "BREAD-BOARD",
        (("OAK-BOARD", "0.09", "m2"), ("OIL-FOOD", "15", "ml"), ("CARTON-S", "1", "unit")),
        (("Cut and round", "SAW", "5"), ("Sand and oil", "FINISH", "6")),
    ),
    Recipe(
        "HALL-SET",
        (
            ("COAT-RACK", "1", "unit"),
            ("HALL-BENCH", "1", "unit"),
            ("LEDGE-SHELF", "2", "unit"),
            ("CARTON-L", "1", "unit"),
        ),
        (("Pack set", "PACK", "10"),),
    ),
)

STAFF = (  # name, e-mail, roles, colour
    ("Marc Demo", "marc@woodhut.example", ("helpdesk",), "f"),
    ("Julie Andreson", "julie@woodhut.example", ("quality",), "d"),
    ("Joe Kazan", "joe@woodhut.example", ("engineer",), "c"),
    ("Jose Mora", "jose@woodhut.example", ("engineer", "approver", "planner"), "a"),
    ("Olga Brandt", "olga@woodhut.example", ("operator",), "b"),
    ("Ada Admin", "ada@woodhut.example", ("admin",), "e"),
    ("Priya Nair", "priya@woodhut.example", ("helpdesk",), "e"),
    ("Nora Lund", "nora@woodhut.example", ("planner", "operator"), "b"),
    ("Tom Becker", "tom@woodhut.example", ("quality",), "f"),
)

CUSTOMERS = (  # organisation, person, e-mail, town
    ("Abigail Peterson", "Abigail Peterson", "abigail@customer.example", "Bath"),
    ("Northside Dental", "Helen Marsh", "helen@northside-dental.example", "Leeds"),
    ("Hotel Lindenhof", "Karl Vogt", "karl@lindenhof.example", "Lindau"),
    ("Studio Ekholm", "Sanna Ekholm", "sanna@ekholm.example", "Malmö"),
    ("Ruth Adler", "Ruth Adler", "ruth@adler.example", "Zürich"),
    ("Oskar Lind", "Oskar Lind", "oskar@lind.example", "Uppsala"),
    ("Mei Tanaka", "Mei Tanaka", "mei@tanaka.example", "Kyoto"),
    ("Daniel Reyes", "Daniel Reyes", "daniel@reyes.example", "Seville"),
    ("Paul Brandt", "Paul Brandt", "paul@brandt.example", "Hamburg"),
    ("Nadia Haddad", "Nadia Haddad", "nadia@haddad.example", "Lyon"),
    ("Tomasz Wilk", "Tomasz Wilk", "tomasz@wilk.example", "Kraków"),
    ("Grace Mbeki", "Grace Mbeki", "grace@mbeki.example", "Cape Town"),
    ("Elif Kaya", "Elif Kaya", "elif@kaya.example", "Izmir"),
    ("James Porter", "James Porter", "james@porter.example", "Bristol"),
    ("Sofia Rossi", "Sofia Rossi", "sofia@rossi.example", "Turin"),
    ("Peter Novak", "Peter Novak", "peter@novak.example", "Brno"),
    ("Café Morgenrot", "Lena Sommer", "lena@morgenrot.example", "Vienna"),
    ("Kindergarten Seestern", "Britta Hahn", "britta@seestern.example", "Kiel"),
    ("Atelier Blanc", "Chloé Blanc", "chloe@atelier-blanc.example", "Nantes"),
    ("Harbour Library", "Owen Price", "owen@harbour-library.example", "Cardiff"),
)
