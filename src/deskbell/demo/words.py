"""Names of people and places, and notes. Phone numbers are in the range reserved for fiction, 555-0100 to 555-0199."""

from __future__ import annotations


def listed(text: str, separator: str | None = None) -> list[str]:
    """The words of a text, or its parts between separators."""
    return [part.strip() for part in text.split(separator)]


FIRST = listed(
    """Aaron Abby Adrian Alicia Amber Andre Angela Anita Antonio Becky Ben Beth Brandon Brenda Caleb Carla Carlos Cheryl
Chris Cindy Clara Cody Connie Craig Dana Danny Darlene Derek Diana Donna Doug Elena Eli Emma Eric Erin Felipe Frank Gabriel
Gina Glenn Grace Greg Hannah Hector Holly Irene Isaac Jackie Jamal Janet Jared Jasmine Javier Jenna Jerry Jill Joanna Joel
Josie Juan Karen Keith Kendra Kevin Kim Kyle Lacey Larry Leah Leon Linda Lorenzo Lucy Luis Marcus Maria Marsha Mateo Megan
Mike Monica Nadia Nate Nicole Norma Olivia Omar Pam Paul Priya Rachel Raul Rebecca Rick Rosa Ruben Ryan Sam Sandra Sean
Shawna Sofia Stan Steve Tamara Teresa Tim Tina Tony Travis Vanessa Victor Wanda Wes Yolanda Zach"""
)

LAST = listed(
    """Adams Aguilar Baker Barnes Bell Bishop Boone Brooks Bryant Caldwell Campos Carter Castillo Chandler Chavez Coleman
Cortez Cruz Dalton Davis Delgado Dixon Duncan Ellis Espinoza Estrada Fields Fischer Flores Ford Foster Garza Gibson Gomez
Graham Grant Griffin Guerra Hall Harper Hayes Herrera Hicks Holt Howard Hudson Jensen Kelly Klein Lam Lawson Lopez Lowe
Maddox Marsh Mata McCoy Medina Mercer Mills Molina Moreno Morris Nash Navarro Nguyen Norris Ortega Owens Park Patel Payne
Pena Porter Quinn Ramos Reyes Rios Rivera Robbins Rojas Ruiz Salazar Sanders Schmidt Shah Silva Sims Soto Stokes Tate
Torres Trevino Tran Underwood Valdez Vance Vargas Walsh Watts Weaver Webb Wilkins Wolfe Yates Young Zamora"""
)

#: Area code, city and ZIP codes.
PLACES = [
    ("512", "Austin", ("78702", "78704", "78723", "78731", "78745", "78757")),
    ("737", "Austin", ("78703", "78741", "78748", "78753")),
    ("512", "Round Rock", ("78664", "78681")),
    ("737", "Pflugerville", ("78660",)),
    ("512", "Cedar Park", ("78613",)),
    ("512", "Georgetown", ("78626", "78633")),
    ("512", "Kyle", ("78640",)),
    ("830", "New Braunfels", ("78130",)),
    ("254", "Temple", ("76502", "76504")),
    ("210", "San Antonio", ("78209", "78230", "78247")),
]

STREETS = listed(
    """Bluebonnet Ln|Pecan Grove Dr|Live Oak St|Limestone Ct|Creekside Dr|Mockingbird Ln|Cedar Bend|Ranch Road|
Juniper Trl|Barton Hills Dr|Mesquite St|Windmill Way|Sycamore Ave|Wildflower Cv|Hilltop Dr|Canyon Rim Dr|Old Mill Rd|
Magnolia Ave|Prairie View Dr|Cottonwood Ct""",
    "|",
)

COMPANIES = listed(
    """Bluebonnet Property Management|Cedar Ridge HOA|Hill Country Storage|Pecan Street Dental|Mesa Verde Apartments|
Lakeline Veterinary Clinic|Old Mill Brewery|Riverbend Church|Sunrise Daycare|Juniper Court Condominiums|Tejas Auto Body|
Northgate Realty|Limestone Coffee Roasters|Barton Creek Academy|Five Oaks Assisted Living""",
    "|",
)

ROOFS = ["architectural shingle", "3-tab shingle", "standing-seam metal", "clay tile", "concrete tile", "flat TPO"]

TEAM = [
    ("Dale Whitaker", "dale", "owner"),
    ("Rosa Benavides", "rosa", "admin"),
    ("Marcus Lindsey", "marcus", "member"),
    ("Tessa Huang", "tessa", "member"),
    ("Beto Carranza", "beto", "member"),
    ("Colleen Fry", "colleen", "viewer"),
]

NOTES = {
    "new": [
        "Saw our yard sign two doors down. Wants to know what an inspection costs.",
        "Filled in the form after Tuesday's hail. Thinks there is damage on the west slope.",
        "Water stain on the bedroom ceiling, about a foot wide. Noticed it last week.",
        "Buying the house in six weeks and needs the roof looked at before closing.",
    ],
    "contacted": [
        "Left a voicemail, then texted. Prefers texts during the day.",
        "Talked for five minutes. Will check with spouse and get back to us.",
        "Roof is about 17 years old, never replaced. Some granules in the gutters.",
        "Has another quote already and wants to compare.",
    ],
    "inspection_scheduled": [
        "Dog in the back yard: call before opening the gate.",
        "Steep pitch, bring the second ladder. Two layers suspected.",
        "Will be home after 3 pm. Attic access is in the garage.",
    ],
    "estimate_sent": [
        "Sent good/better/best. Leaning towards class 4 shingles for the insurance discount.",
        "Asked about financing over 24 months.",
        "Adjuster has been out; waiting for the scope from the insurer.",
        "Wants the gutters priced on their own.",
    ],
    "won": [
        "Signed. HOA colour approval: Weathered Wood.",
        "Deductible paid. Supplement for decking approved.",
        "Full tear-off, ridge vent, new pipe boots. Very happy with the crew.",
        "Left a five-star review; happy to be a reference.",
    ],
    "lost": [
        "Went with a cheaper bid. Asked us to check in again next spring.",
        "Claim denied and does not want to pay out of pocket now.",
        "Sold the house.",
    ],
    "nurture": [
        "Roof has three to five years left. Reminder set for spring.",
        "Waiting for a tax refund before deciding.",
    ],
}
