"""`python -m symrnn.workbench.fuzz`."""

from symrnn.workbench.fuzz.command import main

if __name__ == "__main__":
    main()
