"""What has happened at Wood Hut so far: complaints, alerts, changes. Plain data; days count back from today.

The coat rack that tips over is not among it: that story is played by whoever looks around.
"""

from typing import NamedTuple


class Complaint(NamedTuple):
    days: float  # ago
    customer: str
    product: str
    title: str
    text: str
    priority: int
    tags: tuple[str, ...]
    stage: str  # role
    by: str  # who has it, first name
    reply: str = ""
    note: str = ""


COMPLAINTS = (
    Complaint(512, "Harbour Library", "BOOKSTAND", "Bookstand arrived with a split lip", "The front lip of one bookstand is split along the grain. The other five are fine.", 1, ("breakage",), "done", "Marc", "I am sorry. A new one leaves tomorrow; keep the split one for small books."),
    Complaint(471, "Hotel Lindenhof", "HALL-BENCH", "Bench slats differ in colour", "Two of the four benches are clearly darker than the others. Guests notice.", 1, ("colour",), "done", "Marc", "Oak darkens with light. We match the two within the set and send an oil that evens them out."),
    Complaint(430, "Ruth Adler", "SIDE-TABLE", "Drawer does not close fully", "The drawer of the side table stays open by about 5 mm.", 1, ("fit",), "done", "Marc", "The slide was mounted 5 mm too far out. Please loosen the two screws and push it back; the drawing is attached to this reply."),
    Complaint(398, "Café Morgenrot", "SERVING-TRAY", "Handle of serving tray came loose", "After three weeks in the café one leather handle came off while carrying cups.", 2, ("glue joint", "safety"), "done", "Priya", "Thank you for telling us, and I hope nobody was hurt. New handles with longer screws are on the way.", "Third tray this quarter. @Julie Andreson please have a look."),
    Complaint(377, "Grace Mbeki", "SERVING-TRAY", "Tray handle screw pulled out", "The screw of the handle pulled out of the wood.", 2, ("glue joint",), "done", "Priya", "We send you a repair set with longer screws."),
    Complaint(351, "Tomasz Wilk", "ROCKING-CHAIR", "Rocking chair squeaks when it leans back", "It squeaks at the left rocker, only when leaning back.", 1, ("noise",), "done", "Marc", "A drop of wax between rocker and leg helps. If it comes back we collect the chair."),
    Complaint(322, "Nadia Haddad", "STEP-STOOL", "Which load may the step stool carry?", "I could not find the maximum load on the label.", 0, ("question",), "done", "Priya", "150 kg. The label will say so from the next batch on."),
    Complaint(300, "Daniel Reyes", "LEDGE-SHELF", "Wall shelf came without brackets", "The carton had the shelf but no screws and plugs.", 2, ("missing part",), "done", "Marc", "The fixing kit is in the post today."),
    Complaint(288, "Studio Ekholm", "LEDGE-SHELF", "Two of six shelves without fixing kit", "Six shelves came, four kits.", 2, ("missing part",), "done", "Marc", "Two kits are on the way. We found out why and changed how we pack."),
    Complaint(263, "Paul Brandt", "SIDE-TABLE", "Which oil may I use on the side table?", "I would like to refresh the top after a year.", 0, ("question",), "done", "Priya", "Any clear hardwax oil. Sand lightly along the grain first."),
    Complaint(240, "Kindergarten Seestern", "STEP-STOOL", "Sharp edge under the step", "The children can reach the edge under the upper step. It is quite sharp.", 3, ("safety",), "done", "Priya", "Thank you, that must not be. We exchange all four stools this week.", "Edge is not broken on the underside at all. @Julie Andreson this is one for you."),
    Complaint(205, "Oskar Lind", "BREAD-BOARD", "Finish feels rough on one side", "One side of the bread board feels rough, like unsanded.", 0, ("finish",), "done", "Marc", "We take it back and send a new one."),
    Complaint(188, "Elif Kaya", "SIDE-TABLE", "Corner damaged in transit", "The carton was dented and so is the corner of the table.", 1, ("transport",), "done", "Marc", "A new top is on its way; the photos were enough."),
    Complaint(150, "Atelier Blanc", "HALL-BENCH", "Bench wobbles on a flat floor", "One leg is shorter by 2 mm.", 2, ("fit",), "done", "Priya", "We will come by and level it on Thursday."),
    Complaint(121, "Mei Tanaka", "ROCKING-CHAIR", "Spindle loose after the winter", "One back spindle turns in its hole since the heating season.", 2, ("glue joint",), "done", "Marc", "The wood has dried. We glue it at your home and look at the others too."),
    Complaint(96, "Harbour Library", "BOOKSTAND", "Bookstand leans to the left", "With heavy books the stand leans to the left.", 1, ("fit",), "done", "Priya", "We send a stand from the new batch; its lower dowel is thicker."),
    Complaint(74, "Sofia Rossi", "BOOKSTAND", "Bookstand leans under a cookbook", "It leans as soon as a cookbook lies on it.", 1, ("fit",), "waiting", "Priya", "Could you tell us the number under the base, so that we know which batch it is from?"),
    Complaint(52, "Peter Novak", "STEP-STOOL", "Two left legs in one carton", "There are two left legs in the carton and no right one.", 1, ("missing part",), "waiting", "Marc", "How strange, I am sorry. A right leg is packed; is the address still the same?"),
    Complaint(45, "James Porter", "ROCKING-CHAIR", "Dowel end stands proud", "A dowel end on the arm rest stands out by a millimetre and catches sleeves.", 1, ("finish",), "waiting", "Marc", "May we collect the chair on Monday, or would you rather sand it yourself?"),
    Complaint(38, "Studio Ekholm", "LEDGE-SHELF", "Walnut delivered instead of oak", "The order said oak; these are walnut.", 2, ("wrong item",), "waiting", "Priya", "You are right. Would you like to keep them at the price of oak, or shall we swap?"),
    Complaint(31, "Hotel Lindenhof", "HALL-BENCH", "Drawer of hall bench sticks in damp weather", "On rainy days the drawers of all four benches stick.", 2, ("fit",), "open", "Marc", "Thank you, I have asked our quality team to measure the gap."),
    Complaint(24, "Grace Mbeki", "SERVING-TRAY", "Oil smells after washing", "The tray smells of oil after each wash.", 0, ("finish",), "open", "Priya"),
    Complaint(19, "Northside Dental", "HALL-BENCH", "Scratches from the felt pads", "The pads of the bench leave marks on our floor.", 1, ("finish",), "open", "Marc", "Which floor is it? Then we send the right pads."),
    Complaint(15, "Nadia Haddad", "STEP-STOOL", "Hairline crack in the tread of a step stool", "There is a fine crack along the grain of the upper tread.", 3, ("safety", "breakage"), "open", "Priya", "Please do not stand on it any more. We collect it tomorrow.", "@Julie Andreson a crack in the tread again, photos are with the courier."),
    Complaint(11, "Ruth Adler", "SIDE-TABLE", "Knob turns freely", "The knob of the drawer turns and does not get tight.", 0, ("fit",), "open", "Marc"),
    Complaint(9, "Café Morgenrot", "SERVING-TRAY", "Order of twelve more trays, with longer screws?", "We would like twelve more. Do they have the longer screws now?", 1, ("question",), "open", "Priya", "Yes, all trays since last autumn have them."),
    Complaint(6, "Atelier Blanc", "LEDGE-SHELF", "Shelf sits 3 mm off the wall", "The rebate seems too shallow, the shelf stands off.", 1, ("fit",), "open", "Marc"),
    Complaint(4.2, "Oskar Lind", "HALL-BENCH", "Hinge of the seat is stiff", "The seat opens only with force.", 1, ("fit",), "new", ""),
    Complaint(3.1, "Mei Tanaka", "BREAD-BOARD", "Bread board warped", "It rocks on the table since last week.", 1, ("fit",), "new", ""),
    Complaint(2.4, "Daniel Reyes", "LEDGE-SHELF", "One wall plug too few", "Three plugs instead of four in the bag.", 0, ("missing part",), "new", ""),
    Complaint(1.3, "Kindergarten Seestern", "STEP-STOOL", "Stool slips on linoleum", "On our linoleum the stool slides away when a child climbs up.", 3, ("safety", "stability"), "new", ""),
    Complaint(0.9, "Paul Brandt", "SIDE-TABLE", "Light ring left by a cup", "A cup has left a light ring. How do I get it out?", 0, ("question",), "new", ""),
    Complaint(0.4, "Tomasz Wilk", "ROCKING-CHAIR", "Chair walks across the floor", "It moves forward a little with every rock.", 1, ("stability",), "new", ""),
)


class Worry(NamedTuple):
    """A quality alert. `ticket` is the title of a complaint it comes from; `actions` are (kind, text, who, state)."""

    days: float
    title: str
    product: str
    ticket: str
    cause: str
    stage: str
    by: str
    priority: int
    actions: tuple[tuple[str, str, str, str], ...]
    text: str = ""


ALERTS = (
    Worry(392, "Tray handles pull out", "SERVING-TRAY", "Handle of serving tray came loose", "Design", "done", "Julie", 2, (("corrective", "Use 4 × 30 screws instead of 3 × 16", "Joe", "verified"), ("preventive", "Pull test on one tray per batch", "Tom", "verified"))),
    Worry(295, "Shelves packed without fixing kit", "LEDGE-SHELF", "Wall shelf came without brackets", "Process", "done", "Tom", 2, (("corrective", "Make the fixing kit a line of the BoM", "Joe", "verified"), ("preventive", "Weigh each carton before closing", "Nora", "verified"))),
    Worry(238, "Sharp edge under the step", "STEP-STOOL", "Sharp edge under the step", "Method", "done", "Julie", 3, (("corrective", "Break all edges with 2 mm radius", "Joe", "verified"), ("preventive", "Add the edge to the final check", "Julie", "verified"))),
    Worry(148, "Leg lengths differ by 2 mm", "HALL-BENCH", "Bench wobbles on a flat floor", "Machine", "done", "Tom", 1, (("corrective", "Set the stop of the saw anew", "Nora", "verified"),)),
    Worry(119, "Spindles loosen in dry air", "ROCKING-CHAIR", "Spindle loose after the winter", "Material", "agreed", "Julie", 2, (("corrective", "Dry spindles to 8 % before turning", "Nora", "done"), ("preventive", "Measure moisture of each delivery", "Tom", "doing"))),
    Worry(94, "Bookstand leans under heavy books", "BOOKSTAND", "Bookstand leans to the left", "Design", "agreed", "Julie", 1, (("corrective", "Thicker lower dowel", "Joe", "done"), ("preventive", "Load test with 4 kg", "Tom", "open"))),
    Worry(60, "Oil dries slowly in the booth", "BREAD-BOARD", "", "Environment", "agreed", "Tom", 0, (("corrective", "Raise the booth to 22 °C", "Nora", "done"),), "Boards of the last two batches were still tacky after a day."),
    Worry(30, "Drawers stick in damp weather", "HALL-BENCH", "Drawer of hall bench sticks in damp weather", "Design", "confirmed", "Julie", 2, (("corrective", "Measure the gap of ten drawers at 70 % humidity", "Tom", "doing"),)),
    Worry(14, "Crack in the tread", "STEP-STOOL", "Hairline crack in the tread of a step stool", "Material", "confirmed", "Julie", 3, (("corrective", "Block boards with heart shake", "Nora", "done"), ("preventive", "Inspect boards before cutting", "Tom", "open"))),
    Worry(8, "Carton tape opens in the cold", "HALL-SET", "", "", "confirmed", "Tom", 0, (), "Three cartons came back open from the north."),
    Worry(5, "Rebate of the ledge shelf too shallow", "LEDGE-SHELF", "Shelf sits 3 mm off the wall", "", "new", "Tom", 1, ()),
    Worry(1.1, "Stool slips on linoleum", "STEP-STOOL", "Stool slips on linoleum", "", "new", "Julie", 3, ()),
)


class Change(NamedTuple):
    """An ECO. `edits` are (verb, ...) on its draft; `alert` is the title of the alert it comes from."""

    days: float
    title: str
    product: str
    alert: str
    stage: str  # role
    edits: tuple[tuple[str, ...], ...]
    text: str


CHANGES = (
    Change(385, "Longer screws for tray handles", "SERVING-TRAY", "Tray handles pull out", "done", (("change", "SCREW-430", "8"),), "Four more screws per handle pair, 4 × 30, so that the handle holds 25 kg."),
    Change(290, "Fixing kit inside the shelf carton", "LEDGE-SHELF", "Shelves packed without fixing kit", "done", (("operation", "Weigh carton", "PACK", "1"),), "The kit was packed from memory. It is weighed now."),
    Change(230, "Break all edges of the step stool", "STEP-STOOL", "Sharp edge under the step", "done", (("operation", "Break edges", "FINISH", "5"),), "All edges within reach of a child get a 2 mm radius."),
    Change(80, "Thicker lower dowel in the bookstand", "BOOKSTAND", "Bookstand leans under heavy books", "approved", (("change", "DOWEL", "4"),), "A fourth dowel at the bottom carries the load."),
    Change(40, "Angles of steel in the hall bench frame", "HALL-BENCH", "", "review", (("add", "ANGLE", "4"), ("operation", "Fit angles", "ASM", "4")), "The frame stays square when the bench is dragged."),
    Change(28, "Wider gap for bench drawers", "HALL-BENCH", "Drawers stick in damp weather", "open", (("operation", "Plane drawer front", "SAW", "3"),), "One more millimetre of gap on each side."),
    Change(13, "Ply under the tread of the step stool", "STEP-STOOL", "Crack in the tread", "open", (("add", "BEECH-PLY", "0.06"),), "A cross-grained backing stops cracks."),
    Change(7, "Carton with a handle hole for the hall set", "HALL-SET", "", "new", (), "Drivers asked for it."),
    Change(2, "Rubber feet for the step stool", "STEP-STOOL", "Stool slips on linoleum", "new", (), "Four rubber feet instead of bare wood."),
)
