"""Find looks at phone numbers by a person's name without reading all of them."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0009_token_life")]

    operations = [
        migrations.AddIndex(
            "phonelook", models.Index(fields=["username", "id"], name="phone_look_username")
        ),
    ]
