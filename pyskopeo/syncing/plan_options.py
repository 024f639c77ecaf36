"""How the images of a plan are copied, as JSON: which images of an index, in which form, with what refers to them."""

from __future__ import annotations

from typing import Any

from ..engine.plan import DEFAULT_FORM, Form
from ..engine.selection import Selection
from ..errors import InvalidContent, Unsupported
from ..fast_dataclass import dataclass
from ..model.choice import Choice
from ..model.json_fields import JsonFields
from ..model.platform import Platform
from ..model.referrer import WantedReferrers

_OPTIONS = frozenset({"images", "platform", "annotations", "knownVariants", "form", "referrers"})
_PLATFORM = ("os", "architecture", "variant")
_FORM_TEXTS = {"format": "format", "compression": "compression"}
_FORM_COUNTS = {"level": "level", "maxInflated": "max_inflated"}
_FORM_FLAGS = {
    "compress": "compress",
    "decompress": "decompress",
    "keepPlain": "keep_plain",
    "preserveDigests": "preserve_digests",
    "removeSignatures": "remove_signatures",
    "removeListSignatures": "remove_list_signatures",
}
_FORM = frozenset({*_FORM_TEXTS, *_FORM_COUNTS, *_FORM_FLAGS})
_REFERRERS = frozenset({"copied", "types", "cosignTags", "required"})


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """How every image of a plan is copied; the fields are those of `SyncRequest`. There are no secrets in it."""

    selection: Selection
    form: Form = DEFAULT_FORM
    referrers: WantedReferrers | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; raises `Unsupported` for what needs keys: they are not written into a plan."""
        if self.form.encryption is not None or self.form.decryption is not None:
            raise Unsupported("a plan holds no keys: layers cannot be encrypted or decrypted by one")
        if self.selection.mode not in ("all", "system"):
            raise Unsupported("a plan copies all images of an index, or one: no list of platforms")
        document: dict[str, Any] = {"images": self.selection.mode, **_choice_json(self.selection)}
        changed = {
            key: getattr(self.form, name)
            for key, name in (_FORM_TEXTS | _FORM_COUNTS | _FORM_FLAGS).items()
            if getattr(self.form, name) != getattr(DEFAULT_FORM, name)
        }
        if changed:
            document["form"] = changed
        if (wanted := self.referrers) is not None:
            document["referrers"] = {
                "copied": wanted.copied, "types": list(wanted.types), "cosignTags": wanted.cosign_tags,
                "required": list(wanted.required),
            }  # fmt: skip
        return document

    @classmethod
    def from_json(cls, document: object, where: str) -> PlanOptions:
        """Return the options of a JSON object; raises `InvalidContent`, ``where`` is its begin."""
        fields = JsonFields(document, where, _OPTIONS)
        mode = fields.text("images")
        if mode not in ("all", "system"):
            raise InvalidContent(f'{where}: images: want "all" or "system"')
        form, referrers = fields.value("form"), fields.value("referrers")
        return cls(
            Selection(_choice(fields, where), mode),
            DEFAULT_FORM if form is None else _form(JsonFields(form, f"{where}: form", _FORM)),
            None if referrers is None else _referrers(JsonFields(referrers, f"{where}: referrers", _REFERRERS)),
        )


def _choice_json(selection: Selection) -> dict[str, Any]:
    """Return the members for the image that is chosen, always with a platform: another machine may run the plan."""
    choice = Choice.of(selection.platform)
    if selection.mode == "all":
        return {}
    platform = choice.platform or (None if choice.annotations else Platform.host())
    document: dict[str, Any] = {}
    if platform is not None:
        document["platform"] = {
            key: value for key, value in (
                ("os", platform.os), ("architecture", platform.architecture), ("variant", platform.variant),
                ("os.version", platform.os_version), ("os.features", list(platform.os_features)),
            ) if value
        }  # fmt: skip
    if choice.annotations:
        document["annotations"] = [f"{name}={value}" for name, value in choice.annotations]
    return document | ({} if choice.known_variants else {"knownVariants": False})


def _choice(fields: JsonFields, where: str) -> Choice:
    document, platform = fields.value("platform"), None
    if document is not None:
        stated = JsonFields(document, f"{where}: platform", frozenset({*_PLATFORM, "os.version", "os.features"}))
        os, architecture, variant = (stated.text(name, "") for name in _PLATFORM)
        platform = Platform(os, architecture, variant, stated.text("os.version", ""), stated.texts("os.features"))
    pairs = [text.partition("=") for text in fields.texts("annotations")]
    annotations = tuple((name, value) for name, _, value in pairs)
    return Choice(platform, annotations, known_variants=fields.flag("knownVariants", default=True))


def _form(fields: JsonFields) -> Form:
    texts = {name: fields.text(key, "") for key, name in _FORM_TEXTS.items()}
    flags = {name: fields.flag(key) for key, name in _FORM_FLAGS.items()}
    counts = {name: fields.optional_count(key) for key, name in _FORM_COUNTS.items()}
    if texts["format"] not in ("", "oci", "v2s1", "v2s2"):
        raise InvalidContent(f"a plan: format: {ascii(texts['format'])[:40]} is none")
    return Form(**texts, **flags, **counts)  # type: ignore[arg-type]  # the tables above say which fields these are


def _referrers(fields: JsonFields) -> WantedReferrers:
    return WantedReferrers(
        fields.flag("copied"), fields.texts("types"), fields.flag("cosignTags"), fields.texts("required")
    )
