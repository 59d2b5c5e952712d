"""What support may read to a customer, in their language: one sentence for each thing that may be so, now and at a past
moment. None names a number, a flag, a segment, a guard or a person, and none promises what nobody can keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Case(StrEnum):
    """What is so for somebody, as far as it is their business."""

    HAS = "has"
    OFF_FOR_ALL = "off for all"
    CLOSED = "closed"
    NEEDS_ANOTHER = "needs another"
    PAUSED = "paused"
    UPDATE = "update"
    UNRECOGNISED = "unrecognised"
    NOT_YET = "not yet"
    NOT_FOR_THEM = "not for them"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Sentence:
    now: str
    then: str


USUAL = "en"

SENTENCES: Mapping[str, Mapping[Case, Sentence]] = {
    "en": {
        Case.HAS: Sentence(
            "You have this feature.",
            "You had this feature at that time.",
        ),
        Case.OFF_FOR_ALL: Sentence(
            "This feature is switched off for everyone at the moment.",
            "This feature was switched off for everyone at that time.",
        ),
        Case.CLOSED: Sentence(
            "This feature is not available at the moment.",
            "This feature was not available at that time.",
        ),
        Case.NEEDS_ANOTHER: Sentence(
            "This feature only works together with another one, which you do not have at the moment.",
            "This feature only worked together with another one, which you did not have at that time.",
        ),
        Case.PAUSED: Sentence(
            "We have paused this feature for you while we look into a problem with it.",
            "We had paused this feature for you at that time because of a problem with it.",
        ),
        Case.UPDATE: Sentence(
            "This feature needs a newer version of the app: once you update the app, you have it.",
            "At that time this feature needed a newer version of the app than yours.",
        ),
        Case.UNRECOGNISED: Sentence(
            "This feature is only there for people whom we recognise, so please sign in first.",
            "This feature was only there for people whom we recognised, and at that time we could not tell who asked.",
        ),
        Case.NOT_YET: Sentence(
            "We are introducing this feature step by step, and it has not reached you yet.",
            "We were introducing this feature step by step, and it had not reached you at that time.",
        ),
        Case.NOT_FOR_THEM: Sentence(
            "This feature is not available to you at the moment.",
            "This feature was not available to you at that time.",
        ),
        Case.FAULT: Sentence(
            "Because of a fault on our side, this feature cannot be used at the moment.",
            "Because of a fault on our side, this feature could not be used at that time.",
        ),
    },
    "hi": {
        Case.HAS: Sentence(
            "यह सुविधा आपके लिए चालू है।",
            "उस समय यह सुविधा आपके लिए चालू थी।",
        ),
        Case.OFF_FOR_ALL: Sentence(
            "यह सुविधा इस समय सभी के लिए बंद है।",
            "उस समय यह सुविधा सभी के लिए बंद थी।",
        ),
        Case.CLOSED: Sentence(
            "यह सुविधा इस समय उपलब्ध नहीं है।",
            "उस समय यह सुविधा उपलब्ध नहीं थी।",
        ),
        Case.NEEDS_ANOTHER: Sentence(
            "यह सुविधा एक दूसरी सुविधा के साथ ही काम करती है, जो इस समय आपके पास नहीं है।",
            "यह सुविधा एक दूसरी सुविधा के साथ ही काम करती थी, जो उस समय आपके पास नहीं थी।",
        ),
        Case.PAUSED: Sentence(
            "इस सुविधा में एक समस्या की जाँच चल रही है, इसलिए हमने इसे अभी आपके लिए रोक रखा है।",
            "इस सुविधा में एक समस्या के कारण हमने उस समय इसे आपके लिए रोक रखा था।",
        ),
        Case.UPDATE: Sentence(
            "इस सुविधा के लिए ऐप का नया संस्करण चाहिए; ऐप अपडेट करते ही यह आपको मिल जाएगी।",
            "उस समय इस सुविधा के लिए आपके ऐप से नए संस्करण की ज़रूरत थी।",
        ),
        Case.UNRECOGNISED: Sentence(
            "यह सुविधा केवल उन्हीं लोगों को मिलती है जिन्हें हम पहचान पाते हैं, इसलिए कृपया पहले लॉग इन करें।",
            "यह सुविधा केवल उन्हीं लोगों को मिलती थी जिन्हें हम पहचान पाते थे, और उस समय हम आपको पहचान नहीं पाए।",
        ),
        Case.NOT_YET: Sentence(
            "हम यह सुविधा धीरे-धीरे शुरू कर रहे हैं और यह अभी तक आप तक नहीं पहुँची है।",
            "हम यह सुविधा धीरे-धीरे शुरू कर रहे थे और उस समय तक यह आप तक नहीं पहुँची थी।",
        ),
        Case.NOT_FOR_THEM: Sentence(
            "यह सुविधा इस समय आपके लिए उपलब्ध नहीं है।",
            "उस समय यह सुविधा आपके लिए उपलब्ध नहीं थी।",
        ),
        Case.FAULT: Sentence(
            "हमारी ओर से एक गड़बड़ी के कारण इस समय इस सुविधा का उपयोग नहीं किया जा सकता।",
            "हमारी ओर से एक गड़बड़ी के कारण उस समय इस सुविधा का उपयोग नहीं किया जा सकता था।",
        ),
    },
    "nl": {
        Case.HAS: Sentence(
            "U hebt deze functie.",
            "U had deze functie op dat moment.",
        ),
        Case.OFF_FOR_ALL: Sentence(
            "Deze functie staat op dit moment voor iedereen uit.",
            "Deze functie stond op dat moment voor iedereen uit.",
        ),
        Case.CLOSED: Sentence(
            "Deze functie is op dit moment niet beschikbaar.",
            "Deze functie was op dat moment niet beschikbaar.",
        ),
        Case.NEEDS_ANOTHER: Sentence(
            "Deze functie werkt alleen samen met een andere functie, die u op dit moment niet hebt.",
            "Deze functie werkte alleen samen met een andere functie, die u op dat moment niet had.",
        ),
        Case.PAUSED: Sentence(
            "We hebben deze functie voor u tijdelijk uitgezet terwijl we een probleem ermee onderzoeken.",
            "We hadden deze functie op dat moment voor u uitgezet vanwege een probleem ermee.",
        ),
        Case.UPDATE: Sentence(
            "Voor deze functie is een nieuwere versie van de app nodig: zodra u de app bijwerkt, hebt u deze functie.",
            "Voor deze functie was op dat moment een nieuwere versie van de app nodig dan die van u.",
        ),
        Case.UNRECOGNISED: Sentence(
            "Deze functie is er alleen voor mensen die we herkennen, dus log eerst in.",
            "Deze functie was er alleen voor mensen die we herkenden, en op dat moment wisten we niet wie erom vroeg.",
        ),
        Case.NOT_YET: Sentence(
            "We voeren deze functie stap voor stap in en u bent nog niet aan de beurt.",
            "We voerden deze functie stap voor stap in en u was op dat moment nog niet aan de beurt.",
        ),
        Case.NOT_FOR_THEM: Sentence(
            "Deze functie is op dit moment niet voor u beschikbaar.",
            "Deze functie was op dat moment niet voor u beschikbaar.",
        ),
        Case.FAULT: Sentence(
            "Door een storing bij ons kan deze functie op dit moment niet worden gebruikt.",
            "Door een storing bij ons kon deze functie op dat moment niet worden gebruikt.",
        ),
    },
}
