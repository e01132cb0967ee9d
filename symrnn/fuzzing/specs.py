"""Contractions as einsum writes them, by the constructs that the generator knows."""

from collections.abc import Mapping

from symrnn.fuzzing.constructs import PLACES

SPECS: dict[str, tuple[str, ...]] = {
    "matrix @ vector": ("ij,j->i",),
    "vector @ matrix": ("i,ij->j",),
    "matrix @ matrix": ("ij,jk->ik",),
    "dot": ("i,i->",),
    "outer": ("i,j->ij", "i,j->ji"),
    "transpose": ("ij->ji",),
    "total": ("i->", "ij->"),
    "row": ("ij->j",),
    "element": ("i->",),
    "einsum of one": ("ij->i", "ij->j"),
    "einsum of two": (
        *("ij,ij->", "ij,j->", "i,ij->", "i,j->"),
        *("ij,ij->i", "ij,i->i", "ij,i->j", "j,ij->i", "i,i->i", "i,ij->i", "ijk,jk->i", "i,j->j"),
        *(
            "ij,j->ij",
            "ij,ij->ij",
            "ij,kj->ik",
            "i,ij->ij",
            "ijk,k->ij",
            "hij,hj->hi",
            "ij,ik->jk",
            "ij,ij->ji",
        ),
    ),
    "einsum of three": (
        *("i,ij,j->", "ij,jk,ki->", "i,i,i->", "i,j,ij->", "ij,i,j->"),
        *("ijk,j,k->i", "j,ij,i->i", "ij,jk,k->i", "i,ij,j->j", "i,j,ij->i", "i,i,i->i", "i,ijk,k->j"),
        *("ij,j,k->ik", "i,ij,j->ij", "ij,jk,kl->il", "i,j,ij->ij", "i,j,j->ij", "i,jk,ik->ij"),
    ),
}
"""Contractions by construct; the unit vector of a row or an element is left out."""


def fitting_specs(name: str, rank: int, given: Mapping[str, int]) -> list[tuple[str, dict[str, str]]]:
    """The specs of a construct with a result of `rank`, or with what is given, by place, of these ranks.

    Each comes with the letters of its places.
    """
    found = []
    for spec in SPECS[name]:
        inside, _, result = spec.partition("->")
        letters = dict(zip(PLACES[name], inside.split(","), strict=True))
        if all(len(letters[place]) == of for place, of in given.items()) and (given or len(result) == rank):
            found.append((spec, letters))
    return found
