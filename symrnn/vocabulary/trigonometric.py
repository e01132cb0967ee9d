"""Functions of angles."""

from dataclasses import replace
from math import pi

import numpy as np
from sympy import S
from sympy import atan as sympy_atan
from sympy import cos as sympy_cos
from sympy import pi as exact_pi
from sympy import sin as sympy_sin
from sympy import tan as sympy_tan

from symrnn.vocabulary.functions import Facts, PointwiseFunction, Words, in_libraries

__all__ = ["atan", "cos", "sin", "tan"]


class sin(PointwiseFunction):  # noqa: N801  (reads like the publication)
    """The sine, of radians."""

    __slots__ = ()
    name = "sin"
    facts = Facts(
        rules=(lambda d, y, a: d * cos(a),),
        value=np.sin,
        reference=lambda xp, x: xp.sin(x),
        number=sympy_sin,
        equivalent=sympy_sin,
        range=(-1.0, 1.0),
        turns=None,
        at_zero=S.Zero,
        spelling=replace(in_libraries("sin", numba="np.sin", onnx="Sin"), number="math.sin", latex=r"\sin"),
        words=Words(
            derivative=r", and $\sin' = \cos$", bound=r"$\lvert\sin'\rvert = \lvert\cos\rvert \le 1$"
        ),
    )


class cos(PointwiseFunction):  # noqa: N801
    """The cosine, of radians."""

    __slots__ = ()
    name = "cos"
    facts = Facts(
        rules=(lambda d, y, a: -d * sin(a),),
        value=np.cos,
        reference=lambda xp, x: xp.cos(x),
        number=sympy_cos,
        equivalent=sympy_cos,
        range=(-1.0, 1.0),
        turns=None,
        at_zero=S.One,
        spelling=replace(in_libraries("cos", numba="np.cos", onnx="Cos"), number="math.cos", latex=r"\cos"),
        words=Words(
            derivative=r", and $\cos' = -\sin$", bound=r"$\lvert\cos'\rvert = \lvert\sin\rvert \le 1$"
        ),
    )


class tan(PointwiseFunction):  # noqa: N801
    """The tangent, of radians: infinite at odd multiples of pi/2."""

    __slots__ = ()
    name = "tan"
    facts = Facts(
        rules=(lambda d, y, a: d * (1 + y**2),),
        value=np.tan,
        reference=lambda xp, x: xp.sin(x) / xp.cos(x),
        number=sympy_tan,
        equivalent=sympy_tan,
        turns=tuple(odd * pi / 2 for odd in range(-9, 10, 2)),
        at_zero=S.Zero,
        spelling=replace(in_libraries("tan", numba="np.tan"), number="math.tan", latex=r"\tan"),
        words=Words(derivative=r", and $\tan' = 1 + \tan^{2}$"),
    )


class atan(PointwiseFunction):  # noqa: N801
    """The angle whose tangent is x, between -pi/2 and pi/2."""

    __slots__ = ()
    name = "atan"
    facts = Facts(
        rules=(lambda d, y, a: d / (1 + a**2),),
        value=np.arctan,
        reference=lambda xp, x: xp.arctan(x),
        number=sympy_atan,
        equivalent=sympy_atan,
        range=(-pi / 2, pi / 2),
        at_zero=S.Zero,
        limits=(exact_pi / 2, -exact_pi / 2),
        spelling=replace(
            in_libraries("arctan", numba="np.arctan", onnx="Atan"), number="math.atan", latex=r"\arctan"
        ),
        words=Words(
            derivative=r", and $\arctan'(<a>) = 1/(1 + <a>^{2})$",
            bound=r"$\arctan'(<a>) = 1/(1 + <a>^{2}) \le 1$",
        ),
    )
