"""Where the views of channels show faults: beside their fields."""

from __future__ import annotations

from django import forms

from common.errors import Invalid


def show_faults(error: Invalid, *shown: forms.BaseForm) -> None:
    """Each fault beside the field it names, in whichever form has it; else above the first form."""
    for problem in error.problems:
        form = next((one for one in shown if problem.pointer in one.fields), None)
        if form is not None:
            form.add_error(problem.pointer, str(problem.detail))
        else:
            shown[0].add_error(None, str(problem.detail))
