"""Mathematics as text: what a name may contain, where formulas break, how browsers and terminals set them."""
