"""Language rules for full stops: data for ``shared/text/boundaries.py`` and ``splitter.py``.

Words are lower case, without their last full stop. The lists contain words that are common in text
that is read aloud. A missing entry costs a pause within a sentence, a wrong one costs a pause
between two sentences. Words that also end sentences ("mar.", "sol.", "sat.") are therefore
excluded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class LanguageRules:
    """The words that determine whether a full stop ends a sentence.

    Attributes:
        titles: never end a sentence ("Dr. Jones").
        ambiguous: end a sentence only if a word of ``starters`` follows ("the U.S. Army", "etc. The
            …").
        before_numbers: do not end a sentence if a digit follows ("No. 5", "Jan. 3").
        starters: words that often start a sentence and are rarely names.
        conjunctions: words before which a long sentence can be cut for an early first clause.
        ordinal_dot: ordinal numbers are written with a full stop ("3. Oktober").
    """

    titles: frozenset[str] = frozenset()
    ambiguous: frozenset[str] = frozenset()
    before_numbers: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    conjunctions: frozenset[str] = field(default=frozenset())
    ordinal_dot: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENGLISH = LanguageRules(
    titles=_words(
        "mr mrs ms mx dr prof rev hon gen col lt sgt capt cmdr gov sen rep pres messrs mt"
    ),
    ambiguous=_words(
        "st ave blvd rd jr sr inc ltd corp co bros etc vs approx dept est e.g i.e cf al a.m "
        "p.m u.s u.k u.n e.u d.c ph.d b.a m.a b.sc m.sc a.d b.c"
    ),
    before_numbers=_words(
        "no nos p pp fig figs art vol ch sec eq ed jan feb mar apr jun jul aug sep sept oct nov dec"
    ),
    starters=_words(
        "the a an this that these those he she it we they i you his her its our their my your "
        "there here then but and or so if when while although because however in on at for "
        "from with after before what who where why how which is are was were do does did can "
        "could will would should let please yes no not now today"
    ),
    conjunctions=_words("and but or because which that who when while so if although where"),
)

_SPANISH = LanguageRules(
    titles=_words(
        "sr sra srta sres sras srs dr dra dres dras prof profa d dña dn da lic licda ing arq "
        "fr sta sto ud uds vd vds av avda avd gral cnel cap tte mons hno hna gob pdte excmo "
        "excma ilmo ilma"
    ),
    ambiguous=_words(
        "etc ej p.ej ee ee.uu uu pág a.m p.m a.c d.c s.a s.l cía ltda aprox dpto depto apdo "
        "esq izq dcha hnos rr ff.aa rr.hh jj aa cc admón vs tel teléf atte"
    ),
    before_numbers=_words(
        "núm nro no n nº n.º pág págs p pp fig art arts vol cap cp c ed km tel ext ene feb "
        "abr jun jul ago sept oct nov dic"
    ),
    starters=_words(
        "el la los las un una unos unas lo este esta esto ese esa eso aquel aquella él ella "
        "ellos ellas yo tú nosotros usted ustedes me te se nos le les mi su sus y e o pero "
        "porque cuando mientras aunque sin si no sí en con por para desde después antes luego "
        "entonces ahora hoy ayer mañana hay es son fue era está están qué quién dónde cómo "
        "cuál por a al de del más también así además"
    ),
    conjunctions=_words("y e o u pero porque que cuando mientras aunque si donde como"),
)

_PORTUGUESE = LanguageRules(
    titles=_words(
        "sr sra srs sras srta dr dra drs dras prof profa profs d exmo exma ilmo ilma eng enga "
        "arq av r pça pç trav gen cel cap ten mons pe fr sto sta v.exa v.ex.ª pres gov"
    ),
    ambiguous=_words(
        "etc ex p.ex a.m p.m a.c d.c s.a ltda cia aprox depto dept esq dir eua vs tel obs att al"
    ),
    before_numbers=_words(
        "n nº n.º núm no pág págs p pp fig art arts vol cap ed km tel ramal jan fev abr jun "
        "jul ago set out nov dez"
    ),
    starters=_words(
        "o a os as um uma uns umas este esta isto esse essa isso aquele aquela ele ela eles "
        "elas eu tu você vocês nós me te se lhe meu minha seu sua e ou mas porque quando "
        "enquanto embora sem se não sim em com por para desde depois antes então agora hoje "
        "ontem amanhã há é são foi era está estão que quem onde como qual no na nos nas ao à "
        "de do da dos das também já mais assim além"
    ),
    conjunctions=_words("e ou mas porque que quando enquanto embora se onde como"),
)

_FRENCH = LanguageRules(
    titles=_words("m mm mme mmes mlle mlles mr dr drs pr me mgr st ste av bd boul gén col cdt"),
    ambiguous=_words("etc ex p.ex cf env av.j.-c apr.j.-c j.-c s.a s.a.r.l vs tél hab c.-à-d n.b"),
    before_numbers=_words(
        "no n p pp fig art vol chap éd tél janv févr avr juil sept oct nov déc réf"
    ),
    starters=_words(
        "le la les l un une des ce cet cette ces il elle ils elles on je tu nous vous mon ma "
        "mes son sa ses notre votre leur et ou mais car donc or ni si quand lorsque comme "
        "parce puis alors ensuite après avant maintenant hier demain en dans sur sous avec "
        "sans pour par chez de du à au aux que qui où comment pourquoi quel quelle est c ça "
        "oui non voici voilà j"
    ),
    conjunctions=_words("et ou mais car donc que qui quand lorsque si où comme parce"),
)

_ITALIAN = LanguageRules(
    titles=_words(
        "sig sigg sig.ra sig.na dott dr dott.ssa prof prof.ssa avv ing arch geom rag on sen "
        "mons gen col cap ten don s v p.za p.zza c.so v.le spett egr gent"
    ),
    ambiguous=_words("ecc es p.es a.c d.c s.p.a s.r.l ca circa vs tel c.a a.m p.m cit"),
    before_numbers=_words(
        "n nn nr pag pagg p pp fig art artt vol cap ed tel gen feb mar apr mag giu lug ago "
        "set ott nov dic"
    ),
    starters=_words(
        "il lo la i gli le l un uno una questo questa quello quella lui lei loro egli io tu "
        "noi voi mi ti si ci vi mio mia suo sua e ed o ma però perché quando mentre se non sì "
        "no in con su per tra fra da di del della al alla dopo prima poi allora adesso oggi "
        "ieri domani è sono era che chi dove come quale anche così inoltre c"
    ),
    conjunctions=_words("e ed o ma però perché che quando mentre se dove come"),
)

_GERMAN = LanguageRules(
    titles=_words("hr hrn fr frl dr prof dipl ing st hl"),
    ambiguous=_words(
        "z.b d.h u.a usw bzw ca evtl ggf inkl exkl bspw vgl etc str abs mio mrd tel v.chr "
        "n.chr z.t u.u i.d.r o.ä u.ä usf sog gem geb gest co"
    ),
    before_numbers=_words("nr s abb art bd kap aufl tel jan feb apr jun jul aug sept okt nov dez"),
    starters=_words(
        "der die das den dem des ein eine einen einem einer dieser diese dieses er sie es wir "
        "ihr ich du man mein meine sein seine unser euer und oder aber denn doch wenn weil "
        "als während obwohl nicht ja nein in im an am auf mit ohne für von vom zu zum zur bei "
        "nach vor dann danach jetzt heute gestern morgen ist sind war hat was wer wo wie "
        "warum welche auch so"
    ),
    conjunctions=_words("und oder aber denn weil dass wenn als während obwohl wo"),
    ordinal_dot=True,
)

_GENERIC = LanguageRules(
    titles=_words("mr mrs ms dr prof st"),
    ambiguous=_words("etc vs a.m p.m e.g i.e"),
    before_numbers=_words("no nr p pp fig"),
)

_RULES: Final[dict[str, LanguageRules]] = {
    "en": _ENGLISH,
    "es": _SPANISH,
    "pt": _PORTUGUESE,
    "fr": _FRENCH,
    "it": _ITALIAN,
    "de": _GERMAN,
}

_ORDINAL_DOT: Final = LanguageRules(
    titles=_GENERIC.titles,
    ambiguous=_GENERIC.ambiguous,
    before_numbers=_GENERIC.before_numbers,
    ordinal_dot=True,
)
_ORDINAL_DOT_LANGUAGES: Final = _words("cs da et fi hr hu lv nb nn no pl sk sl sr tr")


def rules_for(language: str) -> LanguageRules:
    """Return the rules for a tag such as ``pt`` or ``pt-br``; generic ones for other languages."""
    base = language.lower().replace("_", "-").split("-")[0]
    if base in _ORDINAL_DOT_LANGUAGES:
        return _ORDINAL_DOT
    return _RULES.get(base, _GENERIC)
