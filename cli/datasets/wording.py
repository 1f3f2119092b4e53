"""From the capitals and abbreviations of a till system to names that people can read."""

import re

# Written out because they stand in names that shoppers would see.
_ABBREVIATIONS = {
    "BKD": "Baked",
    "BRKFST": "Breakfast",
    "CKD": "Cooked",
    "DINNRS": "Dinners",
    "DRNK": "Drink",
    "DRNKS": "Drinks",
    "DRSNG": "Dressing",
    "FRZ": "Frozen",
    "FRZN": "Frozen",
    "GM": "General Merchandise",
    "MISC": "Miscellaneous",
    "PKGD": "Packaged",
    "PKG": "Package",
    "PWDR": "Powder",
    "REFRGRATD": "Refrigerated",
    "RFRGRTD": "Refrigerated",
    "SALD": "Salad",
    "SHLF": "Shelf",
    "SNDWCH": "Sandwich",
    "SPECILATY": "Speciality",
    "SPLY": "Supplies",
    "SPRD": "Spread",
    "VEG": "Vegetable",
    "WHLSM": "Wholesome",
}
_WORD = re.compile(r"(?<!\d)\b[A-Z][A-Z']*", re.IGNORECASE)
_BLANKS = re.compile(r"\s+")


def readable(text: str) -> str:
    """Return `FRZN BREAKFAST FOODS` as `Frozen Breakfast Foods`."""
    return _WORD.sub(lambda word: _ABBREVIATIONS.get(word[0].upper(), word[0].capitalize()), _plain(text))


def measure(text: str) -> str:
    """Return a package size such as `16   OZ` as `16 oz`."""
    return _plain(text).lower()


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", text).strip()
