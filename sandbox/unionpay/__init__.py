"""UnionPay's side."""
