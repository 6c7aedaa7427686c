"""The base of models whose status only a transition changes."""

from __future__ import annotations

from typing import Any

from django_fsm import FSMModelMixin


class GuardedStatus(FSMModelMixin):
    """For models whose `status` is a protected FSMField. First among the bases: the library's part must precede Model."""

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Restore the field's protection after a failed refresh (a deleted row): the library leaves it lifted for the
        whole process."""
        try:
            super().refresh_from_db(*args, **kwargs)
        finally:
            status: Any = type(self)._meta.get_field("status")
            status.protected = True
