"""The demo's conversations: what people and a roofing business text each other."""

from __future__ import annotations

from typing import NamedTuple


class Dialogue(NamedTuple):
    """A conversation. Lines begin with `>` when the business writes. The other fields are what an assistant would conclude from it."""

    lines: tuple[str, ...]
    summary: str
    sentiment: str = "positive"
    interest: str = "medium"
    human: bool = False
    closed: bool = False


def dialogue(text: str, summary: str, *more: object) -> Dialogue:
    return Dialogue(tuple(line.strip() for line in text.strip().splitlines()), summary, *more)  # type: ignore[arg-type]


DIALOGUES = [
    dialogue(
        """Hi, we had hail last night and I think the roof took a beating. Do you do free inspections?
        >Hi {first}, this is Sarah with Lone Star Roofing. Yes, inspections are free. Is this for {street}?
        Yes. Lots of dents on the AC unit too
        >Dents on the AC are a good hint that the shingles were hit as well. Would {day} at {time} suit you?
        {day} works. Do I have to be home?
        >Not for the roof itself. We only need you if you would like us to look into the attic.
        Ok I'll be there. Thank you!""",
        "Hail damage suspected at {street}; free inspection agreed for {day} at {time}.",
        "positive",
        "high",
    ),
    dialogue(
        """>Hi {first}, Sarah from Lone Star Roofing. We got your request from the website. Is the leak active right now?
        Only when it rains hard. There's a stain in the hallway
        >Thanks. Please put a bucket under it and send me a photo if you can. {rep} can come by {day} at {time}.
        can he come earlier? rain in the forecast
        >He can put a tarp on tomorrow morning before 9 and do the full check on {day}. OK?
        Perfect, thanks so much""",
        "Leak in the hallway at {street}. Tarp tomorrow, full check on {day}.",
        "positive",
        "high",
    ),
    dialogue(
        """>Good morning {first}! {rep} has finished your estimate. I have just e-mailed it to you. Any questions, text me here.
        Got it. The middle option, is that the 30 year shingle?
        >It is a limited lifetime architectural shingle, 130 mph wind rating. The best option adds class 4 impact resistance.
        and class 4 gets me a discount on my homeowners?
        >Most insurers in Texas give one. Ask yours what it is for a class 4 roof before you decide.
        ok will call them. Does the price hold until the end of the month?
        >It holds for 30 days, so take your time.""",
        "Compares the middle and the class 4 option; asks the insurer about a discount. Price holds for 30 days.",
        "neutral",
        "high",
    ),
    dialogue(
        """The adjuster is coming {day}. Can somebody from your side be there?
        >Yes, {rep} will meet the adjuster at {street}. What time were you given?
        {time}
        >Great, {rep} will be there ten minutes early. Please have the claim number at hand.
        it's on the letter, I'll text you a picture
        >Thank you, got it. We will bring the photos from our inspection.""",
        "Adjuster meets {rep} at {street} on {day} at {time}; claim letter received.",
        "positive",
        "high",
    ),
    dialogue(
        """>Hi {first}, your installation is set for {day}. The crew arrives around 7:30. Please move cars out of the driveway.
        ok. how long will it take?
        >One day for a roof of your size, weather permitting. We run a magnet over the yard for nails at the end.
        I work from home, how loud is it
        >Honestly: loud from 8 to about 3. Many people take calls elsewhere that day.
        haha fair enough. See you {day}""",
        "Installation confirmed for {day}, crew at 7:30. Knows about the noise.",
        "positive",
        "high",
    ),
    dialogue(
        """The crew left nails in my driveway. One is in my tire now.
        >{first}, I am very sorry. {rep} will come by today with the magnet and look at the tire.
        I need the car at 4
        >He can be there at {time}. We pay for the repair: please keep the receipt.
        Fine. I expected better though
        >I understand, and I have told the owner as well. He will call you tonight.""",
        "Nails left after the job damaged a tire. The owner should call; we pay the repair.",
        "negative",
        "medium",
        True,
    ),
    dialogue(
        """>Hi {first}, this is Sarah from Lone Star Roofing checking in on the estimate for {street}. Any thoughts?
        Still waiting on two other bids
        >Makes sense. Happy to go through them with you so that you compare like with like.
        appreciate it. will let you know next week""",
        "Waits for two other bids; will answer next week.",
        "neutral",
        "medium",
    ),
    dialogue(
        """>Hi {first}, Lone Star Roofing here. Our crew is on your street next week. Would you like a free look at your roof?
        How old does a roof have to be before it's worth it
        >For asphalt shingles around here about 12 years. Do you know when yours was put on?
        we bought in 2012 and it was new then
        >Then it is worth a look, and it is free. Shall I pencil you in for {day} at {time}?
        Let me talk to my wife first
        >Of course. Just text me here.""",
        "Roof from about 2012. Will talk it over at home before an inspection.",
        "neutral",
        "medium",
    ),
    dialogue(
        """Do you finance?
        >Yes, 12 to 60 months through our lending partner, with approval. Would you like the link to check your rate?
        does it hurt my credit to check
        >Checking is a soft inquiry and does not. Signing later is a hard one.
        Send it please
        >Sent to your e-mail. {rep} can walk you through the monthly figures whenever you like.
        great thanks""",
        "Asks for financing; link sent. Follow up with monthly figures.",
        "positive",
        "high",
    ),
    dialogue(
        """>Hi {first}, thank you for choosing Lone Star Roofing! Is everything as you hoped?
        Looks fantastic. Neighbors already asking who did it
        >That is wonderful to hear. If you have a minute, a review would help us a lot. And there is $200 for every referral.
        Will do tonight!
        >Thank you, {first}. Your warranty papers are in your e-mail. Save them with your house documents.""",
        "Happy with the finished roof; promised a review and may refer neighbors.",
        "positive",
        "low",
        False,
        True,
    ),
    dialogue(
        """Hi is this the roofing company? My landlord gave me this number
        >Hi {first}, yes, this is Lone Star Roofing. What is going on?
        Water is coming in by the chimney right now
        >Please keep clear of that ceiling. I am sending {rep} with a tarp, about 40 minutes. Is the address {street}?
        Yes. Gate code is on the box
        >On the way. I will let the owner of the house know as well.
        thank you thank you""",
        "Emergency: water by the chimney at {street}. Tarp crew sent.",
        "negative",
        "high",
        True,
    ),
    dialogue(
        """>Hi {first}, sorry to hear that you decided for someone else. May I ask what made the difference?
        Price mostly. They were 2k under you
        >Thank you for telling me. If anything comes up with their schedule, we are here.
        sounds good""",
        "Lost on price, about $2,000. Left on good terms.",
        "neutral",
        "low",
        False,
        True,
    ),
]

#: What comes after, for threads that go on.
AFTERWARDS = [
    (
        "One more thing, can you do the gutters as well?",
        ">Yes, 5 or 6 inch seamless. I will add a line to the estimate.",
    ),
    ("Running 10 min late", ">No problem, {first}. {rep} will wait."),
    (">Just a reminder of our visit on {day} at {time}.", "Got it, thanks"),
    ("Which colors do you have?", ">Weathered Wood and Charcoal are the favorites. {rep} brings samples."),
    ("Can you send me your license and insurance?", ">Of course: certificate of insurance sent to your e-mail."),
    (">Rain is likely on {day}, so we may move to the day after. I will text you by 6 pm.", "ok keep me posted"),
    ("👍",),
]

STOPPED = dialogue(
    """>Hi {first}, Lone Star Roofing here. After last week's storm we check roofs on your street for free. Interested?
    STOP
    >Lone Star Roofing: you are unsubscribed and will get no more texts from us. Reply START to subscribe again.""",
    "Asked for no more texts.",
    "negative",
    "low",
    False,
    True,
)
