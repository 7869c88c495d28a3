"""The words of the world, and what they mean."""

from __future__ import annotations

from enum import StrEnum

COLOURS = {
    "red": (222, 30, 38),
    "orange": (255, 138, 10),
    "yellow": (252, 226, 40),
    "green": (22, 148, 58),
    "turquoise": (38, 214, 206),
    "blue": (30, 66, 224),
    "purple": (126, 38, 168),
    "pink": (255, 132, 196),
    "white": (250, 250, 250),
    "black": (14, 14, 16),
}
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "moon", "diamond")
SIZES = {"small": 32.0, "medium": 48.0, "large": 72.0}
"""Word -> radius in px of a 640x360 picture; scenes vary it by 7 % either way."""

COUNTS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
LOOKS_ALIKE_TURNED = ("circle", "ring")
"""Nobody can see these spin."""

PLACES: dict[str, tuple[int | None, int | None]] = {
    "on the left": (0, None),
    "on the right": (2, None),
    "at the top": (None, 0),
    "at the bottom": (None, 2),
    "in the middle": (1, 1),
    "in the top left corner": (0, 0),
    "in the top right corner": (2, 0),
    "in the bottom left corner": (0, 2),
    "in the bottom right corner": (2, 2),
}
"""Phrase -> column and row of a 3x3 grid over the picture; None: any."""

RELATIONS = ("to the left of", "to the right of", "above", "below", "inside")

MOTIONS = {
    "still": ("stands still", "stand still"),
    "left": ("moves to the left", "move to the left"),
    "right": ("moves to the right", "move to the right"),
    "up": ("moves up", "move up"),
    "down": ("moves down", "move down"),
    "spin": ("spins", "spin"),
    "bounce": ("bounces", "bounce"),
    "swing": ("swings", "swing"),
    "shake": ("shakes", "shake"),
}
"""Name -> what one does, what several do."""

FILLERS = (
    "Let us go on.",
    "Thank you for your patience.",
    "As I said before, take your time.",
    "Well, that was easy.",
    "Please subscribe and tell your friends.",
    "Now we come to the next part.",
    "I hope that you like it so far.",
    "This took me a long time to make.",
    "Do not forget to leave a comment.",
    "We will talk about that again later.",
    "By the way, my name is not important.",
    "Let me think about it for a moment.",
    "That is all that I know about it.",
    "Are you ready for more of this?",
    "My brother told me the same thing yesterday.",
    "It was raining when I made this.",
)
"""Sentences that describe nothing."""

FOREIGN = {
    "de": (
        "Guten Tag und willkommen zu unserer Sendung.",
        "Heute sprechen wir über das Wetter von morgen.",
        "Im Norden bleibt es kühl und windig.",
        "Am Abend kommt die Sonne noch einmal heraus.",
        "Vielen Dank fürs Zuhören und auf Wiedersehen.",
    ),
    "es": (
        "Buenos días y bienvenidos a nuestro programa.",
        "Hoy hablamos de la cocina de mi abuela.",
        "Primero se cortan las verduras muy despacio.",
        "Después se pone todo en una olla grande.",
        "Muchas gracias por escuchar y hasta mañana.",
    ),
    "fr": (
        "Bonjour et bienvenue dans notre émission.",
        "Aujourd'hui nous parlons de la vie à la campagne.",
        "Le matin, le boulanger ouvre sa boutique.",
        "Les enfants vont à l'école à pied.",
        "Merci de votre attention et à bientôt.",
    ),
}
"""Language -> sentences for the videos that are in another language; they have nothing to do with the picture."""


class Attribute(StrEnum):
    """What one can get wrong about a scene."""

    COLOUR = "colour"
    SHAPE = "shape"
    SIZE = "size"
    COUNT = "count"
    PLACE = "place"
    RELATION = "relation"
    MOTION = "motion"


def noun(shape: str | None, count: int) -> str:
    """The word for so many of a shape; None says "shape"."""
    word = shape or "shape"
    if count == 1:
        return word
    return f"{word}es" if word == "cross" else f"{word}s"
