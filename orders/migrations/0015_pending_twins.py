"""Number the orders that one buyer has open for the same products apart, before a constraint asks for it.

The first keeps its number; the others take numbers above every one that this buyer and these products have had.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

_NUMBER = """
WITH alike AS (
 SELECT id, row_number() OVER (PARTITION BY buyer_id, product_set, twin_number ORDER BY id) AS place,
  row_number() OVER (PARTITION BY buyer_id, product_set ORDER BY id) AS rank, buyer_id, product_set
 FROM orders_order WHERE status = 'pending'
), clashing AS (
 SELECT alike.id, alike.rank + (
   SELECT max(o.twin_number) FROM orders_order o
   WHERE o.buyer_id = alike.buyer_id AND o.product_set = alike.product_set
  ) AS number
 FROM alike WHERE alike.place > 1
)
UPDATE orders_order SET twin_number = (SELECT number FROM clashing WHERE clashing.id = orders_order.id)
WHERE id IN (SELECT id FROM clashing)
"""


def number_apart(_apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
    editor.execute(_NUMBER)


class Migration(migrations.Migration):
    dependencies = [("orders", "0014_risk_strategies")]

    operations = [
        migrations.RunPython(number_apart, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(condition=models.Q(('status', 'pending')), fields=('buyer', 'product_set', 'twin_number'), name='order_pending_twin'),
        ),
    ]
