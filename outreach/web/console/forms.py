"""What all forms share: Tabler's classes, texts in each language, and the verbs' complaints at their fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms

from outreach.core.errors import Invalid
from outreach.core.vocabulary import Language

#: Widgets that are drawn by Tabler's class; ticks and radio buttons are drawn by the template.
CLASSES: Final[tuple[tuple[type[forms.Widget], str], ...]] = (
    (forms.CheckboxSelectMultiple, ""),
    (forms.RadioSelect, ""),
    (forms.CheckboxInput, ""),
    (forms.Select, "form-select"),
    (forms.Widget, "form-control"),
)


class ConsoleForm(forms.Form):
    """A form of the console; an `Invalid` of a verb becomes errors at its fields."""

    #: Where a verb's path is not the field's name: `name/bg` is found as `name_bg` without being listed.
    paths: Mapping[str, str] = {}

    def __init__(self, *args: Any, extra_fields: Mapping[str, forms.Field] | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.fields.update(extra_fields or {})
        self.use_required_attribute = False
        for field in self.fields.values():
            name = next(name for kind, name in CLASSES if isinstance(field.widget, kind))
            if name:
                field.widget.attrs["class"] = f"{name} {field.widget.attrs.get('class', '')}".strip()

    def take(self, invalid: Invalid) -> None:
        """Show what a verb found wrong, at the field where there is one."""
        for path, sentences in invalid.fields.items():
            field = self._field_of(path)
            for sentence in sentences:
                self.add_error(field, str(sentence))

    def _field_of(self, path: str) -> str | None:
        parts = path.split("/")
        for length in range(len(parts), 0, -1):
            head = "/".join(parts[:length])
            for name in (self.paths.get(head, ""), head.replace("/", "_"), f"{head}_bg"):
                if name in self.fields:
                    return name
        return None

    def texts(self, name: str) -> dict[str, str]:
        """`{"bg": ..., "en": ...}` of the fields `name_bg` and `name_en`; empty texts are left out."""
        return {
            language: text for language in Language.values if (text := self.cleaned_data[f"{name}_{language}"].strip())
        }


def initial_texts(name: str, texts: Mapping[str, str]) -> dict[str, str]:
    """The initial values of `name_bg` and `name_en`."""
    return {f"{name}_{language}": texts.get(language, "") for language in Language.values}


def ticks(label: Any, choices: Any, *, help_text: Any = "", required: bool = False) -> forms.MultipleChoiceField:
    """Any number of choices, as boxes to tick."""
    return forms.MultipleChoiceField(
        label=label,
        choices=choices,
        required=required,
        help_text=help_text,
        widget=forms.CheckboxSelectMultiple,
    )


def one_of(label: Any, choices: Any, *, help_text: Any = "") -> forms.ChoiceField:
    """One choice of a few, all of them visible."""
    return forms.ChoiceField(label=label, choices=choices, help_text=help_text, widget=forms.RadioSelect)


def long_text(label: Any, *, rows: int = 4, required: bool = False, help_text: Any = "") -> forms.CharField:
    return forms.CharField(
        label=label, required=required, help_text=help_text, widget=forms.Textarea(attrs={"rows": rows})
    )
