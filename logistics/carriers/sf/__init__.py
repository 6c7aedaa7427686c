"""SF Express (顺丰 丰桥): waybills, tracking and route pushes."""
