"""The history of orders: chained lines (`lines`), seals over all of them (`seals`), the proof (`verify`)."""
