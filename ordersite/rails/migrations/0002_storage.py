from django.db import migrations

from ordersite.rails import storage


class Migration(migrations.Migration):
    dependencies = [("rails", "0001_initial")]

    operations = [
        storage.keep("rails_outboxentry", **storage.QUEUE),
        # Room for the versions of a row that is claimed and handed on: they stay on its page, out of the indexes.
        storage.keep("rails_delivery", **storage.QUEUE, fillfactor=65),
    ]
