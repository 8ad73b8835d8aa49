"""Customers as tills know them: the same person under several spellings (section 19)."""

import random
from typing import Any

GIVEN = ("Ana", "Björn", "Chloé", "Dmitri", "Eve", "Farid", "Grace", "Hiro", "Inés", "Jörg")
FAMILY = ("Ruiz", "Müller", "O'Brien", "Nguyen", "Smith", "Kowalski", "Okafor", "Sato", "Lee")


def identities(rng: random.Random, persons: int) -> list[tuple[int, dict[str, Any]]]:
    """Records of `persons` people, each under one to three spellings; (person, record) pairs."""
    found = []
    for person in range(persons):
        given, family = rng.choice(GIVEN), rng.choice(FAMILY)
        phone, mail = (
            f"+1212555{rng.randrange(10_000):04d}",
            f"{given}.{family}{person}@example.com",
        )
        spellings: list[dict[str, Any]] = [
            {"given_name": given, "family_name": family, "email_address": mail.lower()},
            {"given_name": given.upper(), "email_address": f"  {mail.upper()} "},
            {"given_name": given, "family_name": family.lower(), "phone_number": phone},
            {"family_name": family, "phone_number": phone, "email_address": "noemail@example.com"},
        ]
        some = rng.sample(spellings, rng.randint(1, 3))
        found += [(person, record) for record in some]
    return found
