"""English noun phrases by rule: their words, their head noun, its singular and plural, and the article before them.

The rules are lists of common words and endings, not a parser: they fit prompts and the phrases of detectors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

DETERMINERS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "his", "her", "hers", "its", "their", "my", "our", "your",
    "one's", "some", "any", "each", "every", "another", "one", "two", "three", "four", "five", "six", "several",
    "many",
))  # fmt: skip
AFTER_HEAD = frozenset((
    "in", "on", "of", "at", "with", "without", "by", "near", "from", "to", "for", "under", "over", "above", "below",
    "beside", "besides", "behind", "between", "against", "into", "onto", "through", "around", "across", "along",
    "inside", "outside", "front", "next", "that", "which", "who", "whose", "where", "while", "as", "is", "are",
    "was", "were", "and", "or", "wearing", "holding", "standing", "sitting", "walking", "riding", "looking",
    "posing", "smiling", "carrying", "leaning", "lying", "made", "surrounded", "dressed",
))  # fmt: skip
"""Words that end the part of a phrase whose last word is its head."""
PHOTO = re.compile(r"^(?:an? |the )?photo(?:graph)? of (?=\S)", re.IGNORECASE)
"""How detectors are told what to look for: the thing is what the photo is of. A painting on a wall is a painting."""
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "wives": "wife", "knives": "knife",
    "leaves": "leaf", "feet": "foot", "teeth": "tooth", "mice": "mouse", "geese": "goose", "shelves": "shelf",
    "selves": "self", "firemen": "fireman", "policemen": "policeman",
}  # fmt: skip
SAME = frozenset((
    "glasses", "sunglasses", "jeans", "trousers", "pants", "shorts", "scissors", "clothes", "stairs", "grass",
    "glass", "dress", "bus", "gas", "lens", "boss", "compass", "mattress", "canvas", "christmas", "series",
    "species", "chess", "moss", "cross", "business", "address",
))  # fmt: skip
LED = re.compile(r"^(?:an?|the|his|her|its|their|some|two|three|no)\s", re.IGNORECASE)
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
AN = re.compile(r"(?!uni[cfoqtv]|eu|one\b|us[eu])[aeiou]|hour|heir|honest|hono", re.IGNORECASE)
"""How a word begins that takes "an"."""
ADJECTIVES = frozenset((
    "old", "young", "older", "younger", "elderly", "middle-aged", "aged", "teenage", "retired", "senior", "junior",
    "new", "tall", "short", "small", "big", "large", "little", "tiny", "huge", "great", "long", "high", "low",
    "slim", "thin", "fat", "heavy", "strong", "weak", "fit", "muscular", "bald", "blond", "blonde", "bearded",
    "beautiful", "handsome", "pretty", "ugly", "attractive", "cute", "pale", "fair", "dark", "light", "black",
    "white", "brown", "red", "blue", "green", "yellow", "grey", "gray", "pink", "golden", "colourful", "colorful",
    "wealthy", "rich", "poor", "homeless", "famous", "successful", "important", "powerful", "popular", "ordinary",
    "typical", "average", "normal", "good", "bad", "nice", "kind", "friendly", "happy", "sad", "angry", "tired",
    "proud", "calm", "cheerful", "lonely", "single", "married", "pregnant", "busy", "hard-working", "hardworking",
    "lazy", "serious", "smart", "clever", "intelligent", "wise", "brave", "shy", "honest", "modest", "ambitious",
    "assertive", "committed", "compassionate", "confident", "self-confident", "considerate", "decisive",
    "determined", "emotional", "gentle", "intellectual", "outspoken", "pleasant", "sensitive", "stubborn",
    "supportive", "understanding", "caring", "smiling", "laughing", "crying", "standing", "sitting", "walking",
    "running", "working", "experienced", "skilled", "professional", "qualified", "well-dressed", "elegant",
    "modern", "real", "realistic", "lovely", "derelict",
))  # fmt: skip
"""Words that describe a noun and are no part of its name, as "office" is of "office worker"; with those that end as
`DESCRIBING` says."""
DESCRIBING = re.compile(r"-(?:skinned|haired|eyed|faced|looking|dressed|aged|old|minded|hearted)$")
LIST_WORDS = ("and", "or")
NOUNS_IN_ING = frozenset((
    "building", "painting", "drawing", "wedding", "being", "king", "sibling", "ceiling", "clothing", "darling",
    "evening", "morning", "meeting", "ring", "wing", "thing", "something", "string", "spring", "swing", "viking",
    "engineering", "nursing", "accounting", "marketing", "manufacturing", "consulting", "banking", "duckling",
))  # fmt: skip
"""Nouns that end as verbs do: "a doctor examining a patient" ends its noun before the verb."""
NOT_PEOPLE = frozenset((
    "house", "home", "hut", "mansion", "castle", "palace", "villa", "cottage", "cabin", "apartment", "flat",
    "shack", "building", "tower", "church", "mosque", "temple", "school", "hospital", "office", "shop", "store",
    "restaurant", "hotel", "factory", "farm", "barn", "kitchen", "bedroom", "bathroom", "room", "door", "window",
    "wall", "roof", "street", "road", "bridge", "city", "town", "village", "country", "market", "park", "garden",
    "yard", "beach", "forest", "tree", "flower", "plant", "leaf", "grass", "field", "meadow", "mountain", "hill",
    "valley", "desert", "river", "lake", "sea", "ocean", "pond", "island", "water", "land", "sky", "cloud", "sun",
    "moon", "snow", "landscape", "sunset", "animal", "bird", "waterbird", "landbird", "seabird", "duck", "swan",
    "goose", "gull", "flamingo", "owl", "parrot", "eagle", "songbird", "rooster", "chicken", "hen", "dog", "puppy",
    "cat", "kitten", "horse", "cow", "pig", "sheep", "goat", "fish", "lion", "tiger", "bear", "elephant", "mouse",
    "butterfly", "insect", "car", "taxi", "bus", "truck", "train", "bicycle", "bike", "motorcycle", "boat", "ship",
    "plane", "airplane", "aircraft", "rocket", "table", "chair", "couch", "sofa", "bed", "desk", "lamp", "clock",
    "computer", "phone", "camera", "book", "letter", "newspaper", "picture", "photo", "painting", "drawing",
    "poster", "bottle", "cup", "glass", "plate", "knife", "food", "meal", "breakfast", "lunch", "dinner", "bread",
    "cake", "pizza", "fruit", "apple", "coffee", "tea", "wine", "dress", "suit", "shirt", "coat", "shoe", "hat",
    "uniform", "jewellery", "jewelry", "bag", "tool", "machine", "robot", "wedding", "party", "ceremony",
    "festival", "funeral", "meeting", "conference", "concert", "game", "match", "war", "battle", "scene", "view",
    "place", "world", "face", "hand", "eye", "skin", "hair", "logo", "map", "flag", "thing", "something", "nothing",
    "everything", "someone", "somebody", "everyone", "everybody", "anyone", "anybody", "nobody", "me", "you", "him",
    "us", "them", "it", "i", "he", "she", "we", "they", "myself", "himself", "herself", "themselves",
))  # fmt: skip
"""Nouns that name no person, and pronouns: a word for a person's property has no place before them."""
COLLECTIVES = frozenset(("group", "crowd", "team", "pair", "couple", "line", "row", "lot", "number", "class"))
"""What is counted in "a group of doctors" are doctors."""
AGREEING = {"woman": "women", "man": "men"}
"""Nouns that take the plural with the noun that they stand before: "women doctors", but "child actors"."""


@dataclass(frozen=True)
class NounPhrase:
    """Where a noun stands in a text, in characters from its start.

    Attributes:
        noun: the head noun in lower case and the singular.
        plural: whether it stands in the plural.
        name: where the name begins: behind determiners and adjectives, before "office" of "an old office worker".
        head: where the head noun begins.
        end: where it ends.
    """

    noun: str
    plural: bool
    name: int
    head: int
    end: int


def words(phrase: str) -> list[str]:
    """Lower-case words without punctuation.

    >>> words("The man's old House, by the sea!")
    ['the', "man's", 'old', 'house', 'by', 'the', 'sea']
    """
    return WORD.findall(phrase.lower())


def singular(word: str) -> str:
    """The singular of a noun, by the common rules of English.

    >>> [singular(word) for word in ("houses", "women", "churches", "ladies", "glasses", "dress")]
    ['house', 'woman', 'church', 'lady', 'glasses', 'dress']
    """
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in SAME or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "'s", "’s")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses", "zzes")) else word[:-1]


def plural(noun: str) -> str:
    """The plural of a noun, or of a phrase that ends in one: the inverse of `singular`.

    >>> [plural(noun) for noun in ("woman", "derelict house", "church", "lady", "boy", "glasses")]
    ['women', 'derelict houses', 'churches', 'ladies', 'boys', 'glasses']
    """
    rest, space, last = noun.rpartition(" ")
    if last in SAME and last.endswith("s") and not last.endswith("ss"):
        return noun
    irregular = next((many for many, one in IRREGULAR.items() if one == last), None)
    if irregular:
        return f"{rest}{space}{irregular}"
    if re.search(r"[^aeiou]y$", last):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if last.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def normalised(phrase: str) -> str:
    """The phrase without what leads it ("his", "two"), in lower case, its head in the singular.

    >>> normalised("The Houses"), normalised("his old house"), normalised("A man in a suit")
    ('house', 'old house', 'man in a suit')
    >>> normalised("a photo of a cat"), normalised("a painting of a cat")
    ('cat', 'painting of a cat')
    """
    found = words(PHOTO.sub("", phrase.strip()))
    while len(found) > 1 and (found[0] in DETERMINERS or found[0].endswith(("'s", "’s"))):
        found = found[1:]
    place = head_place(found)
    return " ".join(singular(word) if index == place else word for index, word in enumerate(found))


def head_noun(phrase: str) -> str:
    """The noun that says what the phrase is of.

    >>> [head_noun(p) for p in ("an old house by the sea", "a man in a suit and hat", "mud huts", "a couch")]
    ['house', 'man', 'hut', 'couch']
    """
    found = normalised(phrase).split()
    return found[head_place(found)] if found else ""


def head_place(found: Sequence[str]) -> int:
    """The last word before a preposition or a verb."""
    end = next((index for index, word in enumerate(found) if index and word in AFTER_HEAD), len(found))
    return end - 1


def noun_phrases(text: str) -> list[NounPhrase]:
    """The noun phrases of a text in their order; words between them, and what is no noun phrase, are left out.

    >>> [found.noun for found in noun_phrases("an old office worker and his houses, in a field")]
    ['worker', 'house', 'field']
    >>> text = "two young police officers arresting a man"
    >>> [text[found.name : found.end] for found in noun_phrases(text)][::2]
    ['police officers', 'man']
    """
    groups: list[list[re.Match[str]]] = [[]]
    for found in WORD.finditer(text):
        if _ends(groups[-1], found, text):
            groups.append([])
        groups[-1].append(found)
    return [_noun_phrase(group) for group in groups if group and not _leads(group[-1].group().lower())]


def _ends(group: Sequence[re.Match[str]], word: re.Match[str], text: str) -> bool:
    """Whether a noun phrase ends before a word: at punctuation, and once it has a noun at the next phrase or verb.

    Adjectives alone are no noun before "and" or a participle: "a rich and famous doctor", "an old smiling man".
    """
    if group and not text[group[-1].end() : word.start()].isspace():
        return True
    said, before = word.group().lower(), [found.group().lower() for found in group]
    if said in LIST_WORDS or (said.endswith("ing") and said not in NOUNS_IN_ING):
        return not all(_leads(other) or _describes(other) for other in before)
    return (said in AFTER_HEAD or said in DETERMINERS) and not all(_leads(other) for other in before)


def _leads(word: str) -> bool:
    return word in DETERMINERS or word in AFTER_HEAD or word.endswith(("'s", "’s"))


def _describes(word: str) -> bool:
    return word in ADJECTIVES or DESCRIBING.search(word) is not None


def _noun_phrase(group: Sequence[re.Match[str]]) -> NounPhrase:
    said, last = [found.group().lower() for found in group], group[-1]
    name = next(i for i, word in enumerate(said) if i == len(said) - 1 or not (_leads(word) or _describes(word)))
    noun = singular(said[-1])
    return NounPhrase(noun, noun != said[-1], group[name].start(), last.start(), last.end())


def holds(text: str, phrase: str) -> bool:
    """Whether a text holds a phrase as whole words; case ignored, hyphens taken for spaces.

    >>> holds("a Dark-skinned doctor", "dark skinned"), holds("a woman", "man")
    (True, False)
    """
    return _whole_words(phrase).search(_spaced(text)) is not None


def _spaced(text: str) -> str:
    return " ".join(text.replace("-", " ").casefold().split())


@cache
def _whole_words(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(_spaced(phrase))}(?!\w)")


def article(word: str) -> str:
    """The indefinite article before a word.

    >>> [article(word) for word in ("elderly", "woman", "honest", "university", "ugly")]
    ['an', 'a', 'an', 'a', 'an']
    """
    return "an" if AN.match(word) else "a"


def with_article(phrase: str) -> str:
    """With "a" or "an" where the phrase is led by nothing and does not look like a plural.

    >>> with_article("mansion"), with_article("old house"), with_article("his house"), with_article("trees")
    ('a mansion', 'an old house', 'his house', 'trees')
    """
    if LED.match(phrase) or (phrase.endswith("s") and not phrase.endswith("ss")):
        return phrase
    return f"{article(phrase)} {phrase}"
