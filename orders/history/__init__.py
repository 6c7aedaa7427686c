"""The history of orders: `lines` chains them, `seals` seals them, `verify` proves that none is missing or altered."""
