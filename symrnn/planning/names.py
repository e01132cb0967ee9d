"""Names of arrays in a plan."""

from symrnn.declaration.normal_form import unique_name


class Names:
    """Gives every array a name of its own; who comes first keeps the plain one."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def fresh(self, name: str) -> str:
        """`name`, with a number if it is taken."""
        made = unique_name(name, self.taken)
        self.taken.add(made)
        return made
