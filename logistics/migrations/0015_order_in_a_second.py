from typing import Any

from django.db import migrations


def _order_events_of_a_second(apps: Any, schema_editor: Any) -> None:
    """Events of one second stood in the order of their numbers."""
    schema_editor.execute(
        "UPDATE logistics_trackingevent SET place = numbered.place FROM ("
        "SELECT id, (row_number() OVER (PARTITION BY shipment_id, at ORDER BY id) - 1) * 16 AS place "
        "FROM logistics_trackingevent) AS numbered "
        "WHERE numbered.id = logistics_trackingevent.id AND numbered.place BETWEEN 1 AND 16000"
    )


class Migration(migrations.Migration):
    dependencies = [("logistics", "0014_event_sources")]
    operations = [migrations.RunPython(_order_events_of_a_second, migrations.RunPython.noop)]
