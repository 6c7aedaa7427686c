"""YTO (圆通): waybills, tracking and pushes through its open platform."""
