"""How a derivation is told: its equations, reasons, Jacobians and costs as mathematics."""
