"""Languages: how cards spell them, and the one code that the catalog uses.

The code is the two letters of ISO 639-1 where there are any (``ko``), else the three
letters of ISO 639-3 (``ceb``). ``kor``, ``Korean``, ``ko-KR`` and ``한국어`` are all ``ko``.
What is no language that we know stays as it was written, in lower case: somebody may
look for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final
from unicodedata import normalize

from mirror.catalog.values import unique

#: ISO 639-1: two letters, the three letters of ISO 639-3, English names.
_TABLE: Final = """
aa aar Afar|ab abk Abkhazian,Abkhaz|ae ave Avestan|af afr Afrikaans|ak aka Akan|am amh Amharic
an arg Aragonese|ar ara Arabic|as asm Assamese|av ava Avaric|ay aym Aymara|az aze Azerbaijani
ba bak Bashkir|be bel Belarusian|bg bul Bulgarian|bh bih Bihari|bi bis Bislama|bm bam Bambara
bn ben Bengali,Bangla|bo bod Tibetan|br bre Breton|bs bos Bosnian|ca cat Catalan,Valencian
ce che Chechen|ch cha Chamorro|co cos Corsican|cr cre Cree|cs ces Czech
cu chu Church Slavonic,Old Church Slavonic
cv chv Chuvash|cy cym Welsh|da dan Danish|de deu German|dv div Divehi,Dhivehi,Maldivian
dz dzo Dzongkha|ee ewe Ewe|el ell Greek|en eng English|eo epo Esperanto|es spa Spanish,Castilian
et est Estonian|eu eus Basque|fa fas Persian,Farsi|ff ful Fulah,Fula|fi fin Finnish|fj fij Fijian
fo fao Faroese|fr fra French|fy fry Western Frisian,Frisian|ga gle Irish|gd gla Scottish Gaelic
gl glg Galician|gn grn Guarani,Guaraní|gu guj Gujarati|gv glv Manx|ha hau Hausa|he heb Hebrew
hi hin Hindi
ho hmo Hiri Motu|hr hrv Croatian|ht hat Haitian,Haitian Creole|hu hun Hungarian|hy hye Armenian
hz her Herero|ia ina Interlingua|id ind Indonesian,Bahasa Indonesia|ie ile Interlingue|ig ibo Igbo
ii iii Nuosu|ik ipk Inupiaq|io ido Ido|is isl Icelandic|it ita Italian|iu iku Inuktitut
ja jpn Japanese|jv jav Javanese|ka kat Georgian|kg kon Kongo|ki kik Kikuyu|kj kua Kuanyama,Kwanyama
kk kaz Kazakh|kl kal Kalaallisut,Greenlandic|km khm Khmer|kn kan Kannada|ko kor Korean|kr kau Kanuri
ks kas Kashmiri|ku kur Kurdish|kv kom Komi|kw cor Cornish|ky kir Kyrgyz,Kirghiz|la lat Latin
lb ltz Luxembourgish|lg lug Ganda,Luganda|li lim Limburgish|ln lin Lingala|lo lao Lao
lt lit Lithuanian|lu lub Luba-Katanga|lv lav Latvian|mg mlg Malagasy|mh mah Marshallese
mi mri Maori,Māori|mk mkd Macedonian|ml mal Malayalam|mn mon Mongolian|mr mar Marathi|ms msa Malay
mt mlt Maltese|my mya Burmese,Myanmar|na nau Nauru|nb nob Norwegian Bokmål,Bokmål,Bokmal
nd nde North Ndebele,Northern Ndebele|ne nep Nepali|ng ndo Ndonga|nl nld Dutch,Flemish
nn nno Norwegian Nynorsk,Nynorsk|no nor Norwegian|nr nbl South Ndebele,Southern Ndebele
nv nav Navajo
ny nya Chichewa,Nyanja|oc oci Occitan|oj oji Ojibwa,Ojibwe|om orm Oromo|or ori Odia,Oriya
os oss Ossetian
pa pan Punjabi,Panjabi|pi pli Pali,Pāli|pl pol Polish|ps pus Pashto|pt por Portuguese|qu que Quechua
rm roh Romansh|rn run Rundi,Kirundi|ro ron Romanian|ru rus Russian|rw kin Kinyarwanda
sa san Sanskrit|sc srd Sardinian|sd snd Sindhi|se sme Northern Sami|sg sag Sango
si sin Sinhala,Sinhalese|sk slk Slovak|sl slv Slovenian,Slovene|sm smo Samoan|sn sna Shona
so som Somali|sq sqi Albanian|sr srp Serbian|ss ssw Swati|st sot Southern Sotho,Sesotho
su sun Sundanese|sv swe Swedish|sw swa Swahili|ta tam Tamil|te tel Telugu|tg tgk Tajik|th tha Thai
ti tir Tigrinya|tk tuk Turkmen|tl tgl Tagalog|tn tsn Tswana,Setswana|to ton Tonga|tr tur Turkish
ts tso Tsonga|tt tat Tatar|tw twi Twi|ty tah Tahitian|ug uig Uyghur,Uighur|uk ukr Ukrainian
ur urd Urdu|uz uzb Uzbek|ve ven Venda|vi vie Vietnamese|vo vol Volapük|wa wln Walloon|wo wol Wolof
xh xho Xhosa|yi yid Yiddish|yo yor Yoruba|za zha Zhuang|zh zho Chinese,Mandarin|zu zul Zulu
"""

#: Three letters without two, where models on the Hub carry them as a bare tag.
_THREE: Final = """
arz Egyptian Arabic|ast Asturian|bho Bhojpuri|ceb Cebuano|ckb Central Kurdish|fil Filipino
gsw Swiss German|haw Hawaiian|hmn Hmong|lzh Literary Chinese|mai Maithili|nds Low German
pap Papiamento|sah Yakut|scn Sicilian|war Waray|yue Cantonese
"""

#: Three letters of ISO 639-2/B, names in the language itself, and country codes that are
#: written for a language and mean no other one.
_ALSO: Final = {
    "alb": "sq", "arm": "hy", "baq": "eu", "bur": "my", "chi": "zh", "cze": "cs", "dut": "nl",
    "fre": "fr", "geo": "ka", "ger": "de", "gre": "el", "ice": "is", "mac": "mk", "may": "ms",
    "per": "fa", "rum": "ro", "slo": "sk", "tib": "bo", "wel": "cy", "cmn": "zh", "arb": "ar",
    "한국어": "ko", "한국말": "ko", "日本語": "ja", "中文": "zh", "汉语": "zh", "漢語": "zh",
    "русский": "ru", "español": "es", "français": "fr", "deutsch": "de", "português": "pt",
    "tiếng việt": "vi", "ไทย": "th", "العربية": "ar", "हिन्दी": "hi",
    "한글": "ko", "영어": "en", "일본어": "ja", "일어": "ja", "중국어": "zh", "독일어": "de",
    "프랑스어": "fr", "불어": "fr", "스페인어": "es", "러시아어": "ru", "베트남어": "vi",
    "태국어": "th", "인도네시아어": "id", "아랍어": "ar", "이탈리아어": "it", "포르투갈어": "pt",
    "힌디어": "hi", "몽골어": "mn", "터키어": "tr", "튀르키예어": "tr", "네덜란드어": "nl",
    "폴란드어": "pl", "우크라이나어": "uk", "라틴어": "la", "페르시아어": "fa", "노르웨이어": "no",
    "韓国語": "ko", "英語": "en", "中国語": "zh", "韩语": "ko", "韩文": "ko", "韓文": "ko",
    "英语": "en", "英文": "en", "日语": "ja", "日文": "ja",
    "cn": "zh", "jp": "ja", "cz": "cs", "vn": "vi", "gr": "el", "ua": "uk",
    "iw": "he", "in": "id", "jw": "jv",
}  # fmt: skip

#: Not languages, but what the Hub takes in their place.
_SPECIAL: Final = frozenset({"multilingual", "code"})

#: A longer text is no language, but a template that was not filled in.
_MAX_CODE: Final = 40

_SEPARATOR: Final = re.compile(r"\s*[,;/|&+]\s*|\s+and\s+")


@dataclass(frozen=True)
class Language:
    """A language of a repo."""

    code: str
    """``ko``; an unknown one as it was written, in lower case."""
    stated: str
    """As it was written: ``Korean``, ``zh-Hant``."""


@dataclass(frozen=True)
class _Known:
    spellings: dict[str, str]
    """Every spelling in lower case, to its code."""
    bare: frozenset[str]
    """The codes that a bare tag of a model may be."""


@cache
def _known() -> _Known:
    spellings: dict[str, str] = {}
    codes: set[str] = set()
    for row in _rows(_TABLE):
        code, three, names = row.split(" ", 2)
        codes.add(code)
        spellings |= dict.fromkeys([code, three, *names.lower().split(",")], code)
    for row in _rows(_THREE):
        code, names = row.split(" ", 1)
        codes.add(code)
        spellings |= dict.fromkeys([code, *names.lower().split(",")], code)
    return _Known({**_ALSO, **spellings}, frozenset(codes))


def _rows(table: str) -> Iterable[str]:
    return table.strip().replace("\n", "|").split("|")


def is_language_tag(tag: str) -> bool:
    """Whether a model's bare tag is a language: the Hub adds one for every language."""
    return tag in _known().bare or tag == "multilingual"


def language_names() -> tuple[str, ...]:
    """Give every name of a language, in lower case: ``korean``, ``한국어``; no codes."""
    return tuple(name for name in _known().spellings if len(name) > 3)


def parse_language(text: str) -> tuple[Language, ...]:
    """Read what a card says: a code, a name, or several in one text (``English, Korean``)."""
    if (code := _code(text)) is not None:
        return (Language(code, text),)
    parts = [part for part in _SEPARATOR.split(text) if part]
    if len(parts) == 1:
        # `French English` is two; of `scientific English`, English is one that we know.
        parts = [part for part in text.split() if _is_known(part)] or [text]
    return tuple(Language(_code(part) or part.strip().lower(), part) for part in parts)


def parse_languages(texts: Iterable[str]) -> tuple[Language, ...]:
    """Read a list of them; each way of writing one once (``zh-Hans``, ``zh-Hant``), in order."""
    found = {
        (language.code, language.stated.lower()): language
        for text in texts
        for language in parse_language(text)
        if len(language.code) <= _MAX_CODE
    }
    return tuple(found.values())


def codes(languages: Iterable[Language]) -> tuple[str, ...]:
    """Give each code once, in order."""
    return unique(language.code for language in languages)


def _is_known(text: str) -> bool:
    return normalize("NFKC", text[:_MAX_CODE]).lower() in _known().spellings


def _code(text: str) -> str | None:
    """The code of one spelling, ``None`` if it is none that we know."""
    # NFKC: a Mac writes 한국어 in parts, and forms take ｋｏ.
    spelling = normalize("NFKC", text[: 4 * _MAX_CODE]).strip().lower().replace("_", "-")
    if (code := _known().spellings.get(spelling)) is not None:
        return code
    if spelling in _SPECIAL:
        return spelling
    primary, hyphen, _ = spelling.partition("-")
    if (code := _known().spellings.get(primary)) is not None and hyphen and len(primary) <= 3:
        return code
    # The Hub takes every ISO 639-3 code (7,900): any three letters may be one.
    return primary if re.fullmatch(r"[a-z]{3}", primary) else None
