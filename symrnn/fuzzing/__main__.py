"""`python -m symrnn.fuzzing`."""

from symrnn.fuzzing.command import main

if __name__ == "__main__":
    main()
