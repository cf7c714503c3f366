"""The sample documents of the demo organization's knowledge base."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from deskbell.demo.documents import Heading, Items, TableRows, docx, pdf

NAME = "Roofing handbook"
DESCRIPTION = "Prices, warranty, service area and how we work"


class SampleFile(NamedTuple):
    """A file to upload."""

    name: str
    media_type: str
    data: bytes


PRICES = (
    Heading("Roof replacement"),
    "Prices are per square foot and include tear-off of one layer, underlayment, flashing and clean-up. Waste disposal is included.",
    TableRows(
        [
            ("Material", "Price per square foot", "Part number"),
            ("Architectural asphalt shingles", "$5.40", "LS-AS30"),
            ("Impact-resistant shingles, class 4", "$6.90", "LS-IR40"),
            ("Standing seam metal, 24 gauge", "$12.80", "LS-SM24"),
            ("Clay tile", "$15.50", "LS-CT10"),
        ]
    ),
    Heading("Repairs"),
    TableRows(
        [
            ("Repair", "Price"),
            ("Leak repair, up to two hours", "$385"),
            ("Replace a pipe boot", "$165"),
            ("Replace up to ten shingles", "$290"),
            ("Reseal a skylight", "$240"),
        ]
    ),
    Heading("Inspections"),
    "An inspection is free inside our service area. A written report for an insurer or a buyer costs $95.",
    Heading("Emergency tarp"),
    "Putting a tarp over storm damage costs $350 up to 400 square feet. We credit it against the repair when we do the repair.",
)
WARRANTY = (
    Heading("What is covered"),
    "We warrant our workmanship for ten years from the day of completion. "
    "Leaks that our work causes are repaired at no charge, labor and material included.",
    Items(
        [
            "Installation of shingles, metal and tile",
            "Flashing, valleys and pipe boots",
            "Gutters that we have installed",
        ]
    ),
    Heading("Manufacturer's warranty"),
    "Architectural shingles carry a limited manufacturer's warranty of 30 years, class 4 shingles of 40 years, and standing seam metal of 50 years.",
    Heading("What is not covered"),
    "Damage by hail above two inches, fallen trees, foot traffic of others, and alterations by another contractor are not covered.",
    Heading("Transfer"),
    "The warranty can be transferred once to a new owner of the house. Tell us within 60 days of the sale; the transfer costs nothing.",
    Heading("How to make a claim"),
    "Send photos and your contract number to office@example.com. We look at the roof within three working days.",
)
MAINTENANCE = (
    Heading("Every spring and fall"),
    Items(
        [
            "Clean the gutters and downspouts",
            "Trim branches to six feet from the roof",
            "Look for loose, curled or missing shingles from the ground",
        ]
    ),
    Heading("After a storm"),
    "Walk around the house and look for granules in the gutters, dents in metal vents and water stains on ceilings. Do not climb onto the roof.",
    Heading("Attic ventilation"),
    "An attic needs one square foot of vent for each 150 square feet of floor. Too little ventilation shortens the life of shingles by years.",
    Heading("Maintenance plan"),
    "Our maintenance plan costs $189 a year: two visits, gutter cleaning, sealing of exposed nails and a photo report.",
)
CONTRACT = (
    Heading("Deposit and payment"),
    "We ask for a deposit of 20 percent when you sign, and the rest on the day of completion. "
    "We take checks, cards and bank transfer; cards cost 3 percent more.",
    Heading("Cancellation"),
    "You may cancel within three business days of signing and get the whole deposit back. Later, we keep what materials have cost us.",
    Heading("Permits"),
    "We pull the building permit and pay its fee, except in the city of West Lake Hills, where the owner must apply.",
    Heading("Change orders"),
    "Rotten decking is replaced at $4.10 per square foot. We show you photos and ask before we replace more than 32 square feet.",
)
FAQ = """# Frequently asked questions

## How long does a roof replacement take?
Most houses take one to two days. Tile and metal take three to five days. Rain moves the work to the next dry day.

## Do I have to be at home?
No. We need access to the driveway and one outside outlet. Please move cars and cover what stands in the attic.

## How loud is it?
Loud. Dogs and home offices are better somewhere else from eight in the morning until five.

## Do you work in winter?
Yes. Shingles need 40 degrees to seal, which most winter days in Austin have.

## Can you put new shingles over old ones?
We do not. A second layer hides rotten decking and voids most manufacturers' warranties.

## Are you licensed and insured?
Texas has no roofing license. We carry two million dollars of liability insurance and workers' compensation; ask for the certificate.
"""
AREA = """# Service area

We work in Travis, Williamson and Hays counties: Austin, Round Rock, Cedar Park, Georgetown, Pflugerville, Kyle, Buda and San Marcos.

## Travel
Inspections are free within 40 miles of our office at 410 Limestone Ct, Austin. Beyond that a visit costs $75, credited against the job.

## Where we do not work
We do not take jobs in San Antonio or Waco. We can recommend colleagues there.
"""
INSURANCE = """# Insurance claims

## Who files the claim
You file the claim with your insurer; by Texas law a roofer may not act as a public adjuster. We meet the adjuster on your roof and show the damage.

## Deductible
The deductible is yours to pay. Waiving it is a crime in Texas, and we never do.

## Time limits
Most policies want a claim within one year of the storm. Take photos with dates as soon as it is safe.

## Supplements
If we find hidden damage we send the insurer photos and a supplement before we go on.
"""
STORM = """# Storm checklist

1. Stay off the roof and away from fallen lines.
2. Put buckets below leaks and move what is valuable.
3. Call us for an emergency tarp: we come within four hours in Austin, day and night, at 512-555-0100.
4. Take photos of damage inside and outside.
5. Call your insurer and write down the claim number.
"""
SCHEDULING = """# Scheduling

## Office hours
Monday to Friday from 7:30 to 17:30, Saturday from 8:00 to 12:00. Closed on Sundays and federal holidays.

## How soon
Inspections are usually within two working days. Replacements start two to three weeks after you sign, depending on the material.

## Moving an appointment
Call or text until noon of the day before. Moving it later than that costs $50, unless it is the weather.
"""
FINANCING = """<html><head><title>Financing</title></head><body><h1>Financing</h1>
<p>We offer financing through a partner bank for jobs above $3,000.</p>
<h2>Plans</h2><ul><li>12 months without interest</li><li>60 months at 7.9 percent a year</li><li>120 months at 9.9 percent a year</li></ul>
<h2>Who can apply</h2><p>Owners of the house with a credit score of 640 or more. The answer comes within an hour and does not change your score.</p>
</body></html>"""
ABOUT = """<html><head><title>About Lone Star Roofing</title></head><body><h1>About us</h1>
<p>Lone Star Roofing has put roofs on houses in Central Texas since 2008. We are 23 people, and every crew leader is our own employee.</p>
<h2>Reviews</h2><p>Customers rate us 4.8 of 5 stars in more than 600 reviews.</p>
<h2>Recycling</h2><p>Old shingles go to a plant in Hutto that turns them into asphalt for roads.</p></body></html>"""
MATERIALS = """part,material,color,life in years,wind rating in mph
LS-AS30,architectural asphalt shingles,Weathered Wood,30,130
LS-AS31,architectural asphalt shingles,Charcoal,30,130
LS-IR40,impact-resistant shingles class 4,Slate,40,150
LS-SM24,standing seam metal 24 gauge,Galvalume,50,160
LS-CT10,clay tile,Terracotta,75,125
"""


def sample_files() -> Iterator[SampleFile]:
    """Twelve files, in every format that knowledge bases accept."""
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    yield SampleFile("price-sheet.pdf", "application/pdf", pdf("Price sheet", PRICES))
    yield SampleFile("warranty.docx", word, docx("Warranty", WARRANTY))
    yield SampleFile("maintenance-guide.pdf", "application/pdf", pdf("Maintenance guide", MAINTENANCE))
    yield SampleFile("contract-terms.docx", word, docx("Contract terms", CONTRACT))
    texts = {"faq.md": FAQ, "service-area.md": AREA, "insurance-claims.md": INSURANCE}
    for name, text in (texts | {"storm-checklist.md": STORM, "scheduling.md": SCHEDULING}).items():
        yield SampleFile(name, "text/markdown", text.encode())
    yield SampleFile("financing.html", "text/html", FINANCING.encode())
    yield SampleFile("about-us.html", "text/html", ABOUT.encode())
    yield SampleFile("materials.csv", "text/csv", MATERIALS.encode())
