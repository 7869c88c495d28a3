"""Sentences that say what is to be seen: built, read back, and altered in one attribute."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from vta_stream.toyworld.world.vocabulary import (
    COLOURS,
    COUNTS,
    LOOKS_ALIKE_TURNED,
    MOTIONS,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    Attribute,
    noun,
)

FORMS = {
    "presence": ("There {is} {a}.", "You can see {a}.", "Here we have {a}.", "Now look at {a}."),
    "place": ("{A} {is} {p}.", "There {is} {a} {p}.", "You can see {a} {p}.", "{P} there {is} {a}."),
    "motion": ("{A} {m}.", "{The} {m}.", "You can see that {a} {m}.", "Watch how {the} {m}."),
    "relation": ("{A} {is} {r} {b}.", "There {is} {a} {r} {b}.", "{The} {is} {r} {theb}.", "You can see {a} {r} {b}."),
}
"""Kind -> its sentences. a, the: the subject with its article; b, theb: the other; p, m, r: place, motion, relation."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A group as a sentence names it; None is left unsaid. At least one of colour and shape is said."""

    count: int
    size: str | None
    colour: str | None
    shape: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """`predicate` is the place, motion or relation that a sentence of that kind is about, and "" for presence.

    `form` is the index of its sentence in `FORMS`.
    """

    kind: str
    subject: Mention
    predicate: str = ""
    other: Mention | None = None
    form: int = 0

    @property
    def text(self) -> str:
        """The sentence, as it is written and spoken."""
        many = self.subject.count > 1
        return FORMS[self.kind][self.form].format(
            A=_capital(_with_article(self.subject)),
            a=_with_article(self.subject),
            The=_capital(_definite(self.subject)),
            the=_definite(self.subject),
            b=_with_article(self.other) if self.other else "",
            theb=_definite(self.other) if self.other else "",
            p=self.predicate,
            P=_capital(self.predicate),
            m=MOTIONS[self.predicate][many] if self.kind == "motion" else "",
            r=self.predicate,
            **{"is": "are" if many else "is"},
        )

    def mentions(self) -> tuple[Mention, ...]:
        """The subject, and the other if there is one."""
        return (self.subject, self.other) if self.other else (self.subject,)


def parse(text: str) -> Statement | None:
    """The statement that a sentence makes; None where it is none of the grammar's. Case and signs do not matter."""
    plain = " ".join(re.sub(r"[^a-z ]", " ", text.lower()).split())
    for kind, form, pattern in _patterns():
        found = pattern.fullmatch(plain)
        if found is None:
            continue
        parts = found.groupdict()
        subject = _read_mention(parts["a"])
        other = _read_mention(parts["b"]) if "b" in parts else None
        predicate = parts.get("p") or parts.get("r") or ""
        if kind == "motion":
            predicate = next(name for name, words in MOTIONS.items() if parts["m"] in words)
        return Statement(kind, subject, predicate, other, form)
    return None


def alter(statement: Statement, kind: Attribute, rng: random.Random) -> Statement | None:
    """The statement with another value of this one attribute; None where it says nothing of it."""
    match kind:
        case Attribute.PLACE | Attribute.RELATION | Attribute.MOTION:
            if statement.kind != kind:
                return None
            return replace(statement, predicate=rng.choice(_other_predicates(statement)))
        case _:
            sides = [side for side in ("subject", "other") if _says(getattr(statement, side), kind)]
            if not sides:
                return None
            side = rng.choice(sides)
            return _replace_side(statement, side, _altered(getattr(statement, side), kind, rng))


def mention_choices(full: Mention) -> Iterator[Mention]:
    """All ways to name a group that tell it from one of another colour and shape."""
    for size in (full.size, None):
        yield replace(full, size=size)
        yield replace(full, size=size, colour=None)
        yield replace(full, size=size, shape=None)


def words() -> tuple[str, ...]:
    """Every word, in lower case, that statements are made of."""
    texts = [form for forms in FORMS.values() for form in forms] + [*COLOURS, *SIZES, *PLACES, *RELATIONS]
    texts += [noun(shape, count) for shape in (*SHAPES, None) for count in (1, 2)]
    texts += [phrase for both in MOTIONS.values() for phrase in both] + [*COUNTS.values(), "a an the is are"]
    plain = re.sub(r"\{\w+\}", " ", " ".join(texts)).lower()
    return tuple(sorted(set(re.findall(r"[a-z]+", plain)) - {"one"}))


def _altered(mention: Mention, kind: Attribute, rng: random.Random) -> Mention:
    match kind:
        case Attribute.COUNT:
            return replace(mention, count=rng.choice([count for count in COUNTS if count != mention.count]))
        case Attribute.SIZE:
            return replace(mention, size=rng.choice([size for size in SIZES if size != mention.size]))
        case Attribute.COLOUR:
            return replace(mention, colour=rng.choice([colour for colour in COLOURS if colour != mention.colour]))
        case _:
            return replace(mention, shape=rng.choice([shape for shape in SHAPES if shape != mention.shape]))


def _other_predicates(statement: Statement) -> list[str]:
    values: tuple[str, ...] = {"place": tuple(PLACES), "relation": RELATIONS, "motion": tuple(MOTIONS)}[statement.kind]
    unseen = "spin" if statement.subject.shape in LOOKS_ALIKE_TURNED else ""
    return [value for value in values if value not in (statement.predicate, unseen)]


def _says(mention: Mention | None, kind: Attribute) -> bool:
    return mention is not None and getattr(mention, kind.value) is not None


def _replace_side(statement: Statement, side: str, mention: Mention) -> Statement:
    return replace(statement, subject=mention) if side == "subject" else replace(statement, other=mention)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _described(mention: Mention) -> str:
    return " ".join(filter(None, (mention.size, mention.colour, noun(mention.shape, mention.count))))


def _with_article(mention: Mention) -> str:
    rest = _described(mention)
    if mention.count > 1:
        return f"{COUNTS[mention.count]} {rest}"
    return f"an {rest}" if rest[0] in "aeiou" else f"a {rest}"


def _definite(mention: Mention) -> str:
    rest = _described(mention)
    return f"the {COUNTS[mention.count]} {rest}" if mention.count > 1 else f"the {rest}"


@cache
def _patterns() -> tuple[tuple[str, int, re.Pattern[str]], ...]:
    """Kind, form and its pattern. No sentence fits two of them."""
    nouns = "|".join(noun(shape, count) for shape in (*SHAPES, None) for count in (1, 2))
    counts = "|".join(COUNTS.values())
    rest = rf"(?:(?:{'|'.join(SIZES)}) )?(?:(?:{'|'.join(COLOURS)}) )?(?:{nouns})"
    plain, definite = rf"(?:an?|{counts}) {rest}", rf"the (?:(?:{counts}) )?{rest}"
    values = {
        **dict.fromkeys(("A", "a"), f"(?P<a>{plain})"),
        **dict.fromkeys(("The", "the"), f"(?P<a>{definite})"),
        "b": f"(?P<b>{plain})",
        "theb": f"(?P<b>{definite})",
        **dict.fromkeys(("p", "P"), f"(?P<p>{'|'.join(PLACES)})"),
        "r": f"(?P<r>{'|'.join(RELATIONS)})",
        "m": f"(?P<m>{'|'.join(phrase for both in MOTIONS.values() for phrase in both)})",
        "is": "(?:is|are)",
    }
    return tuple(
        (kind, index, re.compile(re.sub(r"\{(\w+)\}", lambda found: values[found[1]], form.rstrip(".")), re.IGNORECASE))
        for kind, forms in FORMS.items()
        for index, form in enumerate(forms)
    )


def _read_mention(text: str) -> Mention:
    said = text.split()
    count = next((number for number, word in COUNTS.items() if word in said), 1)
    shape = next((shape for shape in SHAPES if said[-1] in (noun(shape, 1), noun(shape, 2))), None)
    return Mention(
        count, next((s for s in SIZES if s in said), None), next((c for c in COLOURS if c in said), None), shape
    )
