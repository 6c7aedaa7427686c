"""Guesses the carrier of a waybill number by its shape.

Public patterns disagree, and a wrong guess is worse than none: `recognise` knows only the shapes that a single
carrier uses. Four carriers use twelve to fourteen bare digits; `candidates` lists them for a person to choose.
"""

from __future__ import annotations

import re

_S10 = re.compile(r"[A-Z]{2}([0-9]{8})([0-9])CN", re.ASCII)
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_SURE = (
    ("sf", re.compile(r"SF[0-9]{12,15}", re.ASCII)),
    ("yto", re.compile(r"YT[0-9]{13,18}", re.ASCII)),
    ("jtexpress", re.compile(r"JT[0-9]{13}", re.ASCII)),
    ("jd", re.compile(r"JD[A-Z0-9]{10,18}", re.ASCII)),
)
_LIKELY = (
    ("deppon", re.compile(r"DP[KL][0-9]{10,12}", re.ASCII)),
    ("sto", re.compile(r"77[0-9]{13}|(?:88|66|55|268|368)[0-9]{10,11}", re.ASCII)),
    ("zto", re.compile(r"(?:73|75|76|78|68)[0-9]{10,12}", re.ASCII)),
    ("yunda", re.compile(r"(?:31|39|43)[0-9]{11}(?:[0-9]{2})?", re.ASCII)),
    ("sf", re.compile(r"[0-9]{12}", re.ASCII)),
    ("ems", re.compile(r"[0-9]{13}", re.ASCII)),
)
MAX_CANDIDATES = 3


def tidy_number(text: str) -> str:
    """Normalise a waybill number as it is stored and compared: no blanks, upper case."""
    return "".join(text.split()).upper()


def _is_s10(number: str) -> bool:
    """Whether it is an international postal number (UPU S10) with the right check digit."""
    found = _S10.fullmatch(number)
    if found is None:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_S10_WEIGHTS, found[1], strict=True))
    check = 11 - total % 11
    return {10: 0, 11: 5}.get(check, check) == int(found[2])


def recognise(text: str) -> str | None:
    """The code of the only carrier that uses this shape; None if there is any doubt."""
    number = tidy_number(text)
    if _is_s10(number):
        return "ems"
    return next((code for code, shape in _SURE if shape.fullmatch(number)), None)


def candidates(text: str) -> list[str]:
    """Up to three carrier codes, the likeliest first."""
    sure = recognise(text)
    if sure is not None:
        return [sure]
    number = tidy_number(text)
    return [code for code, shape in _LIKELY if shape.fullmatch(number)][:MAX_CANDIDATES]
