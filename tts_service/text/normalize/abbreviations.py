"""Expand abbreviations that are written but not spoken."""

from __future__ import annotations

import re
from functools import cache

from tts_service.text.normalize.locales import Language

_ENDING = {
    # These may end a sentence, so the full stop is kept before a capital or the end of the text.
    "en": {"etc.": "et cetera", "Inc.": "Incorporated", "Ltd.": "Limited", "Co.": "Company",
           "Corp.": "Corporation", "Jr.": "Junior", "Ave.": "Avenue", "Blvd.": "Boulevard",
           "Rd.": "Road", "Bros.": "Brothers", "Dept.": "Department", "et al.": "and others",
           "a.k.a.": "also known as", "B.C.": "B C", "A.D.": "A D", "U.S.": "U S", "U.K.": "U K",
           "U.S.A.": "U S A", "Ph.D.": "P H D", "ft.": "feet"},
    "es": {"etc.": "etcétera", "Ltda.": "Limitada", "S.A.": "ese a", "S. A.": "ese a",
           "S.L.": "ese ele", "Cía.": "Compañía", "EE. UU.": "Estados Unidos",
           "EE.UU.": "Estados Unidos", "a. C.": "antes de Cristo", "a.C.": "antes de Cristo",
           "d. C.": "después de Cristo", "d.C.": "después de Cristo"},
    "fr": {"etc.": "et cetera", "av. J.-C.": "avant Jésus-Christ",
    "apr. J.-C.": "après Jésus-Christ"},
    "it": {"ecc.": "eccetera", "S.p.A.": "esse pi a", "S.r.l.": "esse erre elle",
           "a.C.": "avanti Cristo", "d.C.": "dopo Cristo"},
    "pt": {"etc.": "etcétera", "Ltda.": "Limitada", "S.A.": "ésse á", "Cia.": "Companhia",
           "a.C.": "antes de Cristo", "d.C.": "depois de Cristo", "EUA": "Estados Unidos"},
}  # fmt: skip
_LEADING = {
    # Always followed by the word that they belong to.
    "en": {"Mr.": "Mister", "Mrs.": "Missus", "Ms.": "Miz", "Prof.": "Professor", "Gen.": "General",
           "Col.": "Colonel", "Capt.": "Captain", "Lt.": "Lieutenant", "Sgt.": "Sergeant",
           "Rev.": "Reverend", "Hon.": "Honorable", "Gov.": "Governor", "Sen.": "Senator",
           "Rep.": "Representative", "Pres.": "President", "Mt.": "Mount", "Ft.": "Fort",
           "vs.": "versus", "e.g.": "for example", "i.e.": "that is", "approx.": "approximately",
           "Fig.": "Figure", "fig.": "figure", "pp.": "pages", "Vol.": "Volume", "vol.": "volume",
           "Mr": "Mister", "Mrs": "Missus", "Dr": "Doctor", "cf.": "compare", "w/": "with",
           "w/o": "without", "Tel.": "Telephone", "tel.": "telephone", "dept.": "department",
           "Msgr.": "Monsignor", "Apt.": "Apartment", "apt.": "apartment"},
    "es": {"Sr.": "señor", "Sra.": "señora", "Srta.": "señorita", "Sres.": "señores",
           "Sras.": "señoras", "Dr.": "doctor", "Dra.": "doctora", "Dres.": "doctores",
           "D.": "don", "Dña.": "doña", "D.ª": "doña", "Prof.": "profesor", "Profa.": "profesora",
           "Ud.": "usted", "Uds.": "ustedes", "Vd.": "usted", "Vds.": "ustedes", "Av.": "avenida",
           "Avda.": "avenida", "C/": "calle", "Pza.": "plaza", "Pl.": "plaza", "Lic.": "licenciado",
           "Ing.": "ingeniero", "Arq.": "arquitecto", "Gral.": "general", "Cap.": "capítulo",
           "cap.": "capítulo", "pág.": "página", "págs.": "páginas", "p. ej.": "por ejemplo",
           "p.ej.": "por ejemplo", "p. e.": "por ejemplo", "tel.": "teléfono", "Tel.": "teléfono",
           "aprox.": "aproximadamente", "núm.": "número", "Núm.": "número", "vol.": "volumen",
           "fig.": "figura", "Sto.": "santo", "Sta.": "santa", "Fdo.": "firmado", "Dpto.":
           "departamento", "dpto.": "departamento", "máx.": "máximo", "mín.": "mínimo",
           "izq.": "izquierda", "dcha.": "derecha", "vs.": "contra"},
    "fr": {"M.": "monsieur", "MM.": "messieurs", "Mme": "madame", "Mmes": "mesdames",
           "Mlle": "mademoiselle", "Mlles": "mesdemoiselles", "Mme.": "madame",
           "Mlle.": "mademoiselle", "Dr": "docteur", "Dr.": "docteur", "Pr": "professeur",
           "Pr.": "professeur", "av.": "avenue", "Av.": "avenue",
           "bd": "boulevard", "bd.": "boulevard", "Bd": "boulevard", "boul.": "boulevard",
           "St": "saint", "Ste": "sainte", "p. ex.": "par exemple", "p.ex.": "par exemple",
           "c.-à-d.": "c'est-à-dire", "tél.": "téléphone", "Tél.": "téléphone", "env.": "environ",
           "chap.": "chapitre", "vol.": "volume", "fig.": "figure", "cf.": "voir",
           "max.": "maximum",
           "min.": "minimum", "pp.": "pages", "Cie": "compagnie", "apr.": "après"},
    "it": {"Sig.": "signor", "Sig.ra": "signora", "Sigg.": "signori", "Sig.na": "signorina",
           "sig.": "signor", "sig.ra": "signora", "Dott.": "dottor", "dott.": "dottor",
           "Dott.ssa": "dottoressa", "dott.ssa": "dottoressa", "Dr.": "dottor", "dr.": "dottor",
           "Prof.": "professor", "prof.": "professor", "Prof.ssa": "professoressa",
           "prof.ssa": "professoressa", "Ing.": "ingegner", "ing.": "ingegner", "Avv.": "avvocato",
           "avv.": "avvocato", "Arch.": "architetto", "Geom.": "geometra", "Rag.": "ragionier",
           "On.": "onorevole", "p.zza": "piazza", "P.zza": "piazza", "c.so": "corso",
           "C.so": "corso", "v.le": "viale", "V.le": "viale", "pag.": "pagina", "pagg.": "pagine",
           "cap.": "capitolo", "p. es.": "per esempio", "p.es.": "per esempio",
           "ad es.": "ad esempio", "tel.": "telefono", "Tel.": "telefono",
           "vol.": "volume", "fig.": "figura", "ca.": "circa", "max.": "massimo", "S.": "san",
           "n.": "numero", "es.": "esempio", "cfr.": "confronta", "nr.": "numero"},
    "pt": {"Sr.": "senhor", "Sra.": "senhora", "Srta.": "senhorita", "Srs.": "senhores",
           "Sras.": "senhoras", "Dr.": "doutor", "Dra.": "doutora", "Drs.": "doutores",
           "D.": "dona", "Prof.": "professor", "Profa.": "professora", "Prof.ª": "professora",
           "Av.": "avenida", "R.": "rua", "Pça.": "praça", "Eng.": "engenheiro",
           "Gen.": "general", "Cel.": "coronel", "pág.": "página", "págs.": "páginas",
           "p. ex.": "por exemplo", "p.ex.": "por exemplo", "ex.": "exemplo", "tel.": "telefone",
           "Tel.": "telefone", "aprox.": "aproximadamente", "cap.": "capítulo", "vol.": "volume",
           "fig.": "figura", "máx.": "máximo", "mín.": "mínimo", "Sto.": "santo", "Sta.": "santa",
           "núm.": "número", "obs.": "observação", "Obs.": "observação", "vs.": "contra",
           "apto.": "apartamento", "Ap.": "apartamento", "séc.": "século"},
}  # fmt: skip
_PAGE = {"en": "page", "es": "página", "fr": "page", "it": "pagina", "pt": "página"}
_STREET = re.compile(
    r"\b(?!In |At |On |The |And )([A-Z][a-z]+|\d+(?:st|nd|rd|th)) (St|Dr)\.(?!\w)(?! [A-Z])"
)
_SAINT = re.compile(r"\b(St|Dr)\.(?= ?[A-Z])")
_DOM = re.compile(r"\bD\.(?= [A-ZÀ-Ý][a-zà-ÿ]*[^a\Wà-ÿ]\b)")
_NEW_SENTENCE = re.compile(r"\s*$|\s+[A-ZÀ-Ý¿¡«“\"]")


@cache
def _patterns(code: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    def alternatives(names: dict[str, str]) -> str:
        return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))

    return (
        re.compile(
            rf"(?<![\w.])(?<![A-Z]\. )({alternatives(_LEADING[code])})"
            r"(?=\s+[\w#+(]|(?<=\.)\d|(?<=\.)[A-ZÀ-Ý][a-zà-ÿ]|\s*$|(?<=/)\w)"
        ),
        re.compile(rf"(?<![\w.])({alternatives(_ENDING[code])})(?!\w)"),
        re.compile(r"(?<![\w.])p\. ?(?=\d)"),
    )


def abbreviations(text: str, language: Language) -> str:
    """Expand titles, addresses and other abbreviations."""
    code = language.code
    leading, ending, page = _patterns(code)
    if code == "en":
        text = _STREET.sub(
            lambda m: f"{m[1]} {'Street' if m[2] == 'St' else 'Drive'}{_stop(m, '.')}", text
        )
        text = _SAINT.sub(lambda m: "Saint" if m[1] == "St" else "Doctor", text)
    if code == "pt":
        text = _DOM.sub("Dom", text)
    if code == "fr":
        text = re.sub(r"\bS(t|te)-(?=[A-ZÀ-Ý])", lambda m: f"Saint{m[1][1:]}-", text)
    text = leading.sub(lambda m: _cased(m, _LEADING[code][m[1]]), text)
    text = ending.sub(lambda m: _ENDING[code][m[1]] + _stop(m), text)
    return page.sub(f"{_PAGE[code]} ", text)


def _stop(found: re.Match[str], mark: str = "") -> str:
    ends = _NEW_SENTENCE.match(found.string, found.end())
    return "." if (mark or found[1]).endswith(".") and ends else ""


def _cased(found: re.Match[str], spoken: str) -> str:
    """Capitalise the expansion at the start of a sentence, which sentence splitting relies on."""
    text, before = found.string, found.start()
    while before and text[before - 1].isspace():
        before -= 1
    starts = not before or text[before - 1] in ".!?…"
    return spoken[0].upper() + spoken[1:] if starts else spoken
