"""The control page, on which a tester pays, refunds and injects faults, and its JSON API."""
