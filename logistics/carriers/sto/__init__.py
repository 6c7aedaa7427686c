"""STO Express (申通): waybills, tracking and pushes through its open platform."""
