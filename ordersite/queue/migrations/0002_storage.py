from django.db import migrations

from ordersite.database import table_settings


class Migration(migrations.Migration):
    dependencies = [("rails", "0001_initial")]

    operations = [
        table_settings.keep("rails_outboxentry", **table_settings.QUEUE),
        # Room for the versions of a row that is claimed and handed on: they stay on its page, out of the indexes.
        table_settings.keep("rails_delivery", **table_settings.QUEUE, fillfactor=65),
    ]
