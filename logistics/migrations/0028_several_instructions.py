"""A warehouse may have several open instructions of one order: the later ones are what another refused to send."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("logistics", "0023_unknown_codes")]

    operations = [migrations.RemoveConstraint(model_name="dispatch", name="dispatch_once")]
