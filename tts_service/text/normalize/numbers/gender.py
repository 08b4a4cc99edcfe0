"""Guess the grammatical gender of the noun that a number counts, from its spelling.

Endings with their usual exceptions, and lists of everyday nouns that are counted often. `None`
means unknown, and the number stays masculine.
"""

from __future__ import annotations

import re

_FEMININE = {
    "es": re.compile(
        r"(?:as?|dad(?:es)?|tud(?:es)?|[cstg]i(?:ón|ones)|umbres?|iones)$"
        r"|^(?:noches?|tardes?|clases?|calles?|ve(?:z|ces)|mujer(?:es)?|flor(?:es)?|partes?|gente"
        r"|series?|le(?:y|yes)|lu(?:z|ces)|vo(?:z|ces)|llaves?|naves?|frases?|torres?|nubes?|sal"
        r"|red(?:es)?|imagen|imágenes|fotos?|motos?|manos?|radios|bases?|fases?|mitad(?:es)?"
        r"|tesis|crisis|dosis|veces|aves?|especies?|superficies?|suites?|unidades|muertes?)$"
    ),
    "pt": re.compile(
        r"(?:as?|ãs?|dades?|tudes?|(?:ç|s|x)(?:ão|ões)|gens?|i[cs]es?)$"
        r"|^(?:ve(?:z|zes)|mulher(?:es)?|noites?|tardes?|partes?|classes?|flor(?:es)?|mãos?|fotos?"
        r"|motos?|voz(?:es)?|luz(?:es)?|cor(?:es)?|leis?|fases?|frases?|séries?|árvores?|pontes?"
        r"|redes?|chaves?|tribos?|gente|bases?|espécies?|sedes?|estantes|aves?|naves?|mães?)$"
    ),
    "fr": re.compile(
        r"(?:[tsx]ions?|[^u]tés?|ées?|ettes?|elles?|esses?|euses?|trices?|ances?|ences?|ures?"
        r"|ades?|ines?|udes?|ies?|aines?|ennes?|onnes?|ottes?|aises?|ières?)$"
        r"|^(?:heures?|minutes?|secondes?|années?|fois|semaines?|pages?|voitures?|maisons?|femmes?"
        r"|filles?|pommes?|tonnes?|places?|pièces?|questions?|choses?|villes?|rues?"
        r"|portes?|tables?|chaises?|chambres?|lettres?|lignes?|tasses?|tranches?|cartes?|nuits?"
        r"|mains?|fleurs?|parts?|fins?|voix|eaux?|mers?|dents?|équipes?|écoles?|étoiles?|images?"
        r"|langues?|règles?|erreurs?|couleurs?|têtes?|bouches?|roupies?|couronnes?|onces?"
        r"|calories?|bières?|bananes?|carottes?|oranges?|poires?|plages?|messes?|clés?|clefs?"
        r"|sœurs?|mères?|tantes?|dames?|reines?|photos?|motos?|vidéos?|radios?|dizaines?"
        r"|façons?|raisons?|saisons?|leçons?|boissons?|chansons?|solutions?|marches?|étapes?)$"
    ),
    "it": re.compile(
        r"(?:a|[zs]ione|tà|tù|trice|igine|udine)$"
        r"|^(?:notte|parte|classe|chiave|mano|nave|legge|luce|voce|frase|torre|nube|moglie|madre"
        r"|foto|moto|radio|auto|serie|specie|stagione|ragione|lezione|opinione|canzone|rete|sede"
        r"|arte|base|fase|tesi|crisi|analisi|volpe|carne|pelle|fine|gente|mente|fonte|neve)$"
    ),
}  # fmt: skip
_MASCULINE = {
    "es": re.compile(
        r"^(?:días?|(?:proble|siste|progra|te|dile|esque|poe|idio|cli|dra|diagra|telegra|fantas"
        r"|sínto|aro|plas|enig|lema)mas?|mapas?|planetas?|cometas?|sofás?|papás?|tranvías?|poetas?"
        r"|atletas?|(?:a|cam|gorr|guion|av|milil|alusi)i(?:ón|ones)|millones|más|guardias|atlas"
        r"|ya|era|hasta|para|estaba|era[ns]?|había|nada|cada|contra)$"
    ),
    "pt": re.compile(
        r"^(?:dias?|(?:proble|siste|progra|te|dile|esque|poe|idio|cli|dra|diagra|telegra|fantas"
        r"|sinto|aro|plas|enig|le|cine|quilogra|miligra|gra|tre)mas?|mapas?|planetas?|cometas?"
        r"|sofás?|papas?|poetas?|atletas?|coração|corações|caminhão|caminhões|avião|aviões|índices?"
        r"|mas|para|nada|cada|era|ainda|contra|já|depois|feijão|feijões)$"
    ),
    "fr": re.compile(
        r"^(?:(?:musée|lycée|trophée|génie|incendie|parapluie|foie|silence|stade|grade|magazine"
        r"|domaine|murmure|côté|été|pâté|traité|comité|kilomètre|mètre|centimètre|père|frère"
        r"|caractère|ministère|mystère|cimetière|kilogramme|gramme|million|milliard|billion|avion"
        r"|camion|lion|pion|espion|champion|scorpion)s?)$"
    ),
    "it": re.compile(
        r"^(?:(?:proble|siste|program|te|dilem|sche|poe|idio|cli|dram|diagram|telegram|fantas"
        r"|sinto|aro|plas|enig)ma|pianeta|poeta|atleta|papa|gorilla|vaglia|cinema"
        r"|pigiama|collega|giornalista|sosia|euro|era|ma|da|la|una|già|più)$"
    ),
}


def gender(noun: str, code: str) -> str | None:
    """Return `f`, `m`, or None where the gender is unknown.

    Args:
        noun: the word after the number.
        code: `es`, `pt`, `fr` or `it`; other languages give None.
    """
    word = noun.lower()
    if code not in _FEMININE:
        return None
    if _MASCULINE[code].search(word):
        return "m"
    if _FEMININE[code].search(word):
        return "f"
    return None
