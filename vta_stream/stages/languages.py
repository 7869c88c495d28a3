"""Names of languages: what sites, containers and Whisper call the same one."""

from __future__ import annotations

import re

_ISO_639_2 = (
    "afr:af alb:sq amh:am ara:ar arm:hy asm:as aze:az bak:ba baq:eu bel:be ben:bn bod:bo bos:bs bre:br bul:bg bur:my "
    "cat:ca ces:cs chi:zh cym:cy cze:cs dan:da deu:de dut:nl ell:el eng:en est:et eus:eu fao:fo fas:fa fil:tl fin:fi "
    "fra:fr fre:fr geo:ka ger:de gle:ga glg:gl gre:el guj:gu hat:ht hau:ha haw:haw heb:he hin:hi hrv:hr hun:hu hye:hy "
    "ice:is ind:id isl:is ita:it jav:jw jpn:ja kan:kn kat:ka kaz:kk khm:km kor:ko lao:lo lat:la lav:lv lin:ln lit:lt "
    "ltz:lb mac:mk mal:ml mao:mi mar:mr may:ms mkd:mk mlg:mg mlt:mt mon:mn mri:mi msa:ms mya:my nep:ne nld:nl nno:nn "
    "nob:no nor:no oci:oc pan:pa per:fa pol:pl por:pt pus:ps ron:ro rum:ro rus:ru san:sa sin:si slk:sk slo:sk slv:sl "
    "sna:sn snd:sd som:so spa:es sqi:sq srp:sr sun:su swa:sw swe:sv tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tib:bo "
    "tuk:tk tur:tr ukr:uk urd:ur uzb:uz vie:vi wel:cy yid:yi yor:yo yue:yue zho:zh "
)
"""Three letters to Whisper's two (or three), bibliographic codes included."""

_CODES = dict(pair.split(":") for pair in re.findall(r"\S+", _ISO_639_2)) | {
    "iw": "he", "in": "id", "ji": "yi", "jv": "jw", "nb": "no", "fil": "tl", "cmn": "zh",
}  # fmt: skip
_UNKNOWN = frozenset({"", "und", "mis", "mul", "zxx", "unknown"})


def whisper_language(tag: str | None) -> str | None:
    """Whisper's code of a BCP 47 tag or ISO 639 code: `en-US`, `eng` and `en-orig` are `en`, `nb` is `no`.

    None stays None, as do the codes for "undetermined". What is not known is returned in small letters.
    """
    primary = (tag or "").replace("_", "-").partition("-")[0].strip().lower()
    return None if primary in _UNKNOWN else _CODES.get(primary, primary)
