"""Plain Python, the example of a target: lists of numbers and `math`, one sample and one step at a time."""

PLACE = 3
ARRAYS = False
